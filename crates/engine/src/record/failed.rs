//! How many requests of each route have failed lately: with a status of 5xx, for another reason than what the client
//! has sent.

use crate::sys::instant::Instant;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::record::route::route;
use crate::sys::sync;

/// Failed requests by route. All threads share it: they come to it only when a request has failed.
#[derive(Debug, Default)]
pub(crate) struct Failed(Mutex<Halves>);

/// The present half of a minute, and the one before.
#[derive(Debug, Default)]
struct Halves {
    began: Option<Instant>,
    now: BTreeMap<String, u64>,
    before: BTreeMap<String, u64>,
}

impl Failed {
    /// Counts a request; `name` is its framework's for the route, if known.
    pub(super) fn count(&self, method: &[u8], path: &[u8], name: Option<&str>) {
        let route = route(method, path, name);
        let mut halves = self.halves(sync::now());
        let is_full = halves.now.len() >= MOST && !halves.now.contains_key(&route);
        let route = if is_full { OTHER.to_owned() } else { route };
        *halves.now.entry(route).or_default() += 1;
    }

    /// Those of half a minute to a minute, most first.
    pub(super) fn recent(&self, now: Instant) -> Vec<(String, u64)> {
        let halves = self.halves(now);
        let mut sums = halves.before.clone();
        for (route, n) in &halves.now {
            *sums.entry(route.clone()).or_default() += n;
        }
        let mut sums: Vec<_> = sums.into_iter().collect();
        sums.sort_by(|(_, a), (_, b)| b.cmp(a));
        sums
    }

    /// The halves as of `now`.
    fn halves(&self, now: Instant) -> MutexGuard<'_, Halves> {
        let mut halves = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let age = now.saturating_duration_since(*halves.began.get_or_insert(now));
        if age >= HALF {
            let ended = std::mem::take(&mut halves.now);
            halves.before = if age < 2 * HALF {
                ended
            } else {
                BTreeMap::new()
            };
            halves.began = Some(now);
        }
        halves
    }
}

/// What all routes beyond the bound are counted as.
pub(crate) const OTHER: &str = "other";
/// Routes that are told apart in each half of a minute.
const MOST: usize = 100;
const HALF: Duration = Duration::from_secs(30);

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn routes_beyond_the_bound_are_counted_together() {
        let failed = Failed::default();
        for n in 0..MOST + 5 {
            failed.count(b"GET", format!("/page{n}x").as_bytes(), None);
        }
        failed.count(b"GET", b"/another", Some("/page0x"));
        let all = failed.recent(sync::now());
        assert_eq!(all.len(), MOST + 1);
        assert_eq!(all[0], (OTHER.into(), 5));
        assert_eq!(all[1], ("GET /page0x".into(), 2));
    }

    #[test]
    fn they_are_forgotten_within_a_minute() {
        let failed = Failed::default();
        failed.count(b"GET", b"/a", None);
        let now = sync::now();
        let a = ("GET /a".to_owned(), 1);
        assert_eq!(failed.recent(now + HALF), std::slice::from_ref(&a));
        failed.count(b"GET", b"/b", None); // the clock has not moved: still the half that began later
        assert_eq!(failed.recent(now + HALF), [a, ("GET /b".into(), 1)]);
        assert_eq!(failed.recent(now + 2 * HALF), [("GET /b".into(), 1)]);
        assert_eq!(failed.recent(now + 4 * HALF), []);
    }
}
