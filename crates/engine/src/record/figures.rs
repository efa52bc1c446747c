//! The sum of all shards at one moment, and how processes tell it each other.
//!
//! In its serde form every number has a name, and zeros are left out. So a process of another version reads
//! what it knows and leaves the rest: the figures add up while a server is upgraded.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::record::end::rules;
use crate::record::histogram::Distribution;
use crate::record::{End, Phase};

/// Classes of status codes: no status, 1xx to 5xx.
pub(super) const STATUS_CLASSES: usize = STATUSES.len();
const STATUSES: [&str; 6] = ["none", "1xx", "2xx", "3xx", "4xx", "5xx"];

/// The sum of all shards at one moment.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "Named", from = "Named")]
pub(crate) struct Figures {
    pub(super) statuses: [u64; STATUS_CLASSES],
    pub(super) ends: [u64; End::ALL.len()],
    /// Number of requests that each of [`rules`] ended, zeros included.
    pub(crate) rules: Vec<(&'static str, u64)>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    /// Time that all workers spent after replies.
    pub(crate) closing: Duration,
    pub(super) phases: ByPhase,
    /// Requests that ended with a status of 5xx, and not because of what the client had sent.
    pub(crate) failed: u64,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            statuses: Default::default(),
            ends: Default::default(),
            rules: rules().map(|rule| (rule, 0)).collect(),
            bytes_in: 0,
            bytes_out: 0,
            closing: Duration::ZERO,
            phases: ByPhase::default(),
            failed: 0,
        }
    }
}

impl Figures {
    pub(crate) fn phase(&self, phase: Phase) -> &Distribution {
        self.phases.of(phase)
    }

    pub(crate) fn end(&self, end: End) -> u64 {
        self.ends[end as usize]
    }

    /// Number of requests recorded.
    pub(crate) fn requests(&self) -> u64 {
        self.ends.iter().sum()
    }

    /// Number of requests per status class; `none` counts requests without a reply.
    pub(crate) fn statuses(&self) -> impl Iterator<Item = (&'static str, u64)> {
        STATUSES.into_iter().zip(self.statuses)
    }

    /// The durations of each phase recorded after `earlier` was taken.
    pub(crate) fn phases_since(&self, earlier: &Self) -> ByPhase {
        ByPhase(Phase::ALL.map(|(phase, _)| self.phase(phase).since(earlier.phase(phase))))
    }
}

impl AddAssign<&Self> for Figures {
    fn add_assign(&mut self, other: &Self) {
        let numbers = |into: &mut [u64], more: &[u64]| {
            into.iter_mut().zip(more).for_each(|(into, n)| *into += n);
        };
        numbers(&mut self.statuses, &other.statuses);
        numbers(&mut self.ends, &other.ends);
        for ((_, into), (_, n)) in self.rules.iter_mut().zip(&other.rules) {
            *into += n;
        }
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.closing += other.closing;
        self.phases += &other.phases;
        self.failed += other.failed;
    }
}

/// A distribution for each phase, in the order of [`Phase::ALL`].
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(
    into = "BTreeMap<String, Distribution>",
    from = "BTreeMap<String, Distribution>"
)]
pub(crate) struct ByPhase(pub(super) [Distribution; Phase::ALL.len()]);

impl ByPhase {
    pub(crate) fn of(&self, phase: Phase) -> &Distribution {
        &self.0[phase as usize]
    }
}

impl AddAssign<&Self> for ByPhase {
    fn add_assign(&mut self, other: &Self) {
        for (into, more) in self.0.iter_mut().zip(&other.0) {
            *into += more;
        }
    }
}

impl From<ByPhase> for BTreeMap<String, Distribution> {
    fn from(phases: ByPhase) -> Self {
        let named = Phase::ALL.iter().zip(phases.0);
        let known = named.filter(|(_, all)| *all != Distribution::default());
        known
            .map(|((_, name), all)| ((*name).to_owned(), all))
            .collect()
    }
}

impl From<BTreeMap<String, Distribution>> for ByPhase {
    fn from(mut named: BTreeMap<String, Distribution>) -> Self {
        Self(Phase::ALL.map(|(_, name)| named.remove(name).unwrap_or_default()))
    }
}

/// Figures in their serde form.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Named {
    statuses: BTreeMap<String, u64>,
    ends: BTreeMap<String, u64>,
    rules: BTreeMap<String, u64>,
    bytes_in: u64,
    bytes_out: u64,
    closing: Duration,
    phases: ByPhase,
    failed: u64,
}

impl From<Figures> for Named {
    fn from(figures: Figures) -> Self {
        Self {
            statuses: named(figures.statuses()),
            ends: named(End::ALL.map(|end| (end.name(), figures.end(end)))),
            rules: named(figures.rules),
            bytes_in: figures.bytes_in,
            bytes_out: figures.bytes_out,
            closing: figures.closing,
            phases: figures.phases,
            failed: figures.failed,
        }
    }
}

impl From<Named> for Figures {
    fn from(named: Named) -> Self {
        let of = |map: &BTreeMap<String, u64>, name| map.get(name).copied().unwrap_or_default();
        Self {
            statuses: STATUSES.map(|name| of(&named.statuses, name)),
            ends: End::ALL.map(|end| of(&named.ends, end.name())),
            rules: rules().map(|rule| (rule, of(&named.rules, rule))).collect(),
            bytes_in: named.bytes_in,
            bytes_out: named.bytes_out,
            closing: named.closing,
            phases: named.phases,
            failed: named.failed,
        }
    }
}

fn named(all: impl IntoIterator<Item = (&'static str, u64)>) -> BTreeMap<String, u64> {
    let counted = all.into_iter().filter(|(_, n)| *n > 0);
    counted.map(|(name, n)| (name.to_owned(), n)).collect()
}
