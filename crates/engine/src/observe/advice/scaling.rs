//! Scaling seen: how many requests a second ended while so many workers were busy.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Seconds and requests that ended, by the number of busy workers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Curve(Vec<Level>);

/// While about `busy` workers were busy: 1, 2, 3, 4, 6, 8, 12, 16 and so on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Level {
    pub(crate) busy: usize,
    pub(crate) seconds: f64,
    pub(crate) ended: f64,
}

/// What the curve says about more workers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Shape {
    /// From `width` busy workers on, more of them end no more requests.
    Flat { width: usize, top: usize, rate: f64 },
    /// Fewer busy workers ended more requests.
    Falling { best: Level, top: Level },
    /// Twice as many busy workers end about twice as many requests.
    Rising { low: Level, top: Level },
}

impl Curve {
    /// `busy` workers were busy on average for `seconds`, in which `ended` requests ended.
    pub(crate) fn add(&mut self, busy: f64, seconds: f64, ended: f64) {
        let busy = about(busy);
        if busy == 0 || seconds <= 0.0 {
            return;
        }
        let at = self.0.binary_search_by_key(&busy, |level| level.busy);
        let at = at.unwrap_or_else(|at| {
            let level = Level {
                busy,
                ..Level::default()
            };
            self.0.insert(at, level);
            at
        });
        self.0[at].seconds += seconds;
        self.0[at].ended += ended;
    }

    /// The levels that lasted long enough to say something, fewest workers first.
    pub(crate) fn levels(&self) -> impl DoubleEndedIterator<Item = &Level> {
        self.0.iter().filter(|level| level.seconds >= ENOUGH)
    }

    /// What the curve says; `None` if the numbers of busy workers were too much alike, or it lies in between.
    pub(super) fn shape(&self) -> Option<Shape> {
        let top = *self.levels().next_back()?;
        let low = *self.levels().next()?;
        let rate = top.rate();
        if top.busy < 2 * low.busy || low.rate() <= 0.0 {
            return None;
        }
        let best = *self.levels().max_by(|a, b| a.rate().total_cmp(&b.rate()))?;
        if best.rate() >= FALLS * rate {
            return Some(Shape::Falling { best, top });
        }
        let mut close = self.levels().filter(|level| level.rate() >= AS_MANY * rate);
        let width = close.next()?.busy;
        if top.busy >= 2 * width {
            return Some(Shape::Flat {
                width,
                top: top.busy,
                rate,
            });
        }
        let gain = rate / low.rate();
        let linear = top.busy as f64 / low.busy as f64;
        (gain >= RISES * linear).then_some(Shape::Rising { low, top })
    }
}

/// The nearest level.
fn about(busy: f64) -> usize {
    let mut step = 1.0;
    while busy >= 4.5 * step {
        step *= 2.0;
    }
    // Up to four one by one, then two levels to each doubling.
    let steps = (busy / step).round();
    (steps * step) as usize
}

impl Level {
    pub(crate) fn rate(&self) -> f64 {
        self.ended / self.seconds.max(f64::MIN_POSITIVE)
    }
}

impl AddAssign for Curve {
    /// The curves of processes that share the load evenly: each worker more in one is one more in each.
    fn add_assign(&mut self, other: Self) {
        for level in other.0 {
            self.add(level.busy as f64, level.seconds, level.ended);
        }
    }
}

/// A level must have lasted for this many seconds.
const ENOUGH: f64 = 2.0;
/// A level that ends this part of the requests of the top level ends as many.
const AS_MANY: f64 = 0.87;
/// Fewer workers that end so many times as many requests are better.
const FALLS: f64 = 1.2;
/// A curve with this part of the gain of a straight line rises.
const RISES: f64 = 0.7;

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    fn curve(levels: &[(f64, f64)]) -> Curve {
        let mut curve = Curve::default();
        for (busy, rate) in levels {
            for _ in 0..3 {
                curve.add(*busy, 1.0, *rate);
            }
        }
        curve
    }

    #[test]
    fn a_lock_is_flat_from_one_and_a_pool_from_its_width() {
        let flat = |width, top, rate| Some(Shape::Flat { width, top, rate });
        assert_eq!(
            curve(&[(1.0, 49.0), (2.1, 50.0), (3.9, 50.0)]).shape(),
            flat(1, 4, 50.0)
        );
        let pool = curve(&[(1.0, 50.0), (2.0, 98.0), (3.0, 101.0), (4.0, 100.0)]);
        assert_eq!(pool.shape(), flat(2, 4, 100.0));
    }

    #[test]
    fn threads_that_are_in_each_others_way_make_the_curve_fall() {
        let worse = curve(&[(1.0, 30.0), (4.0, 60.0), (16.0, 40.0)]).shape();
        let Some(Shape::Falling { best, top }) = worse else {
            panic!("{worse:?}");
        };
        assert_eq!((best.busy, top.busy), (4, 16));
    }

    #[test]
    fn where_each_worker_gives_as_much_the_curve_rises() {
        let rising = curve(&[(1.0, 20.0), (2.0, 40.0), (4.0, 78.0)]).shape();
        let Some(Shape::Rising { low, top }) = rising else {
            panic!("{rising:?}");
        };
        assert_eq!((low.busy, top.busy, top.rate()), (1, 4, 78.0));
    }

    #[test]
    fn levels_are_the_wider_the_more_workers_are_busy() {
        let levels = [
            0.4, 0.6, 2.4, 4.4, 4.9, 7.2, 9.0, 10.1, 13.0, 14.5, 30.0, 64.0,
        ];
        let about = levels.map(about);
        assert_eq!(about, [0, 1, 2, 4, 4, 8, 8, 12, 12, 16, 32, 64]);
        let mut curve = Curve::default();
        for busy in [60.0, 61.5, 63.0] {
            curve.add(busy, 1.0, 100.0);
        }
        assert_eq!(curve.levels().count(), 1);
    }

    #[test]
    fn one_level_or_a_short_one_says_nothing() {
        assert_eq!(curve(&[(4.0, 50.0)]).shape(), None);
        assert_eq!(curve(&[(3.0, 50.0), (4.0, 50.0)]).shape(), None);
        let mut short = curve(&[(4.0, 50.0)]);
        short.add(1.0, 1.0, 50.0);
        assert_eq!(short.shape(), None);
        // Neither flat nor straight.
        assert_eq!(curve(&[(1.0, 50.0), (4.0, 110.0)]).shape(), None);
        assert_eq!(Curve::default().shape(), None);
    }
}
