//! The control socket of a child: what its parent tells it, and what it tells its parent.
//!
//! The thread `headwaiter-control` reads the socket from before the application is loaded until the process ends.
//! It never attaches to an interpreter, so it answers while native code keeps the GIL. [`Control`] is its outside.
//! In a child it also does the work of `headwaiter-signals`: the native handler writes the numbers of signals to
//! its socket, and it ends the process if Python does not. A signal that would stop a server makes a child ask
//! its parent to be replaced.
//!
//! Rules: no polling, except while the I/O thread owes a turn; only this thread obeys orders; nothing here blocks
//! the I/O thread. Elsewhere: frames (`frames.rs`), what the thread does in which order (`thread.rs`).

mod frames;
mod thread;

use std::fmt;
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;
use socket2::Socket;

use crate::control::frames::Sender;
use crate::control::thread::Thread;
use crate::observe::Observatory;
use crate::observe::profile::Places;
use crate::observe::snapshot::Snapshot;
use crate::siblings::Siblings;
use crate::signals::leaving::Leaving;
use crate::sys::sync;

/// The control socket of a child.
///
/// Call order: [`Control::start`] before the application is loaded; `Server::obey`; [`Control::starts`];
/// `Server::start`; [`Control::ready`]; [`Control::last`] at the end. Or [`Control::failed`] and nothing else.
#[derive(Debug)]
pub struct Control(Arc<Common>);

/// What the thread shares with its outside.
struct Common {
    parent: Sender,
    siblings: Option<Arc<Siblings>>,
    /// Wakes the thread. The signal handler writes numbers here, others a zero.
    wake: UnixStream,
    leave: Leave,
    state: Mutex<State>,
    /// The parent has closed the socket.
    orphaned: AtomicBool,
    /// `max_requests` have been served.
    spent: Arc<AtomicBool>,
}

/// Ends the process with a status, without the interpreter: 0 before the server has started, 3 if Python does not
/// end it in time.
pub type Leave = Box<dyn Fn(i32) + Send + Sync>;

#[derive(Debug, Default)]
struct State {
    server: Option<Arc<Observatory>>,
    /// Connections may have been accepted.
    started: bool,
    leaving: Leaving,
    signals: Option<Signals>,
    news: Vec<News>,
    /// Reasons for which the parent was asked for a replacement.
    asked: Vec<String>,
}

/// What others tell the thread.
#[derive(Debug)]
enum News {
    /// Workers and the I/O thread have been started.
    Started,
    /// The stacks that the parent has asked for by this number.
    Stacks(u64, String),
}

/// What the thread does with signals.
#[derive(Debug)]
struct Signals {
    /// Where it writes the number that tells Python of a stop.
    onwards: Socket,
    /// Numbers and names of the signals that would stop a server.
    stopping: Vec<(u8, String)>,
    /// The signal that opens the access log anew.
    reopening: Option<u8>,
}

impl Control {
    /// Starts the thread, which reads `socket` and tells `siblings` of each other process. `leave` is expected to end
    /// the process.
    ///
    /// # Errors
    ///
    /// The system refuses a thread or a descriptor.
    pub fn start(
        socket: Socket,
        siblings: Option<Arc<Siblings>>,
        leave: Leave,
    ) -> io::Result<Self> {
        let (woken, wake) = UnixStream::pair()?;
        woken.set_nonblocking(true)?;
        wake.set_nonblocking(true)?;
        let common = Arc::new(Common {
            parent: Sender::new(socket.try_clone()?)?,
            siblings,
            wake,
            leave,
            state: Mutex::default(),
            orphaned: AtomicBool::new(false),
            spent: Arc::default(),
        });
        let mut thread = Thread::new(&common, UnixStream::from(socket), woken);
        std::thread::Builder::new()
            .name("headwaiter-control".into())
            .spawn(move || {
                crate::sys::mask::block_signals();
                thread.run();
            })?;
        Ok(Self(common))
    }

    /// Where the handler of signals writes their numbers.
    pub fn signals(&self) -> BorrowedFd<'_> {
        self.0.wake.as_fd()
    }

    /// Whether the parent is gone.
    pub fn is_orphaned(&self) -> bool {
        self.0.orphaned.load(Ordering::SeqCst)
    }

    pub(crate) fn join(&self, server: &Arc<Observatory>) -> io::Result<()> {
        if let Some(quota) = server.shared.shards.quota() {
            let spent = Arc::clone(&self.0.spent);
            let wake = self.0.wake.try_clone()?;
            quota.when_spent(move || {
                spent.store(true, Ordering::SeqCst);
                let _ = (&wake).write(&[0]); // fails if it is full: then the thread wakes up anyway
            });
        }
        self.0.lock().server = Some(Arc::clone(server));
        Ok(())
    }

    /// The server is about to start. From here on a parent that leaves lets it drain first.
    pub fn starts(&self) {
        self.0.lock().started = true;
    }

    /// Handles signals from now on. `stopping` has the numbers and names of those that make the process ask for a
    /// replacement; `reopening` opens the access log anew. When the parent says stop, the first number of
    /// `stopping` is written to `onwards`, which must not block.
    pub fn watch_signals(
        &self,
        onwards: Socket,
        stopping: Vec<(u8, String)>,
        reopening: Option<u8>,
    ) {
        self.0.lock().signals = Some(Signals {
            onwards,
            stopping,
            reopening,
        });
        self.0.wake(); // signals may have come before
    }

    /// Has the parent told that the server is ready, as soon as the I/O thread has made a turn.
    pub fn ready(&self) {
        self.0.tell(News::Started);
    }

    /// Tells the parent why the server does not start, and the exit status that follows.
    pub fn failed(&self, text: &str, status: i32) {
        let failed = json!({"did": "failed", "text": text, "status": status});
        self.0.parent.send(&failed);
    }

    /// Python has noticed the stop and is ending the process: give it `more` time.
    pub fn extend(&self, more: Duration) {
        self.0.lock().leaving.extend(sync::now(), more);
        self.0.wake();
    }

    /// Python has come to its end: the thread does not end the process any more.
    pub fn close(&self) {
        self.0.lock().leaving.close();
        self.0.wake();
    }

    /// Tells the parent the final figures.
    pub fn last(&self) {
        self.0.last();
    }
}

impl Common {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn server(&self) -> Option<Arc<Observatory>> {
        self.lock().server.clone()
    }

    fn wake(&self) {
        let _ = (&self.wake).write(&[0]); // fails if it is full: then the thread wakes up anyway
    }

    fn tell(&self, news: News) {
        self.lock().news.push(news);
        self.wake();
    }

    /// Asks the parent for a replacement, once for each reason.
    fn ask(&self, why: &str) {
        let mut state = self.lock();
        if state.asked.iter().any(|asked| asked == why) {
            return;
        }
        state.asked.push(why.to_owned());
        drop(state);
        self.parent.send(&json!({"did": "asks", "why": why}));
    }

    fn last(&self) {
        if let Some(server) = self.server() {
            let last = json!({"did": "last", "text": counts(&server)});
            self.parent.send(&last);
        }
    }
}

/// All figures, in the form that the parent adds up. A text, so that the parent's Python need not look inside.
fn figures(server: &Observatory) -> String {
    server.count();
    serde_json::to_string(&Snapshot::take(server)).unwrap_or_default()
}

/// The same without the places of the wait profile.
fn counts(server: &Observatory) -> String {
    server.count();
    let snapshot = Snapshot {
        places: Places::default(),
        ..Snapshot::take(server)
    };
    serde_json::to_string(&snapshot).unwrap_or_default()
}

impl fmt::Debug for Common {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Common")
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
