//! Signals that end a server, acted on although the interpreter cannot be had.
//!
//! An interpreter runs signal handlers only between two instructions of its own: code that holds its lock
//! in native code keeps them out for as long as it likes. A native handler (`handler.rs`), though, runs at
//! once and writes the signal's number to a socket. A thread here reads that socket, begins to drain, passes
//! the number on to the thread that sees to the end, and ends the process if nobody closes it down in time.
//!
//! Rules: no polling; the thread never attaches to an interpreter; [`Stops`] decides and has no clock.

use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use socket2::{SockRef, Socket};

use crate::server::Server;
use crate::shared::{Shared, Stage};

/// The watching thread, seen from outside. It ends with [`SignalWatch::close`].
#[derive(Debug)]
pub struct SignalWatch {
    /// The process it is of: a child that a fork made must not end its parent's.
    process: u32,
    socket: Socket,
    stops: Arc<Mutex<Stops>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Server {
    /// Watches `signals`, a socket that a signal handler writes numbers to, from a thread of its own.
    ///
    /// Those in `stopping` (with their names) drain the server, a second one cuts what is left; every one
    /// is passed on to `onwards`, which is expected not to block. `reopening` opens the access log anew.
    /// `give_up` is called when the watch is not closed in time after a stop: it is expected to end the
    /// process.
    ///
    /// # Errors
    ///
    /// The system refuses a thread or a descriptor.
    pub fn watch_signals(
        &self,
        signals: Socket,
        onwards: Socket,
        stopping: Vec<(u8, String)>,
        reopening: Option<u8>,
        give_up: fn(),
    ) -> io::Result<SignalWatch> {
        let socket = signals.try_clone()?;
        let stops = Arc::new(Mutex::new(Stops::new(self.settings().shutdown_timeout)));
        let shared = Arc::clone(self.shared());
        let watched = Arc::clone(&stops);
        let thread = std::thread::Builder::new()
            .name("headwaiter-signals".into())
            .spawn(move || {
                crate::sys::mask::block_signals();
                let wanted = Wanted {
                    stopping,
                    reopening,
                };
                watch(&shared, &watched, signals, onwards, &wanted, give_up);
            })?;
        Ok(SignalWatch {
            process: std::process::id(),
            socket,
            stops,
            thread: Mutex::new(Some(thread)),
        })
    }
}

impl SignalWatch {
    /// The interpreter could be had, and sees to the end: it has `more` time for that.
    pub fn extend(&self, more: Duration) {
        lock(&self.stops).extend(Instant::now(), more);
    }

    /// Ends the watch, once it has dealt with the signals that came before; any number of times.
    pub fn close(&self) {
        if self.process != std::process::id() {
            return;
        }
        lock(&self.stops).close();
        // Unlike closing it, this reaches the thread although a child process has the socket, too.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join(); // which a panic has ended already, if it was one
        }
    }
}

impl Drop for SignalWatch {
    fn drop(&mut self) {
        self.close();
    }
}

fn watch(
    shared: &Shared,
    stops: &Mutex<Stops>,
    mut signals: Socket,
    mut onwards: Socket,
    wanted: &Wanted,
    give_up: fn(),
) {
    if let Err(error) = signals.set_nonblocking(false) {
        log::error!(target: crate::LOG, "signals cannot be watched: {error}");
        return;
    }
    let mut numbers = [0; 64];
    loop {
        // Read the deadline, then sleep: nothing but this thread makes it earlier.
        let look = lock(stops).look(Instant::now());
        let timeout = match look {
            // What has come is read to its end all the same.
            Look::Closed => None,
            Look::Late => return give_up(),
            Look::Wait(timeout) => timeout,
        };
        let _ = SockRef::from(&signals).set_read_timeout(timeout);
        let got = match signals.read(&mut numbers) {
            Ok(0) => {
                // Nobody writes signals any more. The deadline, if there is one, stands.
                let look = lock(stops).look(Instant::now()); // and unlock
                match look {
                    Look::Wait(Some(left)) => std::thread::sleep(left),
                    Look::Wait(None) | Look::Closed => return,
                    Look::Late => {}
                }
                continue;
            }
            Ok(got) => &numbers[..got],
            Err(error) if is_nothing(&error) => continue,
            Err(error) => {
                log::error!(target: crate::LOG, "signals are not watched any more: {error}");
                return;
            }
        };
        let stage = wanted.understand(got, shared, stops);
        // First said, then passed on, then done: an idle server is gone at once, and whoever is told
        // may be quicker than this thread.
        let _ = onwards.write(got); // full: then whoever reads it wakes up anyway
        if let Some(stage) = stage {
            shared.advance(stage);
        }
    }
}

/// Signals that mean something.
#[derive(Debug)]
struct Wanted {
    stopping: Vec<(u8, String)>,
    reopening: Option<u8>,
}

