//! How many requests of each route ended with an error of the server's side (5xx).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::record::route::route;

/// Failed requests by route. All threads share it: they come to it only when a request has failed.
#[derive(Debug, Default)]
pub(crate) struct Failed(Mutex<BTreeMap<String, u64>>);

impl Failed {
    pub(super) fn count(&self, method: &[u8], path: &[u8]) {
        let route = route(method, path);
        let mut routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        add(&mut routes, route, 1);
    }

    pub(super) fn all(&self) -> BTreeMap<String, u64> {
        let routes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        routes.clone()
    }
}

/// Counts `n` more for `route`.
pub(super) fn add(routes: &mut BTreeMap<String, u64>, route: String, n: u64) {
    let is_full = routes.len() >= MOST && !routes.contains_key(&route);
    let route = if is_full { OTHER.to_owned() } else { route };
    *routes.entry(route).or_default() += n;
}

/// Routes that are told apart.
const MOST: usize = 100;
/// What the others are counted as.
const OTHER: &str = "other";

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn routes_beyond_the_bound_are_counted_together() {
        let failed = Failed::default();
        for n in 0..MOST + 5 {
            failed.count(b"GET", format!("/page{n}x").as_bytes());
        }
        failed.count(b"GET", b"/page0x");
        let all = failed.all();
        assert_eq!(all.len(), MOST + 1);
        assert_eq!((all[OTHER], all["GET /page0x"]), (5, 2));
    }
}
