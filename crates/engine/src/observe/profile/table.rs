//! Seconds by place over the last minute, in buckets of ten seconds.

use crate::sys::instant::Instant;
use std::collections::HashMap;
use std::ops::AddAssign;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a busy worker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It uses CPU.
    Computing,
    /// It could go on and waits for a core that others use.
    Core,
    /// It could go on and waits for the interpreter.
    Gil,
    /// It waits for something else: a lock, a database, a service, the disk.
    Waiting,
}

impl State {
    pub(crate) const ALL: [Self; 4] = [Self::Computing, Self::Core, Self::Gil, Self::Waiting];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Computing => "computing",
            Self::Core => "core",
            Self::Gil => "gil",
            Self::Waiting => "waiting",
        }
    }
}

/// Seconds that workers were in each state, since the server started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Spent([f64; State::ALL.len()]);

impl Spent {
    pub(super) fn add(&mut self, state: State, seconds: f64) {
        self.0[state as usize] += seconds;
    }

    pub(crate) fn each(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let names = State::ALL.map(State::name);
        names.into_iter().zip(self.0)
    }
}

impl AddAssign for Spent {
    fn add_assign(&mut self, other: Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }
}

/// Where a worker is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Place {
    pub(crate) route: String,
    /// Frames from the outermost to the innermost, separated by line feeds, and last what the innermost calls.
    pub(crate) stack: String,
    /// Which of them is the innermost one of the application's own code.
    pub(crate) own: usize,
    pub(crate) state: State,
}

/// Seconds by place, most first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Places(pub(crate) Vec<(Place, f64)>);

#[derive(Debug, Default)]
pub(super) struct Table {
    /// When each bucket began, and what is in it; the youngest is the last.
    buckets: Vec<(Instant, HashMap<Place, f64>)>,
}

impl Place {
    /// The application's own line.
    pub(crate) fn own_frame(&self) -> &str {
        self.stack.split('\n').nth(self.own).unwrap_or_default()
    }

    /// The frames below the application's own line.
    pub(crate) fn below_own(&self) -> impl Iterator<Item = &str> {
        self.stack.split('\n').skip(self.own + 1)
    }

    /// The application's own line, the innermost line where that is another one, and what it calls.
    pub(crate) fn shown(&self) -> String {
        let mut shown = vec![self.own_frame()];
        let mut below = self.below_own().collect::<Vec<_>>();
        let called = below.pop_if(|last| !last.contains(':'));
        shown.extend(below.pop());
        shown.extend(called);
        shown.join(" > ")
    }
}

impl Table {
    /// A worker was at `place` for this long.
    pub(super) fn add(&mut self, now: Instant, place: Place, seconds: f64) {
        let fresh = |(began, _): &(Instant, _)| now.saturating_duration_since(*began) < BUCKET;
        if !self.buckets.last().is_some_and(fresh) {
            self.forget(now);
            self.buckets.push((now, HashMap::new()));
        }
        let Some((_, bucket)) = self.buckets.last_mut() else {
            return;
        };
        count(bucket, place, seconds);
    }

    pub(super) fn last_minute(&mut self, now: Instant) -> Places {
        self.forget(now);
        let mut all: HashMap<&Place, f64> = HashMap::new();
        for (place, seconds) in self.buckets.iter().flat_map(|(_, bucket)| bucket) {
            *all.entry(place).or_default() += seconds;
        }
        let all = all.into_iter();
        Places::of(all.map(|(place, n)| (place.clone(), n)).collect())
    }

    fn forget(&mut self, now: Instant) {
        let young = |began: Instant| now.saturating_duration_since(began) < WINDOW;
        self.buckets.retain(|(began, _)| young(*began));
    }
}

impl Places {
    /// Those of most time have room first.
    fn of(all: Vec<(Place, f64)>) -> Self {
        let mut bucket = HashMap::new();
        for (place, seconds) in most(all) {
            count(&mut bucket, place, seconds);
        }
        Self(most(bucket.into_iter().collect()))
    }

    /// Where workers waited most.
    pub(crate) fn longest_wait(&self) -> Option<&Place> {
        let mut waits = self
            .0
            .iter()
            .filter(|(place, _)| place.state == State::Waiting);
        waits.next().map(|(place, _)| place)
    }

    /// The shares of the routes in the workers' time, most first.
    pub(crate) fn by_route(&self) -> Vec<(&str, f64)> {
        let all = self.seconds().max(f64::MIN_POSITIVE);
        let mut shares: HashMap<&str, f64> = HashMap::new();
        for (place, seconds) in &self.0 {
            *shares.entry(&place.route).or_default() += seconds / all;
        }
        most(shares.into_iter().collect())
    }

    /// Seconds in `state`.
    pub(crate) fn seconds_in(&self, state: State) -> f64 {
        let found = self.0.iter().filter(|(place, _)| place.state == state);
        added(found.map(|(_, seconds)| seconds))
    }

