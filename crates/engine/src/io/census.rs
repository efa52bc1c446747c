//! Counts the channels by state, for status and metrics. Somebody requests a count; then the loop
//! counts some channels in each turn.

use crate::io::channel::Channel;
use crate::io::channels::Channels;
use crate::io::phase::Phase;
use crate::record::census::{Census, CensusTable};

/// The count that the loop is making.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    /// The number of this count. Without a count: the number of the last complete one.
    number: u64,
    /// The next index in the slab; 0 when nobody has requested a count.
    next: usize,
    so_far: Census,
}

impl Counting {
    pub(crate) fn is_under_way(&self) -> bool {
        self.next > 0
    }

    /// Counts some of the channels, if somebody has requested a count. The loop calls this once a turn.
    pub(crate) fn count_if_requested(&mut self, channels: &Channels, table: &CensusTable) {
        let requested = table.requested();
        if requested != self.number || self.is_under_way() {
            self.count(channels, table, requested, SLICE);
        }
    }

    /// Counts at most `most` more channels. Goes on with the current count, or begins count number `requested`.
    fn count(&mut self, channels: &Channels, table: &CensusTable, requested: u64, most: usize) {
        if !self.is_under_way() {
            (self.number, self.so_far) = (requested, Census::default());
        }
        let end = self.next + most;
        for index in self.next..end.min(channels.capacity()) {
            if let Some(channel) = channels.get(index) {
                add(&mut self.so_far, channel);
            }
        }
        let over = end >= channels.capacity();
        self.next = if over { 0 } else { end };
        if over {
            table.store(self.number, &self.so_far);
        }
    }
}

fn add(census: &mut Census, channel: &Channel) {
    if channel.is_listed_idle() {
        // Most channels are idle. An idle channel holds nothing outside of `Channel`. To look there would be a
        // cache miss.
        census.idle += 1;
        census.memory += channel.kept() as u64;
        return;
    }
    if channel.link.admin {
        return;
    }
    match channel.phase() {
        Phase::Idle => census.idle += 1,
        Phase::Head | Phase::Body => census.receiving += 1,
        Phase::Task => census.in_task += 1,
        Phase::Pending | Phase::Replying | Phase::Refusing | Phase::Lingering => {
            census.sending += 1;
        }
    }
    let unsent = channel.lane.unsent();
    census.unsent += unsent.all;
    census.memory += unsent.memory + channel.kept() as u64;
}

/// Most channels counted in one turn. This takes some 10 microseconds if they are idle, and 100 if not.
const SLICE: usize = 512;

#[cfg(all(test, unix, not(shuttle)))]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use crate::io::tests::{connect, with_idle};

    #[test]
    fn a_count_takes_a_slice_of_each_turn_and_is_shown_when_it_is_complete() {
        let (shared, mut io, _clients) = with_idle(11);
        // Channels of the admin endpoint are not counted.
        let _monitor = connect(&mut io, None);
        assert_eq!(
            (io.desk.channels.len(), io.desk.channels.capacity()),
            (12, 16)
        );
        let number = shared.request_census();
        for turn in 1..=4 {
            io.counting
                .count(&io.desk.channels, &shared.census, number, 4);
            assert_eq!(io.counting.is_under_way(), turn < 4);
            let shown = if turn < 4 { 0 } else { 11 };
            assert_eq!(shared.census.last().idle, shown);
        }
        // Nobody has requested another count.
        io.count_if_requested();
        assert!(!io.counting.is_under_way());
        // When the requester wakes up, all channels are counted, in one turn or in several.
        let asker = Arc::clone(&shared);
        let asker = std::thread::spawn(move || asker.new_census(Duration::from_secs(600)));
        while !asker.is_finished() {
            io.count_if_requested();
            std::thread::yield_now();
        }
        asker.join().unwrap();
        // Nobody waits for a loop that has ended.
        drop(io);
        shared.new_census(Duration::from_secs(600));
    }
}
