//! How many channels are where. Only its I/O thread knows a channel, so each thread counts its own when
//! it is asked to, a slice in each turn, and leaves the result for whoever shows it.

use std::time::Duration;

use crate::io::IoLoop;
use crate::io::channel::{Channel, State};
use crate::shared::Shared;
use crate::sys::sync::atomic::{AtomicU64, Ordering};
use crate::sys::sync::{self, Condvar, Mutex};

/// Channels and bytes by where they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Census {
    /// Between requests.
    pub(crate) idle: u64,
    /// Receiving a request.
    pub(crate) receiving: u64,
    /// With a request that waits for a worker or runs.
    pub(crate) in_task: u64,
    /// Sending a reply whose worker is through, or being closed.
    pub(crate) sending: u64,
    /// Bytes of requests and replies in memory.
    pub(crate) memory: u64,
    /// Reply bytes that clients have not taken.
    pub(crate) unsent: u64,
}

const FIELDS: usize = 6;

/// The last counts of all I/O threads.
#[derive(Debug)]
pub(crate) struct Ballots {
    /// Counts asked for so far; each is of all threads.
    asked: AtomicU64,
    threads: Vec<Ballot>,
    lock: Mutex<()>,
    news: Condvar,
}

/// One I/O thread's last count.
#[derive(Debug, Default)]
struct Ballot {
    /// Which one it was.
    counted: AtomicU64,
    fields: [AtomicU64; FIELDS],
}

/// A count under way, on its I/O thread.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    /// The count it is, or the last one that is complete.
    number: u64,
    /// The place in the slab that comes next; 0 when none is under way.
    next: usize,
    so_far: Census,
}

impl Counting {
    pub(crate) fn is_under_way(&self) -> bool {
        self.next > 0
    }
}

impl Ballots {
    pub(crate) fn new(io_threads: usize) -> Self {
        Self {
            asked: AtomicU64::new(0),
            threads: (0..io_threads).map(|_| Ballot::default()).collect(),
            lock: Mutex::new(()),
            news: Condvar::new(),
        }
    }

    /// An I/O thread has counted, or counts no more.
    fn publish(&self, index: usize, number: u64) {
        self.threads[index].counted.store(number, Ordering::SeqCst);
        drop(self.lock.lock());
        self.news.notify_all();
    }

    /// The I/O thread ends: nobody waits for it.
    pub(crate) fn leave(&self, index: usize) {
        self.publish(index, u64::MAX);
    }
}

impl Shared {
    /// Asks every I/O thread for a count, which is there a moment later; its number.
    pub(crate) fn want_census(&self) -> u64 {
        let number = self.ballots.asked.fetch_add(1, Ordering::SeqCst) + 1;
        self.wake_io_threads();
        number
    }

    /// Has every I/O thread count, and waits for them, at most so long. Not for an I/O thread.
    pub(crate) fn new_census(&self, most: Duration) {
        let (number, end) = (self.want_census(), sync::now() + most);
        let ballots = &self.ballots;
        let mut lock = ballots.lock.lock();
        while ballots
            .threads
            .iter()
            .any(|ballot| ballot.counted.load(Ordering::SeqCst) < number)
        {
            let left = end.saturating_duration_since(sync::now());
            let Ok(held) = lock else { return };
            if left.is_zero() {
                return;
            }
            lock = match ballots.news.wait_timeout(held, left) {
                Ok((held, _)) => Ok(held),
                Err(_) => return,
            };
        }
    }

    /// The last counts, added up.
    pub(crate) fn census(&self) -> Census {
        let sum = |field: usize| {
            let ballots = self.ballots.threads.iter();
            ballots
                .map(|ballot| ballot.fields[field].load(Ordering::Relaxed))
                .sum()
        };
        Census {
            idle: sum(0),
            receiving: sum(1),
            in_task: sum(2),
            sending: sum(3),
            memory: sum(4),
            unsent: sum(5),
        }
    }
}

impl IoLoop {
    /// Counts a slice of the channels, if somebody has asked; once a turn.
    pub(crate) fn vote(&mut self) {
        let asked = self.shared.ballots.asked.load(Ordering::Relaxed);
        if asked != self.counting.number || self.counting.is_under_way() {
            self.count_channels(asked, SLICE);
        }
    }

    /// Counts up to `most` channels on for count `asked`, or for the one that is under way.
    fn count_channels(&mut self, asked: u64, most: usize) {
        let Counting {
            mut number,
            next,
            mut so_far,
        } = self.counting;
        if next == 0 {
            (number, so_far) = (asked, Census::default());
        }
        let end = next + most;
        for index in next..end.min(self.channels.capacity()) {
            if let Some(channel) = self.channels.get(index) {
                so_far.add(channel);
            }
        }
        let over = end >= self.channels.capacity();
        self.counting = Counting {
            number,
            next: if over { 0 } else { end },
            so_far,
        };
        if over {
            let fields = &self.shared.ballots.threads[self.index].fields;
            for (field, n) in fields.iter().zip(so_far.fields()) {
                field.store(n, Ordering::Relaxed);
            }
            self.shared.ballots.publish(self.index, number);
        }
    }
}

impl Census {
    fn add(&mut self, channel: &Channel) {
        if channel.is_listed_idle() {
            // Most are. Nothing of such a one lies elsewhere, where a look would be a cache miss.
            self.idle += 1;
            self.memory += channel.inbuf.len() as u64;
            return;
        }
        if channel.link.admin {
            return;
        }
        match channel.state {
            State::Idle => self.idle += 1,
            State::Head | State::Body => self.receiving += 1,
            State::Task => self.in_task += 1,
            State::Asking | State::Replying | State::Refusing | State::Lingering => {
                self.sending += 1;
            }
        }
        let unsent = channel.lane.unsent();
        self.unsent += unsent.all;
        self.memory += unsent.memory + channel.inbuf.len() as u64;
        let exchange = channel.exchange.as_ref();
        self.memory += exchange.map_or(0, |exchange| exchange.body.in_memory().len()) as u64;
    }

    fn fields(self) -> [u64; FIELDS] {
        [
            self.idle,
            self.receiving,
            self.in_task,
            self.sending,
            self.memory,
            self.unsent,
        ]
    }
}

/// Channels counted in one turn: some 10 microseconds if they are idle, 100 if not.
const SLICE: usize = 512;

#[cfg(all(test, unix, not(shuttle)))]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::io::tests::{connect, with_idle};

    #[test]
    fn a_count_takes_a_slice_of_each_turn_and_is_shown_when_it_is_complete() {
        let (shared, mut io, _clients) = with_idle(11);
        // The admin endpoint's count nowhere.
        let _monitor = connect(&mut io, None);
        assert_eq!((io.channels.len(), io.channels.capacity()), (12, 16));
        let number = shared.want_census();
        for turn in 1..=4 {
            io.count_channels(number, 4);
            assert_eq!(io.counting.is_under_way(), turn < 4);
            let shown = if turn < 4 { 0 } else { 11 };
            assert_eq!(shared.census().idle, shown);
        }
        // Nobody has asked since.
        io.vote();
        assert!(!io.counting.is_under_way());
        // All are counted, in one turn or in several, when the asker wakes up.
        let asker = Arc::clone(&shared);
        let asker = std::thread::spawn(move || asker.new_census(Duration::from_secs(600)));
        while !asker.is_finished() {
            io.vote();
            std::thread::yield_now();
        }
        asker.join().unwrap();
        // An I/O thread that has ended is not waited for.
        drop(io);
        shared.new_census(Duration::from_secs(600));
    }
}