    /// Seconds that workers were busy.
    pub(crate) fn seconds(&self) -> f64 {
        added(self.0.iter().map(|(_, seconds)| seconds))
    }
}

/// `sum()` of no floats is -0.0, which JSON shows.
fn added<'a>(seconds: impl Iterator<Item = &'a f64>) -> f64 {
    seconds.fold(0.0, |sum, n| sum + n)
}

impl AddAssign for Places {
    fn add_assign(&mut self, other: Self) {
        let mut all: HashMap<Place, f64> = std::mem::take(&mut self.0).into_iter().collect();
        for (place, seconds) in other.0 {
            *all.entry(place).or_default() += seconds;
        }
        *self = Self::of(all.into_iter().collect());
    }
}

/// Adds to a bucket. If it has no room for another place, the route is given up, and then the stack: where the
/// workers wait says more than for whom.
fn count(bucket: &mut HashMap<Place, f64>, mut place: Place, seconds: f64) {
    if bucket.len() >= MOST && !bucket.contains_key(&place) {
        place.route = OTHER.to_owned();
    }
    if bucket.len() >= 2 * MOST && !bucket.contains_key(&place) {
        place.stack = OTHER.to_owned();
        place.own = 0;
    }
    *bucket.entry(place).or_default() += seconds;
}

/// Most time first.
fn most<P: Ord>(mut all: Vec<(P, f64)>) -> Vec<(P, f64)> {
    all.sort_by(|(a, n), (b, m)| m.total_cmp(n).then_with(|| a.cmp(b)));
    all
}

/// How long a bucket takes what comes.
const BUCKET: Duration = Duration::from_secs(10);
/// How long it is kept.
const WINDOW: Duration = Duration::from_secs(60);
/// Places that are told apart in a bucket, and in what is shown; as many again by their stacks alone.
const MOST: usize = 150;
/// Stands for all routes or stacks beyond that.
const OTHER: &str = "other";

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    fn place(n: usize) -> Place {
        Place {
            route: format!("GET /{n}"),
            stack: "views.py:8 index\ndriver.py:97 execute".into(),
            own: 0,
            state: State::Waiting,
        }
    }

    #[test]
    fn places_add_up_and_are_forgotten_after_a_minute() {
        let start = crate::sys::sync::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut table = Table::default();
        table.add(at(0), place(1), 1.0);
        table.add(at(5), place(2), 0.5);
        table.add(at(30), place(1), 2.0);
        assert_eq!(
            table.last_minute(at(31)).0,
            [(place(1), 3.0), (place(2), 0.5)]
        );
        assert_eq!(table.last_minute(at(65)).0, [(place(1), 2.0)]);
        assert_eq!(table.last_minute(at(90)).seconds(), 0.0);
        assert!(table.buckets.is_empty());
    }

    #[test]
    fn places_beyond_the_bound_are_counted_together_by_their_stacks() {
        let now = crate::sys::sync::now();
        let mut table = Table::default();
        for n in 0..MOST + 5 {
            table.add(now, place(n), 1.0);
        }
        assert_eq!(table.buckets[0].1.len(), MOST + 1);
        let places = table.last_minute(now);
        let (most, seconds) = &places.0[0];
        // They take one of the rooms themselves.
        assert_eq!((most.route.as_str(), *seconds), (OTHER, 6.0));
        assert_eq!(most.stack, place(1).stack);
        for n in 0..2 * MOST {
            let stack = format!("views.py:{n} index");
            table.add(now, Place { stack, ..place(n) }, 1.0);
        }
        assert_eq!(table.buckets[0].1.len(), 2 * MOST + 1);
        let places = table.last_minute(now);
        assert_eq!(places.0[0].0.stack, OTHER);
        assert_eq!(places.seconds(), (3 * MOST + 5) as f64);
        let mut both = places.clone();
        both += places;
        assert!(both.0.len() <= 2 * MOST + 1);
        assert_eq!(both.seconds(), 2.0 * (3 * MOST + 5) as f64);
    }

    #[test]
    fn places_of_two_processes_add_up() {
        let mut one = Places(vec![(place(1), 1.0), (place(2), 0.5)]);
        one += Places(vec![(place(2), 2.0)]);
        assert_eq!(one.0, [(place(2), 2.5), (place(1), 1.0)]);
    }

    #[test]
    fn a_place_is_shown_by_the_line_of_the_application_and_the_innermost_one() {
        assert_eq!(place(1).shown(), "views.py:8 index > driver.py:97 execute");
        let innermost = Place { own: 1, ..place(1) };
        assert_eq!(innermost.shown(), "driver.py:97 execute");
        let called = Place {
            stack: format!("{}\nwait()", place(1).stack),
            ..place(1)
        };
        assert_eq!(
            called.shown(),
            "views.py:8 index > driver.py:97 execute > wait()"
        );
    }
}
