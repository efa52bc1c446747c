//! Signals that end a server, acted on even while native code keeps the GIL.
//!
//! Python runs a signal handler only between two of its own instructions, so native code that keeps the GIL
//! delays it without limit. A native handler (`handler.rs`) runs at once and writes the signal's number to a
//! socket. A thread here reads that socket, begins to drain, passes the number on to the Python thread that
//! shuts the server down, and ends the process if that thread does not close the watch in time.
//!
//! Rules: no polling; the thread never attaches to an interpreter; [`Stops`] decides and has no clock.
//! Elsewhere: which signals are watched, and what else the process does at its end (the binding).

#[cfg(unix)]
pub mod handler;
pub(crate) mod leaving;

use crate::sys::instant::Instant;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{SockRef, Socket};

use crate::shared::{Shared, Stage};
use crate::signals::leaving::{Leaving, Look};
use crate::sys::sync;

/// The thread that watches signals, seen from outside. It ends with [`SignalWatch::close`].
#[derive(Debug)]
pub struct SignalWatch {
    /// The process that the thread runs in. A forked child must not end its parent's thread.
    process: u32,
    socket: Socket,
    stops: Arc<Mutex<Stops>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl SignalWatch {
    /// Starts the thread. `signals` is the socket that it reads; the other arguments are those of
    /// [`crate::Server::watch_signals`].
    pub(crate) fn start(
        shared: &Arc<Shared>,
        signals: Socket,
        onwards: Socket,
        wanted: Wanted,
        give_up: fn(),
    ) -> io::Result<Self> {
        let socket = signals.try_clone()?;
        let stops = Arc::new(Mutex::new(Stops::new(shared.settings.shutdown_timeout)));
        let shared = Arc::clone(shared);
        let watched = Arc::clone(&stops);
        let thread = std::thread::Builder::new()
            .name("headwaiter-signals".into())
            .spawn(move || {
                crate::sys::mask::block_signals();
                watch(&shared, &watched, signals, onwards, &wanted, give_up);
            })?;
        Ok(Self {
            process: std::process::id(),
            socket,
            stops,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Python has noticed the stop and is ending the process: give it `more` time.
    pub fn extend(&self, more: Duration) {
        lock(&self.stops).leaving.extend(sync::now(), more);
    }

    /// Ends the watch after it has acted on the signals that came before. May be called more than once.
    pub fn close(&self) {
        if self.process != std::process::id() {
            return;
        }
        lock(&self.stops).leaving.close();
        // A shutdown wakes the thread even if a child process has a copy of the socket; a close would not.
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
        if let Some(thread) = lock(&self.thread).take() {
            let _ = thread.join(); // an error is a panic, which was reported already
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
        // Only this thread moves the deadline forward, so it cannot become earlier during the sleep.
        let look = lock(stops).leaving.look(sync::now());
        let timeout = match look {
            // Signals that came before the end are still read.
            Look::Closed => None,
            Look::Late => return give_up(),
            Look::Wait(timeout) => timeout,
        };
        let _ = SockRef::from(&signals).set_read_timeout(timeout);
        let got = match signals.read(&mut numbers) {
            Ok(0) => {
                // Nobody writes signals any more. A deadline still holds.
                let look = lock(stops).leaving.look(sync::now()); // unlocks before the sleep
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
        // The log line comes first, the number second, the stop third: an idle server is gone at once,
        // and the reader of the number may be quicker than this thread.
        let _ = onwards.write(got); // if the socket is full, its reader wakes up anyway
        if let Some(stage) = stage {
            shared.advance(stage);
        }
    }
}

/// The signals that are acted on.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// Numbers and names of the signals that stop the server.
    pub(crate) stopping: Vec<(u8, String)>,
    /// The signal that opens the access log anew.
    pub(crate) reopening: Option<u8>,
}

impl Wanted {
    /// Logs each signal that stops the server, and returns the stage that they ask for.
    fn understand(&self, got: &[u8], shared: &Shared, stops: &Mutex<Stops>) -> Option<Stage> {
        let mut stage = None;
        for number in got {
            if self.reopening == Some(*number) {
                shared.reopen_logs();
            }
            let Some((_, name)) = self.stopping.iter().find(|(stop, _)| stop == number) else {
                continue;
            };
            match lock(stops).signal(sync::now()) {
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

/// The stops that signals have asked for, and the deadline of the process.
#[derive(Debug)]
struct Stops {
    shutdown_timeout: Duration,
    first: Option<Instant>,
    cut: bool,
    leaving: Leaving,
}

/// What one signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Drain,
    Cut,
    /// The same stop again.
    Same,
}

impl Stops {
    fn new(shutdown_timeout: Duration) -> Self {
        Self {
            shutdown_timeout,
            first: None,
            cut: false,
            leaving: Leaving::default(),
        }
    }

    fn signal(&mut self, now: Instant) -> Order {
        match self.first {
            None => {
                self.first = Some(now);
                self.leaving.within(now, self.shutdown_timeout);
                Order::Drain
            }
            Some(first) if self.cut || now.saturating_duration_since(first) < SAME_STOP => {
                Order::Same
            }
            Some(_) => {
                self.cut = true;
                self.leaving.within(now, Duration::ZERO);
                Order::Cut
            }
        }
    }
}

/// A second signal within this time counts as the same stop. Terminals and supervisors signal a whole
/// process group, and a parent in that group often passes the signal on to its child. The copy arrives
/// milliseconds later, a few hundred on an overloaded machine; a person takes longer to signal again.
pub const SAME_STOP: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::leaving::{GRACE, LEAST_WAIT};

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
        assert_eq!(stops.leaving.look(start), Look::Wait(None));
        stops.signal(start);
        assert_eq!(stops.leaving.look(start), Look::Wait(Some(TIMEOUT + GRACE)));
        let almost = start + TIMEOUT + GRACE - Duration::from_nanos(1);
        assert_eq!(stops.leaving.look(almost), Look::Wait(Some(LEAST_WAIT)));
        assert_eq!(stops.leaving.look(start + TIMEOUT + GRACE), Look::Late);
        stops.leaving.extend(start + TIMEOUT, TIMEOUT);
        assert_eq!(
            stops.leaving.look(start + TIMEOUT + GRACE),
            Look::Wait(Some(TIMEOUT))
        );
        stops.signal(start + TIMEOUT);
        assert_eq!(stops.leaving.look(start + TIMEOUT), Look::Wait(Some(GRACE)));
        stops.leaving.close();
        assert_eq!(stops.leaving.look(start + TIMEOUT + GRACE), Look::Closed);
    }

    #[test]
    fn an_endless_timeout_is_no_deadline() {
        let start = Instant::now();
        let mut stops = Stops::new(Duration::MAX);
        stops.signal(start);
        assert_eq!(stops.leaving.look(start), Look::Wait(None));
    }
}
