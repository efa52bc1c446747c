//! Which process serves a new connection. Pure: figures in, a slot out.

use super::page::Line;

/// What a process writes into its line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    pub(crate) idle: u32,
    pub(crate) waiting: u32,
    pub(crate) connections: u32,
    /// The loop has made a turn.
    pub(crate) turn: bool,
}

/// The slot of the sibling that should serve a new connection; `None`: this process, whose line is `own`.
///
/// A process that can serve the connection at once comes before one that cannot, as long as its lead in connections is
/// small: a connection may stay open for long after this moment. Among equals the one with the fewest connections is
/// best, if it has at least [`FEWER`] fewer than this process.
pub(super) fn choose(own: Line, ready: &[(usize, Line)]) -> Option<usize> {
    let in_need = own.idle == 0;
    // The idle workers of a sibling may be needed for connections that are on their way.
    let can_serve = |line: &Line| line.idle > if in_need { line.pending } else { 0 };
    let best = |able: bool| {
        let those = ready.iter().filter(|(_, line)| can_serve(line) == able);
        those.min_by_key(|(slot, line)| (line.load(), *slot))
    };
    let has_fewer = |line: &Line| line.load().saturating_add(FEWER) <= own.load();
    let able = best(true).filter(|(_, line)| match in_need {
        true => line.load() < own.load().saturating_add(lead(line.idle, own)),
        false => has_fewer(line),
    });
    let unable = best(false).filter(|(_, line)| match in_need {
        true => has_fewer(line),
        false => line.load().saturating_add(lead(own.idle, *line) + FEWER) <= own.load(),
    });
    able.or(unable).map(|(slot, _)| *slot)
}

/// How many more connections than `other`, which cannot serve now, a process with `idle` workers may have.
fn lead(idle: u32, other: Line) -> u32 {
    idle.min(FEWER).max(other.load() / 8)
}

/// Passing a connection on for a smaller difference would cost more than it gains.
const FEWER: u32 = 2;

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    fn line(idle: u32, connections: u32, pending: u32) -> Line {
        Line {
            idle,
            connections,
            pending,
            ..Line::default()
        }
    }

    #[test]
    fn a_connection_goes_where_it_is_served_soonest() {
        let (free, full) = (line(1, 5, 0), line(0, 5, 0));
        for (own, ready, chosen) in [
            (free, vec![], None),
            (full, vec![], None),
            (full, vec![(3, free)], Some(3)),
            (full, vec![(3, full)], None),
            (free, vec![(3, line(1, 3, 0))], Some(3)),
            (free, vec![(3, line(1, 4, 0))], None),
            // A connection on its way may need the idle worker.
            (full, vec![(3, line(1, 5, 1))], None),
            (free, vec![(3, line(2, 3, 1))], None),
            (free, vec![(3, line(1, 2, 1))], Some(3)),
            // A process that is busy now may have fewer, but not many fewer.
            (free, vec![(3, line(0, 3, 0))], None),
            (free, vec![(3, line(0, 2, 0))], Some(3)),
            (full, vec![(3, line(0, 3, 0))], Some(3)),
            (full, vec![(1, line(0, 0, 0)), (3, line(1, 5, 0))], Some(3)),
            (full, vec![(1, line(0, 0, 0)), (3, line(1, 9, 0))], Some(1)),
            (full, vec![(3, line(1, 9, 0))], None),
            (full, vec![(1, line(2, 6, 0)), (3, line(1, 5, 0))], Some(3)),
            (full, vec![(1, line(2, 6, 0))], Some(1)),
            // However many workers it has: a burst has to be spread evenly.
            (full, vec![(1, line(8, 7, 0))], None),
        ] {
            assert_eq!(choose(own, &ready), chosen, "{own:?} {ready:?}");
        }
    }

    /// Whoever accepts: with idle workers everywhere no process ends with many more than another.
    #[test]
    fn a_burst_is_spread_evenly() {
        for processes in 2..6 {
            let mut lines = vec![line(1, 0, 0); processes];
            for nth in 0..64 {
                let acceptor = if nth < 50 { 0 } else { nth % processes };
                let others = (0..processes).filter(|slot| *slot != acceptor);
                let ready: Vec<_> = others.map(|slot| (slot, lines[slot])).collect();
                match choose(lines[acceptor], &ready) {
                    Some(slot) => lines[slot].pending += 1,
                    None => lines[acceptor].connections += 1,
                }
            }
            let loads = || lines.iter().map(Line::load);
            let (most, least) = (loads().max().unwrap(), loads().min().unwrap());
            assert!(most <= least + 2, "{processes}: {lines:?}");
        }
    }
}
