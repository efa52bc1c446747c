//! Requests wait, and the workers wait in line for something that only few can have at a time.

use super::place::{Resource, Waiters, waiters};
use super::scaling::Shape;
use super::words::number;
use super::{Advice, Case, Curve, Kind, advice};
use crate::observe::profile::Places;

/// Something that lets few workers pass at a time, and a line of them before it.
#[derive(Clone, Debug, PartialEq)]
struct Line {
    waiters: Waiters,
    kind: Kind,
    /// How many have it, if that can be seen.
    width: Option<usize>,
    /// Busy workers that are elsewhere: those who have it are among them.
    elsewhere: f64,
}

/// Why more threads would only wait, as a part of a sentence; `None` if no place is known to be the reason.
///
/// `busy` workers were busy while the profile was made.
pub(crate) fn limit(places: &Places, curve: &Curve, busy: f64) -> Option<String> {
    if places.seconds() < SEEN {
        return None;
    }
    let line = line(places, busy)?;
    let sure = is_sure(&line, curve.shape());
    sure.then(|| what(&line))
}

/// The workers wait in line: at which place, and for what.
pub(super) fn limited(case: &Case<'_>, waits: &str) -> Option<Advice> {
    let w = case.window;
    let line = line(case.places, w.busy)?;
    let shape = case.curve.shape();
    let mut evidence = vec![format!(
        "{} of {} busy workers wait at {}, and {} are elsewhere",
        number(line.waiters.workers),
        number(w.busy),
        line.waiters.shown,
        number(line.elsewhere),
    )];
    evidence.extend(shape.map(|shape| shape.said()));
    let sure = is_sure(&line, shape);
    let doubt = match shape {
        Some(Shape::Rising { .. }) => {
            " But more busy workers ended more requests: try twice the threads; if as many requests a second \
             end as before, undo it."
        }
        _ if !sure => " If more threads do not end more requests a second, undo them.",
        _ => "",
    };
    // A lock or a pool of the process: another process has another one.
    let own = cfg!(unix) && matches!(line.kind, Kind::Lock | Kind::Pool);
    let processes = own.then_some(w.processes + 1);
    let remedy = match line.kind {
        Kind::Lock => "to hold it for less time would",
        Kind::Sqlite => "shorter transactions would, or a database that lets several write",
        _ => "a larger one would, or to use it for less time",
    };
    let other = match processes {
        Some(n) => format!("; processes={n} would, too, if each may have its own"),
        None => String::new(),
    };
    let text = format!(
        "{}, and {waits}: more threads will not help; {remedy}{other}.{doubt}",
        what(&line)
    );
    Some(Advice {
        processes,
        place: Some(line.waiters.at.clone()),
        width: line.width,
        evidence,
        sure,
        ..advice(line.kind, text)
    })
}

/// The line of workers that is the bottleneck.
///
/// A resource before which somebody waits nearly always is in use all the time: nobody who joins the line makes
/// it go faster.
fn line(places: &Places, busy: f64) -> Option<Line> {
    let found = waiters(places, busy);
    let longest = |resources: &[Resource]| {
        found
            .iter()
            .find(|at| resources.contains(&at.resource) && at.workers >= IN_LINE)
    };
    let mut at = longest(&[Resource::Lock, Resource::Pool, Resource::Sqlite])?.clone();
    if at.resource == Resource::Sqlite {
        // Its lock is one for all statements.
        let all = found.iter().filter(|at| at.resource == Resource::Sqlite);
        at.workers = all.map(|at| at.workers).sum();
    }
    let elsewhere = (busy - at.workers).max(0.0);
    let (kind, width) = match at.resource {
        Resource::Lock => (Kind::Lock, (elsewhere < TWO).then_some(1)),
        // Whoever has SQLite's lock may be at the same line.
        Resource::Sqlite => (Kind::Sqlite, Some(1)),
        // A queue that no worker holds anything of brings the results of other threads.
        _ if elsewhere < HELD_BY_ONE => return None,
        _ => (Kind::Pool, Some(elsewhere.round().max(1.0) as usize)),
    };
    Some(Line {
        waiters: at,
        kind,
        width,
        elsewhere,
    })
}

fn is_sure(line: &Line, shape: Option<Shape>) -> bool {
    let contradicts = matches!(shape, Some(Shape::Rising { .. }));
    let flat = matches!(shape, Some(Shape::Flat { .. }));
    let share = line.waiters.workers / (line.waiters.workers + line.elsewhere);
    let plain = match line.kind {
        // Lines before many locks at one place look like one line.
        Kind::Lock => line.waiters.workers >= 1.0 && (line.elsewhere < TWO || share >= MOST),
        // A read that waits for the disk looks like a write that waits for its turn.
        Kind::Sqlite => line.waiters.workers >= 1.0 && share >= MAINLY,
        _ => line.waiters.workers >= 1.0,
    };
    !contradicts && (flat || plain)
}

fn what(line: &Line) -> String {
    let at = &line.waiters.at;
    let workers = match line.waiters.workers {
        n if n < 1.05 => "a busy thread waits".into(),
        n => format!("{} threads wait", number(n)),
    };
    match (line.kind, line.width) {
        (Kind::Lock, _) => format!("On average {workers} for a lock at {at}"),
        (Kind::Sqlite, _) => format!(
            "On average {workers} for SQLite at {at}, where one connection writes at a time"
        ),
        (_, None | Some(1)) => {
            format!("On average {workers} at {at} for the only connection or slot")
        }
        (_, Some(n)) => format!("On average {workers} at {at} for one of {n} connections or slots"),
    }
}

impl Shape {
    /// As a piece of evidence.
    pub(super) fn said(self) -> String {
        match self {
            Self::Flat { width, top, rate } => format!(
                "with {width} to {top} busy workers {rate:.0} requests a second ended: more workers ended no more"
            ),
            Self::Rising { low, top } => format!(
                "with {} busy workers {:.0} requests a second ended, with {} busy ones {:.0}",
                low.busy,
                low.rate(),
                top.busy,
                top.rate()
            ),
        }
    }
}

/// Seconds of workers that a profile must have seen.
const SEEN: f64 = 1.0;
/// So many workers in line, on average, mean that there is nearly always one.
const IN_LINE: f64 = 0.6;
/// With fewer workers elsewhere, one of them has the lock and the others do not count.
const TWO: f64 = 1.6;
/// With fewer workers elsewhere, no worker has what the others wait for.
const HELD_BY_ONE: f64 = 0.4;
/// With this share of them in SQLite, its lock is the bottleneck.
const MAINLY: f64 = 0.6;
/// With this share of the busy workers in line, nothing else is the bottleneck.
const MOST: f64 = 0.4;
