//! The processes of a server as their parent sees them, and the sum of their figures.
//!
//! Figures of a process that has ended stay in the sum as far as they count up: no counter and no histogram
//! ever falls. What it held at that moment (connections, memory, threads) is gone with it.

use crate::sys::instant::Instant;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::questions::Topic;
use crate::observe::snapshot::{About, Snapshot};

/// A process, as its parent names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its slot.
    pub slot: usize,
    /// Its process ID.
    pub pid: u32,
    /// What it does; `ready` if it serves.
    pub state: String,
}

/// All processes of a server.
#[derive(Debug)]
pub(super) struct Fleet {
    children: BTreeMap<usize, Child>,
    /// Sums over the processes that have ended. Only what counts up is filled in.
    ended: Snapshot,
    /// Processes that are counted in `ended` and still exist, by their slots.
    gone: BTreeMap<usize, u32>,
    /// Processes that died without having been told to leave.
    pub(super) restarts: u64,
    pub(super) draining: bool,
    began: Instant,
    listening: Vec<String>,
}

/// What a fleet knows, in a form that outlives the program. The fields are those of [`Fleet`]; ages are up to the
/// moment at which it was written.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    children: BTreeMap<usize, (u32, Duration, Option<Snapshot>)>,
    ended: Snapshot,
    gone: BTreeMap<usize, u32>,
    age: Duration,
}

#[derive(Debug)]
struct Child {
    member: Member,
    since: Instant,
    /// Its figures when it last told them.
    last: Option<Snapshot>,
}

impl Fleet {
    pub(super) fn new(began: Instant, listening: Vec<String>) -> Self {
        Self {
            children: BTreeMap::new(),
            ended: Snapshot::default(),
            gone: BTreeMap::new(),
            restarts: 0,
            draining: false,
            began,
            listening,
        }
    }

    /// Everything that was told, for the version that takes this process over.
    pub(super) fn remember(&self, now: Instant) -> Memory {
        let since = |moment| now.saturating_duration_since(moment);
        let child = |(slot, child): (&usize, &Child)| {
            let (age, last) = (since(child.since), child.last.clone());
            (*slot, (child.member.pid, age, last))
        };
        Memory {
            children: self.children.iter().map(child).collect(),
            ended: self.ended.clone(),
            gone: self.gone.clone(),
            age: since(self.began),
        }
    }

    /// Goes on with what the version before remembers.
    pub(super) fn resume(&mut self, memory: Memory, now: Instant) {
        let before = |age| now.checked_sub(age).unwrap_or(now);
        for (slot, (pid, age, last)) in memory.children {
            let state = String::new(); // it is told with the next members
            let member = Member { slot, pid, state };
            let since = before(age);
            let child = Child {
                member,
                since,
                last,
            };
            self.children.insert(slot, child);
        }
        self.ended = memory.ended;
        self.gone = memory.gone;
        self.began = before(memory.age);
    }

    /// These processes exist. Those that are not among them have ended.
    pub(super) fn set(&mut self, members: Vec<Member>, now: Instant) {
        let exists = |slot, pid| members.iter().any(|m| (m.slot, m.pid) == (slot, pid));
        for slot in self.slots() {
            if !exists(slot, self.children[&slot].member.pid) {
                self.retire(slot, None);
            }
        }
        self.gone.retain(|slot, pid| exists(*slot, *pid));
        for member in members {
            if self.gone.contains_key(&member.slot) {
                continue;
            }
            let child = self.children.entry(member.slot).or_insert_with(|| Child {
                member: member.clone(),
                since: now,
                last: None,
            });
            child.member = member;
        }
    }

    /// The process in `slot` tells its figures, or only its counts: then the places stay those that it told
    /// last. `false`: nobody is there, or the figures cannot be read.
    pub(super) fn tell(&mut self, slot: usize, topic: Topic, figures: &str) -> bool {
        let (Some(child), Some(mut told)) = (self.children.get_mut(&slot), read(figures)) else {
            return false;
        };
        if topic == Topic::Counts
            && let Some(before) = &mut child.last
        {
            told.places = std::mem::take(&mut before.places);
        }
        child.last = Some(told);
        true
    }

    /// The process in `slot` has ended, with these figures or those that it told last.
    pub(super) fn retire(&mut self, slot: usize, figures: Option<&str>) {
        let Some(child) = self.children.remove(&slot) else {
            return;
        };
        self.gone.insert(slot, child.member.pid);
        if let Some(last) = figures.and_then(read).or(child.last) {
            count(&mut self.ended, &last);
        }
    }

    pub(super) fn slots(&self) -> BTreeSet<usize> {
        self.children.keys().copied().collect()
    }

    /// The slots and processes in their order.
    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.children.values().map(|child| &child.member)
    }

    /// Whether some process serves, and goes on doing so.
    pub(super) fn is_ready(&self) -> bool {
        !self.draining && self.members().any(|member| member.state == "ready")
    }

    /// All processes as one.
    pub(super) fn sum(&self, now: Instant) -> Snapshot {
        let mut told = self.children.values().filter_map(Child::told);
        let mut sum = told.next().unwrap_or_default();
        told.for_each(|more| sum += more);
        count(&mut sum, &self.ended);
        sum.server = About {
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            uptime: now.saturating_duration_since(self.began),
            listening: self.listening.clone(),
            draining: self.draining,
            ..sum.server
        };
        sum
    }

    /// A line for each process. Those in `silent` have not answered now: their figures are older.
    pub(super) fn rows(&self, silent: &BTreeSet<usize>, now: Instant) -> Vec<Row> {
        let row = |child: &Child| Row {
            member: child.member.clone(),
            age: now.saturating_duration_since(child.since),
            answered: child.last.is_some() && !silent.contains(&child.member.slot),
            figures: child.last.clone(),
        };
        self.children.values().map(row).collect()
    }
}

impl Child {
    /// What it told last. Its workers and requests bear its slot.
    fn told(&self) -> Option<Snapshot> {
        let mut told = self.last.clone()?;
        for shown in told.workers.iter_mut().chain(&mut told.waiting) {
            shown["process"] = self.member.slot.into();
        }
        Some(told)
    }
}

/// A process in tables.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) member: Member,
    age: Duration,
    /// Whether the figures are of now.
    pub(super) answered: bool,
    /// `None` until it has told some.
    pub(super) figures: Option<Snapshot>,
}

impl Row {
    pub(super) fn json(&self) -> Value {
        let of = self.figures.as_ref();
        json!({
            "slot": self.member.slot,
            "pid": self.member.pid,
            "state": self.member.state,
            "age": self.age.as_secs_f64(),
            "answered": self.answered,
            "workers": of.map(|of| of.queue.workers),
            "workers_busy": of.map(|of| of.running),
            "waiting": of.map(|of| of.queue.waiting),
            "connections": of.map(Snapshot::channels),
            "rss": of.and_then(|of| of.process.resident),
            "cpu": of.and_then(|of| of.process.cpu),
            "requests": of.map(|of| of.figures.requests()),
        })
    }
}

/// Adds what counts up.
fn count(sum: &mut Snapshot, ended: &Snapshot) {
    sum.figures += &ended.figures;
    sum.totals += ended.totals;
    sum.probe += &ended.probe;
    sum.collections += &ended.collections;
    sum.spent += ended.spent;
    if let Some(cpu) = ended.process.cpu {
        *sum.process.cpu.get_or_insert_default() += cpu;
    }
}

fn read(figures: &str) -> Option<Snapshot> {
    let read = serde_json::from_str(figures);
    read.inspect_err(|error| log::warn!(target: crate::LOG, "figures of a process: {error}"))
        .ok()
}