impl Wanted {
    /// Says what signals stand for that stop the server, and returns how far it is to be stopped.
    fn understand(&self, got: &[u8], shared: &Shared, stops: &Mutex<Stops>) -> Option<Stage> {
        let mut stage = None;
        for number in got {
            if self.reopening == Some(*number) {
                shared.reopen_logs();
            }
            let Some((_, name)) = self.stopping.iter().find(|(stop, _)| stop == number) else {
                continue;
            };
            match lock(stops).signal(Instant::now()) {
                Order::Drain => {
                    log::info!(
                        target: crate::LOG,
                        "{name}: finishing what was received; again to leave now"
                    );
                    stage = Some(Stage::Draining);
                }
                Order::Cut => {
                    log::info!(target: crate::LOG, "{name}: leaving now");
                    stage = Some(Stage::Cutting);
                }
                Order::Same => log::debug!(target: crate::LOG, "{name}: the same stop"),
            }
        }
        stage
    }
}

fn is_nothing(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What signals have asked for, and until when the process may take to leave.
#[derive(Debug)]
struct Stops {
    shutdown_timeout: Duration,
    first: Option<Instant>,
    cut: bool,
    closed: bool,
    leave_by: Option<Instant>,
}

/// What a signal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Drain,
    Cut,
    /// Nothing new.
    Same,
}

#[derive(Debug, PartialEq, Eq)]
enum Look {
    Wait(Option<Duration>),
    /// Time is over.
    Late,
    Closed,
}

impl Stops {
    fn new(shutdown_timeout: Duration) -> Self {
        Self {
            shutdown_timeout,
            first: None,
            cut: false,
            closed: false,
            leave_by: None,
        }
    }

    fn signal(&mut self, now: Instant) -> Order {
        match self.first {
            None => {
                self.first = Some(now);
                // Beyond what the clock can say: never.
                self.leave_by = now.checked_add(self.shutdown_timeout.saturating_add(GRACE));
                Order::Drain
            }
            Some(first) if self.cut || now.saturating_duration_since(first) < SAME_STOP => {
                Order::Same
            }
            Some(_) => {
                self.cut = true;
                self.leave_by = now.checked_add(GRACE);
                Order::Cut
            }
        }
    }

    fn extend(&mut self, now: Instant, more: Duration) {
        if self.leave_by.is_some() {
            self.leave_by = now.checked_add(more.saturating_add(GRACE));
        }
    }

    fn close(&mut self) {
        self.closed = true;
    }

    fn look(&self, now: Instant) -> Look {
        if self.closed {
            return Look::Closed;
        }
        match self.leave_by {
            None => Look::Wait(None),
            Some(end) if end <= now => Look::Late,
            Some(end) => Look::Wait(Some(end - now)),
        }
    }
}

/// A second signal that comes sooner is the same stop, told twice: a terminal and a supervisor signal a
/// whole process group, and a parent in it passes on what its child has got already. That takes
/// milliseconds, a few hundred on a machine that is overloaded; a person takes longer to see that the first
/// one was not enough.
pub const SAME_STOP: Duration = Duration::from_millis(500);
/// How long after everything was cut the interpreter may take to be had.
const GRACE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(30);

    fn at(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn a_stop_told_twice_is_one_and_a_later_one_is_another() {
        let start = Instant::now();
        for (times, orders) in [
            (&[0][..], &[Order::Drain][..]),
            (&[0, 3, 499], &[Order::Drain, Order::Same, Order::Same]),
            (&[0, 500], &[Order::Drain, Order::Cut]),
            // Counted from the first: a stream of signals cannot put it off.
            (
                &[0, 300, 600, 900],
                &[Order::Drain, Order::Same, Order::Cut, Order::Same],
            ),
        ] {
            let mut stops = Stops::new(TIMEOUT);
            let got: Vec<_> = times
                .iter()
                .map(|&millis| stops.signal(at(start, millis)))
                .collect();
            assert_eq!(got, orders, "{times:?}");
        }
    }

    #[test]
    fn the_process_has_until_after_the_timeout_to_leave() {
        let start = Instant::now();
        let mut stops = Stops::new(TIMEOUT);
        assert_eq!(stops.look(start), Look::Wait(None));
        stops.signal(start);
        assert_eq!(stops.look(start), Look::Wait(Some(TIMEOUT + GRACE)));
        assert_eq!(stops.look(start + TIMEOUT + GRACE), Look::Late);
        stops.extend(start + TIMEOUT, TIMEOUT);
        assert_eq!(
            stops.look(start + TIMEOUT + GRACE),
            Look::Wait(Some(TIMEOUT))
        );
        stops.signal(start + TIMEOUT);
        assert_eq!(stops.look(start + TIMEOUT), Look::Wait(Some(GRACE)));
        stops.close();
        assert_eq!(stops.look(start + TIMEOUT + GRACE), Look::Closed);
    }

    #[test]
    fn an_endless_timeout_is_no_deadline() {
        let start = Instant::now();
        let mut stops = Stops::new(Duration::MAX);
        stops.signal(start);
        assert_eq!(stops.look(start), Look::Wait(None));
    }
}
