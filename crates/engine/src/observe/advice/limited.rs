//! Requests wait, and the workers wait in line for something that only few can have at a time.

use super::place::{Resource, Waiters, waiters};
use super::scaling::Shape;
use super::words::{in_each_process, number};
use super::{Advice, Case, Curve, Kind, Window, advice};
use crate::observe::profile::Places;

/// Something that lets few workers pass at a time, and a line of them before it. Figures are of one process: each
/// has locks and pools of its own.
#[derive(Clone, Debug, PartialEq)]
struct Line {
    kind: Kind,
    resource: Resource,
    /// Where workers wait for it, most first.
    places: Vec<Waiters>,
    /// How many wait there, on average.
    workers: f64,
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
    let busy = w.busy / w.processes as f64;
    let line = line(case.places, busy)?;
    let shape = case.curve.shape();
    let mut evidence: Vec<_> = line
        .places
        .iter()
        .take(SHOWN)
        .map(|at| at.said(busy))
        .collect();
    evidence.push(format!("{} are elsewhere", number(line.elsewhere)));
    evidence.extend(shape.map(|shape| shape.said(w)));
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
    let shared = matches!(line.resource, Resource::FileLock | Resource::Sqlite);
    let own = cfg!(unix) && !shared;
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
        "{}{}, and {waits}: more threads will not help; {remedy}{other}.{doubt}",
        what(&line),
        in_each_process(w),
    );
    Some(Advice {
        processes,
        place: Some(line.at().to_owned()),
        width: line.width,
        evidence,
        sure,
        ..advice(line.kind, text)
    })
}

/// The application's line where workers wait in line, and the share of the busy ones that do.
pub(super) fn place_in_line(case: &Case<'_>) -> Option<(String, f64)> {
    let busy = case.window.busy / case.window.processes as f64;
    let line = line(case.places, busy)?;
    Some((line.at().to_owned(), line.workers / busy))
}

/// The line of workers that is the bottleneck.
///
/// A resource before which somebody waits nearly always is in use all the time: nobody who joins the line makes
/// it go faster.
fn line(places: &Places, busy: f64) -> Option<Line> {
    let found = waiters(places, busy);
    let of = |resource| {
        let places = found.iter().filter(|at| at.resource == resource);
        let places: Vec<_> = places.cloned().collect();
        let workers = places.iter().map(|at| at.workers).sum::<f64>();
        (resource, places, workers)
    };
    let resources = [
        Resource::Lock,
        Resource::FileLock,
        Resource::Pool,
        Resource::Condition,
        Resource::Sqlite,
    ]
    .map(of);
    let (resource, places, workers) = resources
        .into_iter()
        .max_by(|(_, _, a), (_, _, b)| a.total_cmp(b))
        .filter(|(_, _, workers)| *workers >= IN_LINE)?;
    let elsewhere = (busy - workers).max(0.0);
    let (kind, width) = match resource {
        Resource::Lock | Resource::FileLock => (Kind::Lock, (elsewhere < TWO).then_some(1)),
        // Whoever has SQLite's lock may be at the same line.
        Resource::Sqlite => (Kind::Sqlite, Some(1)),
        // A queue that no worker holds anything of brings the results of other threads.
        _ if elsewhere < HELD_BY_ONE => return None,
        _ => (Kind::Pool, Some(elsewhere.round().max(1.0) as usize)),
    };
    Some(Line {
        kind,
        resource,
        places,
        workers,
        width,
        elsewhere,
    })
}

fn is_sure(line: &Line, shape: Option<Shape>) -> bool {
    let share = line.workers / (line.workers + line.elsewhere);
    let plain = match line.resource {
        // Lines before many locks at one place look like one line.
        Resource::Lock | Resource::FileLock => line.elsewhere < TWO || share >= MOST,
        // A read that waits for the disk looks like a write that waits for its turn.
        Resource::Sqlite => share >= MAINLY,
        // Each may wait for a result of its own.
        Resource::Condition => false,
        // Workers that have nothing to do with the pool may be the reason why requests wait.
        _ => share >= PART,
    };
    match shape {
        Some(Shape::Rising { .. }) => false,
        Some(Shape::Flat { .. } | Shape::Falling { .. }) => true,
        None => plain && line.workers >= 1.0 - ROUNDING,
    }
}

fn what(line: &Line) -> String {
    let at = line.at();
    let workers = match line.workers {
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

impl Line {
    /// The application's line where most wait.
    fn at(&self) -> &str {
        self.places.first().map_or("", |at| &at.at)
    }
}

impl Waiters {
    /// As a piece of evidence.
    pub(super) fn said(&self, busy: f64) -> String {
        let (workers, busy) = (number(self.workers), number(busy));
        format!("{workers} of {busy} busy workers wait at {}", self.shown)
    }
}

impl Shape {
    /// As a piece of evidence.
    pub(super) fn said(self, w: &Window) -> String {
        let each = in_each_process(w);
        match self {
            Self::Flat { width, top, rate } => format!(
                "with {width} to {top} busy workers{each} {rate:.0} requests a second ended: more workers ended no more"
            ),
            Self::Falling { best: low, top } | Self::Rising { low, top } => format!(
                "with {} busy workers{each} {:.0} requests a second ended, with {} busy ones {:.0}",
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
/// Two workers are not always both busy: the one in line may be missing now and then.
const ROUNDING: f64 = 0.1;
/// Places that are listed as evidence.
const SHOWN: usize = 3;
/// With fewer workers elsewhere, one of them has the lock and the others do not count.
const TWO: f64 = 1.6;
/// With fewer workers elsewhere, no worker has what the others wait for.
const HELD_BY_ONE: f64 = 0.4;
/// With this share of them before a pool, it is.
const PART: f64 = 0.25;
/// With this share of them in SQLite, its lock is the bottleneck.
const MAINLY: f64 = 0.6;
/// With this share of the busy workers in line, nothing else is the bottleneck.
const MOST: f64 = 0.4;
