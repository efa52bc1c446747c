//! Histograms of durations that one thread writes and any thread reads, without a lock.
//!
//! The bounds are 1, 1.5, 2, 3, 5 and 7 in every decade from 1 µs to 100 s. Quantiles are interpolated between
//! them. The metrics show the bounds 1, 2 and 5, whose counts are exact.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::sys::instant::nanos;

/// A number that only one thread changes, so adding to it is a load and a store.
#[derive(Debug, Default)]
pub(crate) struct Tally(AtomicU64);

impl Tally {
    /// Adds `n`. Only the owning thread may call this.
    #[inline]
    pub(crate) fn add(&self, n: u64) {
        let sum = self.0.load(Ordering::Relaxed).wrapping_add(n);
        self.0.store(sum, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A histogram of the durations that one thread recorded.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: [Tally; BUCKETS],
    nanos: Tally,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: [const { Tally(AtomicU64::new(0)) }; BUCKETS],
            nanos: Tally::default(),
        }
    }
}

impl Histogram {
    /// Counts `duration`. Only the owning thread may call this.
    pub(crate) fn record(&self, duration: Duration) {
        self.count(nanos(duration));
    }

    /// As [`Histogram::record`], of a duration in nanoseconds.
    #[inline]
    pub(crate) fn count(&self, nanos: u64) {
        self.buckets[bucket_of(nanos)].add(1);
        self.nanos.add(nanos);
    }

    /// Adds the counts so far to `sum`.
    pub(crate) fn add_to(&self, sum: &mut Distribution) {
        for (into, bucket) in sum.buckets.iter_mut().zip(&self.buckets) {
            *into += bucket.get();
        }
        sum.nanos += self.nanos.get();
    }
}

/// A snapshot of one or more histograms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Sparse", from = "Sparse")]
pub(crate) struct Distribution {
    buckets: [u64; BUCKETS],
    nanos: u64,
}

impl Default for Distribution {
    fn default() -> Self {
        Self {
            buckets: [0; BUCKETS],
            nanos: 0,
        }
    }
}

impl AddAssign<&Self> for Distribution {
    fn add_assign(&mut self, other: &Self) {
        for (into, bucket) in self.buckets.iter_mut().zip(&other.buckets) {
            *into += bucket;
        }
        self.nanos += other.nanos;
    }
}

impl Distribution {
    pub(crate) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// The sum of all durations, in seconds.
    pub(crate) fn sum(&self) -> f64 {
        self.nanos as f64 / 1e9
    }

    /// The mean in seconds; 0 without any duration.
    pub(crate) fn mean(&self) -> f64 {
        self.sum() / (self.count().max(1) as f64)
    }

    /// The durations recorded after `earlier` was taken.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut buckets = self.buckets;
        for (bucket, before) in buckets.iter_mut().zip(&earlier.buckets) {
            *bucket = bucket.saturating_sub(*before);
        }
        Self {
            buckets,
            nanos: self.nanos.saturating_sub(earlier.nanos),
        }
    }

    /// The quantile `q`, in seconds: a share `q` of the durations does not exceed it. Interpolated within its
    /// bucket; 0 without any duration.
    pub(crate) fn quantile(&self, q: f64) -> f64 {
        let rank = q * self.count() as f64;
        let mut below = 0;
        for (index, &count) in self.buckets.iter().enumerate() {
            if count > 0 && (below + count) as f64 >= rank {
                let low = index.checked_sub(1).map_or(0, |i| BOUNDS[i]);
                let high = BOUNDS.get(index).copied().unwrap_or(low);
                let part = ((rank - below as f64) / count as f64).clamp(0.0, 1.0);
                return (low as f64 + part * (high - low) as f64) / 1e9;
            }
            below += count;
        }
        0.0
    }

    /// The buckets for the metrics: upper bound in seconds and count of each. These buckets are wider than
    /// the histogram's own; the last bound is infinite.
    pub(crate) fn shown(&self) -> Vec<(f64, u64)> {
        let mut shown = Vec::new();
        let mut within = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            within += count;
            match BOUNDS.get(index) {
                Some(&bound) if SHOWN.contains(&(index % STEPS.len())) => {
                    shown.push((bound as f64 / 1e9, std::mem::take(&mut within)));
                }
                Some(_) => {}
                None => shown.push((f64::INFINITY, within)),
            }
        }
        shown
    }
}

/// A distribution in its serde form: buckets by their bounds, without the empty ones. A version with other
/// bounds puts each where it fits.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Sparse {
    nanos: u64,
    /// Upper bound in nanoseconds and count; the last bound is the largest number.
    buckets: Vec<(u64, u64)>,
}

impl From<Distribution> for Sparse {
    fn from(all: Distribution) -> Self {
        let bounds = BOUNDS.into_iter().chain([u64::MAX]);
        let buckets = bounds.zip(all.buckets).filter(|(_, n)| *n > 0);
        Self {
            nanos: all.nanos,
            buckets: buckets.collect(),
        }
    }
}

