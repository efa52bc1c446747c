//! Questions to all processes, and the requests that wait for their answers.
//!
//! A question is open from a request until every process has answered, the parent says that nobody else
//! will, or its time is over. Requests that come before the parent has been told of it share it. A later
//! request asks anew: it is shown nothing that is older than itself.

use crate::sys::instant::Instant;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What processes are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The serde form of a snapshot.
    Figures,
    /// The same without the places of the wait profile, which are most of it.
    Counts,
    /// The stacks of all Python threads, as text.
    Stacks,
}

impl Topic {
    fn patience(self) -> Duration {
        match self {
            Self::Figures | Self::Counts => Duration::from_secs(1),
            // A process waits a second for its interpreter, and then says what it runs.
            Self::Stacks => Duration::from_secs(2),
        }
    }
}

/// Open questions. `W` is who waits for one.
#[derive(Debug)]
pub(super) struct Questions<W> {
    asked: u64,
    open: BTreeMap<u64, Question<W>>,
}

#[derive(Debug)]
pub(super) struct Question<W> {
    topic: Topic,
    due: Instant,
    told: bool,
    pub(super) waiting: Vec<W>,
    /// Slots that have not answered.
    pub(super) silent: BTreeSet<usize>,
    /// The texts of those that have.
    pub(super) texts: BTreeMap<usize, String>,
}

impl<W> Question<W> {
    pub(super) fn topic(&self) -> Topic {
        self.topic
    }

    /// The process in `slot` answers. Returns whether all have answered.
    pub(super) fn answer(&mut self, slot: usize, text: &str) -> bool {
        if self.silent.remove(&slot) && self.topic == Topic::Stacks {
            self.texts.insert(slot, text.to_owned());
        }
        self.silent.is_empty()
    }
}

impl<W> Default for Questions<W> {
    fn default() -> Self {
        Self {
            asked: 0,
            open: BTreeMap::new(),
        }
    }
}

impl<W> Questions<W> {
    /// `who` waits for an answer of all `slots`. Returns the time at which it gives up.
    pub(super) fn ask(
        &mut self,
        topic: Topic,
        slots: BTreeSet<usize>,
        who: W,
        now: Instant,
    ) -> Instant {
        let mut open = self.open.values_mut();
        if let Some(question) = open.find(|q| q.topic == topic && !q.told) {
            question.waiting.push(who);
            return question.due;
        }
        let due = now + topic.patience();
        self.asked += 1;
        let question = Question {
            topic,
            due,
            told: false,
            waiting: vec![who],
            silent: slots,
            texts: BTreeMap::new(),
        };
        self.open.insert(self.asked, question);
        due
    }

    /// The questions that the parent does not know yet.
    pub(super) fn tell(&mut self) -> Vec<(Topic, u64)> {
        let new = self.open.iter_mut().filter(|(_, q)| !q.told);
        new.map(|(n, question)| {
            question.told = true;
            (question.topic, *n)
        })
        .collect()
    }

    /// Question `n`; also for some time after it is over.
    pub(super) fn get(&mut self, n: u64) -> Option<&mut Question<W>> {
        self.open.get_mut(&n)
    }

    /// The process in `slot` will answer nothing any more. Returns the questions that this ends.
    pub(super) fn forget(&mut self, slot: usize) -> Vec<u64> {
        let is_over = |(n, question): (&u64, &mut Question<W>)| {
            let was_missing = question.silent.remove(&slot);
            (was_missing && question.silent.is_empty()).then_some(*n)
        };
        self.open.iter_mut().filter_map(is_over).collect()
    }

    /// The question that `who` waits for, and its place among those who wait.
    pub(super) fn find(&mut self, who: impl Fn(&W) -> bool) -> Option<(&mut Question<W>, usize)> {
        self.open.values_mut().find_map(|question| {
            let at = question.waiting.iter().position(&who)?;
            Some((question, at))
        })
    }

    /// Drops questions whose time has been over for long. A late answer to one is no news.
    pub(super) fn prune(&mut self, now: Instant) {
        self.open
            .retain(|_, question| question.due + FORGOTTEN > now);
    }
}

/// Nobody waits for a question this long after its time.
const FORGOTTEN: Duration = Duration::from_secs(5);
