//! A server from the outside: take bound sockets, start, hand out workers' ends, stop.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::Socket;

use crate::io::IoLoop;
use crate::io::inline::Endpoint;
use crate::net::address::{BindError, Listening};
use crate::net::listener::{Listeners, addresses};
use crate::observe::Observatory;
use crate::observe::admin::Admin;
use crate::observe::overseer::Oversight;
use crate::observe::snapshot::Snapshot;
use crate::observe::watch::Watcher;
use crate::record::access_log::AccessLog;
use crate::settings::Settings;
use crate::shared::{Shared, Stage};
#[cfg(unix)]
use crate::siblings::Siblings;
use crate::signals::{SignalWatch, Wanted};
use crate::worker::Tasks;
use crate::worker::leader::conduct;
use crate::worker::seat::Seat;

/// A server of one application.
///
/// Call order: [`Listeners::bind`]; [`Server::new`]; on each worker thread [`Server::tasks`]; [`Server::start`];
/// [`Server::stop`] or [`Server::abort`] from anywhere. Once drained, `on_finished` is called and
/// every worker's [`Tasks::park`] says `false`.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    /// Where the I/O thread's loop lies while it is lent to the workers.
    seat: Arc<Seat<IoLoop>>,
    observatory: Arc<Observatory>,
    admin_listening: Vec<Listening>,
    /// Sockets that the I/O thread has not yet.
    listeners: Mutex<Listeners>,
    /// The I/O thread, once it was started.
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Server {
    /// A server on `listeners`. It opens the access log, and starts no thread.
    ///
    /// # Errors
    ///
    /// The access log could not be opened; the listeners are closed.
    pub fn new(settings: Settings, listeners: Listeners) -> Result<Self, BindError> {
        let shared = Self::share(settings, &listeners)?;
        Ok(Self::of(shared, listeners))
    }

    /// A server as by [`Server::new`], whose process is one of `siblings` with the same listeners.
    ///
    /// # Errors
    ///
    /// As [`Server::new`].
    #[cfg(unix)]
    pub fn among(
        siblings: Arc<Siblings>,
        settings: Settings,
        listeners: Listeners,
    ) -> Result<Self, BindError> {
        let mut shared = Self::share(settings, &listeners)?;
        shared.siblings = Some(siblings);
        Ok(Self::of(shared, listeners))
    }

    fn share(settings: Settings, listeners: &Listeners) -> Result<Shared, BindError> {
        let access_log = settings.access_log.as_ref().map(|target| {
            AccessLog::open(target, &settings.access_log_format).map_err(|error| BindError {
                place: format!("access_log: {target}"),
                error,
            })
        });
        let access_log = access_log.transpose()?.map(Arc::new);
        let listening = addresses(&listeners.serving);
        Ok(Shared::new(settings, listening, access_log))
    }

    fn of(shared: Shared, listeners: Listeners) -> Self {
        let shared = Arc::new(shared);
        Self {
            admin_listening: addresses(&listeners.admin),
            observatory: Arc::new(Observatory::new(&shared)),
            shared,
            seat: Arc::default(),
            listeners: Mutex::new(listeners),
            thread: Mutex::default(),
        }
    }

    /// Where it listens, in the order of the specs.
    pub fn listening(&self) -> &[Listening] {
        &self.shared.listening
    }

    /// Where the admin endpoint listens.
    pub fn admin_listening(&self) -> &[Listening] {
        &self.admin_listening
    }

    /// The engine's adjustments.
    pub fn settings(&self) -> &Settings {
        &self.shared.settings
    }

    /// Starts the I/O thread. It calls `on_finished` when the server has drained.
    ///
    /// # Errors
    ///
    /// The system refuses a thread or a poll. No thread runs then.
    pub fn start(&self, on_finished: OnFinished) -> io::Result<()> {
        let listeners = std::mem::take(&mut *self.lock_listeners());
        let admin = Endpoint::new(listeners.admin, Box::new(Admin::new(&self.observatory)));
        let mut io = IoLoop::new(&self.shared, listeners.serving, admin)?;
        io.observe_by(Arc::clone(&self.observatory) as _);
        if let Some(log) = &self.shared.access_log {
            log.start()?;
        }
        if self.shared.mailbox.set(Arc::clone(io.mailbox())).is_err() {
            return Err(io::Error::other("the server was started already"));
        }
        let leave = Leave {
            shared: Arc::clone(&self.shared),
            observatory: Arc::clone(&self.observatory),
            on_finished: Some(on_finished),
        };
        self.shared.io_runs.store(true, Ordering::SeqCst);
        let seat = Arc::clone(&self.seat);
        let started = std::thread::Builder::new()
            .name("headwaiter-io".into())
            .spawn(move || {
                let leave = leave;
                io.settle();
                conduct(Box::new(io), &leave.shared, &seat);
            })
            .inspect_err(|_| self.shared.advance(Stage::Cutting))?;
        *self.lock_thread() = Some(started);
        Ok(())
    }

    /// Makes the calling thread a worker, and returns its source of tasks. Call it on `threads` threads at the
    /// start, then on each that [`Oversight::wait`] orders.
    pub fn tasks(&self) -> Tasks {
        Tasks::new(&self.shared, &self.seat)
    }

    /// Stops accepting, finishes the requests that were received, then ends. Cuts what is left after
    /// `shutdown_timeout`. Any thread may call it, more than once.
    pub fn stop(&self) {
        self.end(Stage::Draining);
    }

    /// Cuts everything and ends.
    pub fn abort(&self) {
        self.end(Stage::Cutting);
    }

    fn end(&self, stage: Stage) {
        // These are the sockets of a server that has not started.
        drop(std::mem::take(&mut *self.lock_listeners()));
        self.shared.advance(stage);
    }

    /// Blocks until the I/O thread has ended and all that it owns is dropped. Call it after `on_finished`
    /// was called, from another thread.
    pub fn join(&self) {
        let thread = self.lock_thread().take();
        if let Some(thread) = thread {
            let _ = thread.join(); // an error is a panic, which was reported already
        }
    }

    /// Whether it has drained, or was stopped before it started.
    pub fn finished(&self) -> bool {
        self.shared.draining() && !self.shared.io_runs.load(Ordering::SeqCst)
    }

    /// How many requests were cut at the end.
    pub fn unfinished(&self) -> usize {
        self.shared.unfinished.load(Ordering::SeqCst)
    }

    /// The orders for the thread that reports long requests and starts workers.
    pub fn oversight(&self) -> Oversight {
        Oversight::new(&self.observatory)
    }

    /// Watches `signals`, a socket that a signal handler writes numbers to, from a thread of its own.
    ///
    /// The first signal in `stopping` (numbers with names) drains the server, a second one cuts what is
    /// left. `reopening` opens the access log anew. The thread writes every number to `onwards`, which must
    /// not block. It calls `give_up` if the watch is not closed in time after a stop: `give_up` is expected
    /// to end the process.
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
        let wanted = Wanted {
            stopping,
            reopening,
        };
        SignalWatch::start(&self.shared, signals, onwards, wanted, give_up)
    }

    /// Does what the parent process says, and tells it about this server. Call it before [`Server::start`].
    ///
    /// # Errors
    ///
    /// The system refuses a descriptor.
    #[cfg(unix)]
    pub fn obey(&self, control: &crate::control::Control) -> io::Result<()> {
        control.join(&self.observatory)
    }

    /// Moves the clock that deadlines count from, so that tests need not wait.
    #[doc(hidden)]
    pub fn move_clock(&self, by: Duration) {
        self.shared.move_clock(by);
    }

    /// What `/status.json` of the admin endpoint shows, as JSON. The counts of channels by their state are
    /// those of the last call.
    pub fn status(&self) -> String {
        self.shared.request_census();
        self.observatory.sample(self.shared.now());
        crate::observe::admin::status(&Snapshot::take(&self.observatory)).to_string()
    }

    /// This process' figures in the form that `Overview::supply` adds up, as JSON. Waits for the I/O thread
    /// to count its channels, half a second at most; touches no interpreter.
    pub fn figures(&self) -> String {
        self.observatory.count();
        let snapshot = Snapshot::take(&self.observatory);
        serde_json::to_string(&snapshot).unwrap_or_default()
    }

    /// Opens the access log again, for use after it was renamed.
    pub fn reopen_logs(&self) {
        self.shared.reopen_logs();
    }

    /// A garbage collection has stopped the interpreter for this long.
    pub fn note_collection(&self, took: Duration) {
        self.observatory.watch.note_collection(took);
    }

    /// Makes the calling thread the one that measures the wait for the GIL, for the admin endpoint.
    pub fn watcher(&self) -> Watcher {
        Watcher::new(&self.observatory)
    }

    /// Figures by their names, for tests: the full set is [`Server::status`].
    #[doc(hidden)]
    pub fn stats(&self) -> Vec<(&'static str, f64)> {
        let look = self.shared.queue.look(self.shared.now());
        let figures = self.shared.shards.figures();
        let mut all: Vec<_> = self
            .shared
            .counters
            .all()
            .into_iter()
            .map(|(name, n)| (name, n as f64))
            .collect();
        all.extend([
            ("requests", figures.requests() as f64),
            (
                "channels",
                self.shared.channels.load(Ordering::Relaxed) as f64,
            ),
            ("queue_depth", look.waiting as f64),
            ("oldest_wait", look.oldest_wait.as_secs_f64()),
            ("busy_workers", look.running as f64),
            ("idle_workers", look.parked as f64),
            ("workers", look.workers as f64),
            ("active_limit", look.target as f64),
            ("spool_bytes", self.shared.budget.used() as f64),
        ]);
        all
    }

    fn lock_thread(&self) -> std::sync::MutexGuard<'_, Option<JoinHandle<()>>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_listeners(&self) -> std::sync::MutexGuard<'_, Listeners> {
        self.listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Its drop is the last act of the I/O thread, also after a panic: it closes what is shared.
struct Leave {
    shared: Arc<Shared>,
    observatory: Arc<Observatory>,
    on_finished: Option<OnFinished>,
}

/// Called once, when the server has drained.
pub type OnFinished = Box<dyn FnOnce() + Send>;

impl Drop for Leave {
    fn drop(&mut self) {
        if std::thread::panicking() {
            log::error!(target: crate::LOG, "the I/O thread ended by a bug; the server stops");
            self.shared.advance(Stage::Cutting);
        }
        self.shared.io_runs.store(false, Ordering::SeqCst);
        self.shared.queue.close();
        self.observatory.watch.close(&self.shared);
        self.shared.running.bell().close();
        if let Some(log) = &self.shared.access_log {
            log.close();
        }
        if let Some(on_finished) = self.on_finished.take() {
            on_finished();
        }
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::net::address::ListenSpec;

    fn server(settings: Settings) -> Server {
        let any = ListenSpec::Tcp("127.0.0.1:0".parse().unwrap());
        let options = settings.bind_options();
        let listeners = Listeners::bind(&[any], &settings.admin, options).unwrap();
        Server::new(settings, listeners).unwrap()
    }

    /// The test holds a lock that pages need, so no page is made; the I/O thread still answers by itself.
    #[test]
    fn a_page_that_takes_its_time_holds_up_nobody() {
        use std::io::{Read, Write};
        let settings = Settings {
            admin: vec![ListenSpec::Tcp("127.0.0.1:0".parse().unwrap())],
            ..Settings::for_tests()
        };
        let server = server(settings);
        let Listening::Tcp(admin) = server.admin_listening()[0] else {
            unreachable!("it was bound to TCP")
        };
        let (finished, end) = mpsc::channel();
        let tell = Box::new(move || finished.send(()).unwrap());
        server.start(tell).unwrap();
        let ask = |path: &str| {
            let mut client = std::net::TcpStream::connect(admin).unwrap();
            let patience = Some(Duration::from_secs(30));
            client.set_read_timeout(patience).unwrap();
            write!(client, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            client
        };
        let answered = |mut client: std::net::TcpStream| {
            let mut start = [0; 12];
            client.read_exact(&mut start).unwrap();
            assert_eq!(&start, b"HTTP/1.1 200");
        };
        let held = server.shared.running.hold(0);
        let pages = ["/status.json", "/metrics", "/requests"].map(ask);
        for _ in 0..3 {
            answered(ask("/live"));
        }
        drop(held);
        pages.into_iter().for_each(answered);
        server.stop();
        end.recv().unwrap();
    }
}