impl From<Sparse> for Distribution {
    fn from(sparse: Sparse) -> Self {
        let mut all = Self::default();
        for (bound, n) in sparse.buckets {
            all.buckets[bucket_of(bound)] += n;
        }
        all.nanos = sparse.nanos;
        all
    }
}

#[inline]
fn bucket_of(nanos: u64) -> usize {
    // Most phases of most requests.
    if nanos <= BOUNDS[0] {
        return 0;
    }
    let first = usize::from(FIRST[quarter_of(nanos)]);
    let is_above = BOUNDS.get(first).is_some_and(|&bound| nanos > bound);
    first + usize::from(is_above)
}

/// The number of the quarter of an octave, by the first three binary digits; it holds one of the [`BOUNDS`] at most.
/// `nanos` must have three digits.
#[inline]
const fn quarter_of(nanos: u64) -> usize {
    let beyond = 61 - nanos.leading_zeros();
    (beyond as usize) << 2 | (nanos >> beyond & 3) as usize
}

/// The bounds of a decade, in tenths of its first one.
const STEPS: [u64; 6] = [10, 15, 20, 30, 50, 70];
/// Indices of the steps that the metrics show: 1, 2 and 5.
const SHOWN: [usize; 3] = [0, 2, 4];
const DECADES: usize = 8;
/// Inclusive upper bounds in nanoseconds of all buckets but the last, which has none.
const BOUNDS: [u64; DECADES * STEPS.len() + 1] = {
    let mut bounds = [0; DECADES * STEPS.len() + 1];
    let mut scale = 100;
    let mut index = 0;
    while index < bounds.len() {
        bounds[index] = STEPS[index % STEPS.len()] * scale;
        index += 1;
        if index % STEPS.len() == 0 {
            scale *= 10;
        }
    }
    bounds
};
const BUCKETS: usize = BOUNDS.len() + 1;
/// By the quarter of an octave: the first bucket that holds a number of it.
const FIRST: [u8; quarter_of(u64::MAX) + 1] = {
    let mut first = [0; quarter_of(u64::MAX) + 1];
    let mut quarter = 0;
    while quarter < first.len() {
        let least = (4 | quarter as u64 & 3) << (quarter >> 2);
        let mut index = 0;
        while index < BOUNDS.len() && least > BOUNDS[index] {
            index += 1;
        }
        first[quarter] = index as u8;
        quarter += 1;
    }
    first
};

#[cfg(test)]
mod tests {
    use super::*;

    fn distribution(nanos: impl IntoIterator<Item = u64>) -> Distribution {
        let histogram = Histogram::default();
        for n in nanos {
            histogram.record(Duration::from_nanos(n));
        }
        let mut sum = Distribution::default();
        histogram.add_to(&mut sum);
        sum
    }

    #[test]
    fn every_number_falls_into_the_bucket_of_its_bounds() {
        let around = BOUNDS.iter().flat_map(|b| [b - 1, *b, b + 1]);
        for nanos in around.chain([0, 1, 2, u64::MAX]) {
            let index = bucket_of(nanos);
            assert!(index == 0 || nanos > BOUNDS[index - 1], "{nanos}");
            assert!(index == BOUNDS.len() || nanos <= BOUNDS[index], "{nanos}");
        }
        assert_eq!(BOUNDS[0], 1_000);
        assert_eq!(BOUNDS.last(), Some(&100_000_000_000));
    }

    #[test]
    fn quantiles_are_within_a_bucket_of_the_truth() {
        let sum = distribution((1..=1000).map(|n| n * 1_000_000));
        assert_eq!(sum.count(), 1000);
        assert!((sum.mean() - 0.5005).abs() < 1e-9);
        assert!((0.3..=0.5).contains(&sum.quantile(0.4)));
        assert!((0.7..=1.0).contains(&sum.quantile(0.99)));
        assert_eq!(Distribution::default().quantile(0.5), 0.0);
    }

    #[test]
    fn exposition_has_round_bounds_and_loses_nothing() {
        let sum = distribution([900, 1_000_000, 1_200_000, 4_000_000, 500_000_000_000]);
        let shown = sum.shown();
        assert_eq!(shown.iter().map(|(_, n)| n).sum::<u64>(), 5);
        assert_eq!(shown.last(), Some(&(f64::INFINITY, 1)));
        let at = |bound: f64| shown.iter().find(|(b, _)| *b == bound).map(|(_, n)| *n);
        assert_eq!(
            (at(0.001), at(0.002), at(0.005)),
            (Some(1), Some(1), Some(1))
        );
        assert_eq!(shown.len(), 3 * DECADES + 2);
    }

    #[test]
    fn a_sum_is_what_one_histogram_of_both_holds() {
        let mut sum = distribution([5_000, 7]);
        sum += &distribution([5_000; 3]);
        assert_eq!(sum, distribution([7, 5_000, 5_000, 5_000, 5_000]));
    }

    #[test]
    fn the_difference_is_what_came_in_between() {
        let (early, late) = (distribution([5_000; 3]), distribution([5_000; 7]));
        assert_eq!(late.since(&early), distribution([5_000; 4]));
    }
}
