//! The thread `headwaiter-control`: it waits for the parent, for signals and for what it owes an answer.

use crate::sys::instant::Instant;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde_json::{Value, json};
use socket2::Socket;

use crate::control::frames::Received;
use crate::control::{Common, News, counts, figures};
use crate::observe::Observatory;
use crate::observe::admin::show::instead_of_stacks;
use crate::shared::Stage;
use crate::signals::leaving::Look;
use crate::sys::{process, sync};

/// The thread's own part.
pub(super) struct Thread {
    common: Arc<Common>,
    socket: UnixStream,
    woken: UnixStream,
    received: Received,
    /// Signals that came before anybody has said what they mean.
    early: Vec<u8>,
    /// The parent has not closed the socket.
    connected: bool,
    /// What the I/O thread owes a turn for, and the number of the census that shows its turns.
    turns: Vec<(u64, Turned)>,
    /// Questions for stacks, and when an answer without them is due.
    stacks: Vec<(u64, Instant)>,
}

/// What is told when the I/O thread has made a turn.
#[derive(Clone, Copy, Debug)]
enum Turned {
    Ready,
    Pong(u64),
}

impl Thread {
    pub(super) fn new(common: &Arc<Common>, socket: UnixStream, woken: UnixStream) -> Self {
        Self {
            common: Arc::clone(common),
            socket,
            woken,
            received: Received::default(),
            early: Vec::new(),
            connected: true,
            turns: Vec::new(),
            stacks: Vec::new(),
        }
    }

    /// Runs until the process ends.
    pub(super) fn run(&mut self) {
        loop {
            let look = self.common.lock().leaving.look(sync::now());
            let timeout = match look {
                Look::Wait(timeout) => timeout,
                Look::Closed => None,
                Look::Late => {
                    self.common.last();
                    return (self.common.leave)(CUT);
                }
            };
            if let Err(error) = self.wait(timeout) {
                log::error!(target: crate::LOG, "the parent process is not heard any more: {error}");
                return;
            }
            self.hear_signals();
            if !self.hear_parent() {
                return;
            }
            self.hear_news();
            self.answer_turns();
            self.answer_stacks();
        }
    }

    /// Waits until something has come, something is due, or `timeout` has passed.
    fn wait(&self, timeout: Option<Duration>) -> io::Result<()> {
        let stacks = self.stacks.iter().map(|(_, due)| *due).min();
        let stacks = stacks.map(|due| due.saturating_duration_since(sync::now()));
        // The I/O thread tells of its turns in another way, see `answer_turns`.
        let turns = (!self.turns.is_empty()).then_some(Duration::ZERO);
        let timeout = [timeout, stacks, turns].into_iter().flatten().min();
        let timeout = timeout.map(|timeout| Timespec {
            tv_sec: timeout.as_secs().min(LONGEST_WAIT) as i64,
            tv_nsec: timeout.subsec_nanos().into(),
        });
        let mut both = [
            PollFd::new(&self.woken, PollFlags::IN),
            PollFd::new(&self.socket, PollFlags::IN),
        ];
        let count = if self.connected { 2 } else { 1 };
        match poll(&mut both[..count], timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn hear_signals(&mut self) {
        let mut numbers = [0; 256];
        let got = self.woken.read(&mut numbers).unwrap_or(0);
        self.early
            .extend(numbers[..got].iter().filter(|number| **number > 0));
        if self.common.lock().signals.is_some() {
            for number in std::mem::take(&mut self.early) {
                self.signal(number);
            }
        }
    }

    /// A signal that would stop a server asks for a replacement.
    fn signal(&self, number: u8) {
        let state = self.common.lock();
        let Some(signals) = &state.signals else {
            return;
        };
        let reopens = signals.reopening == Some(number);
        let mut stopping = signals.stopping.iter();
        let name = stopping.find(|(stop, _)| *stop == number);
        let name = name.map(|(_, name)| name.clone());
        drop(state);
        if reopens && let Some(server) = self.common.server() {
            server.shared.reopen_logs();
        }
        if let Some(name) = name {
            self.common.ask(&name);
        }
    }

    /// Obeys what the parent says. `false`: the process is to leave before it serves.
    fn hear_parent(&mut self) -> bool {
        if !self.connected {
            return true;
        }
        let heard = self.received.receive(&self.socket);
        loop {
            match self.received.next() {
                Ok(Some(frame)) => {
                    if !self.obey(&frame) {
                        return false;
                    }
                }
                Ok(None) => break,
                Err(error) => return self.lose_parent(&error.to_string()),
            }
        }
        match heard {
            Ok(true) => true,
            Ok(false) => self.lose_parent("it is gone"),
            Err(error) => self.lose_parent(&error.to_string()),
        }
    }

    fn lose_parent(&mut self, why: &str) -> bool {
        self.connected = false;
        self.common.orphaned.store(true, Ordering::SeqCst);
        log::warn!(
            target: crate::LOG,
            "the parent process is lost ({why}): finishing what was received"
        );
        self.stop(Stage::Draining)
    }

    fn obey(&mut self, frame: &Value) -> bool {
        let number = frame["n"].as_u64().unwrap_or(0);
        match frame["do"].as_str().unwrap_or_default() {
            "ping" => {
                self.look_at_memory();
                self.owe_turn(Turned::Pong(number));
            }
            "unready" => {
                if let Some(server) = self.common.server() {
                    server.shared.unready.store(true, Ordering::Relaxed);
                }
            }
            "drain" => return self.stop(Stage::Draining),
            "cut" => return self.stop(Stage::Cutting),
            "reopen" => {
                if let Some(server) = self.common.server() {
                    server.shared.reopen_logs();
                }
            }
            "sibling" => self.add_sibling(frame),
            "forget" => {
                if let (Some(siblings), Some(slot)) = (&self.common.siblings, slot(frame)) {
                    siblings.remove(slot);
                }
            }
            "figures" => self.tell_figures(number, figures),
            "counts" => self.tell_figures(number, counts),
            "stacks" => self.ask_for_stacks(number),
            unknown => log::warn!(target: crate::LOG, "the parent process says {unknown:?}"),
        }
        true
    }

    /// The descriptor that came with the frame is the inbox of the sibling.
    fn add_sibling(&mut self, frame: &Value) {
        if let Some(inbox) = self.received.descriptor()
            && let (Some(siblings), Some(slot)) = (&self.common.siblings, slot(frame))
        {
            siblings.add(slot, Socket::from(inbox));
        }
    }

    /// Drains or cuts the server. A process that has not begun to serve leaves at once (`false`).
    fn stop(&self, stage: Stage) -> bool {
        let mut state = self.common.lock();
        let Some(server) = state.server.clone().filter(|_| state.started) else {
            // The server does not start meanwhile: that takes the lock.
            (self.common.leave)(DONE);
            return false;
        };
        if server.shared.stage() >= stage {
            return true;
        }
        let time = match stage {
            Stage::Cutting => Duration::ZERO,
            _ => server.shared.settings.shutdown_timeout,
        };
        state.leaving.within(sync::now(), time);
        // An idle server is gone at once, so Python is told first.
        if let Some(signals) = &state.signals
            && let Some((number, _)) = signals.stopping.first()
        {
            let _ = (&signals.onwards).write(&[*number]); // if it is full, its reader wakes up anyway
        }
        drop(state);
        server.shared.advance(stage);
        true
    }

    fn look_at_memory(&self) {
        if let Some(server) = self.common.server()
            && let Some(most) = server.shared.settings.max_rss
            && process::resident().is_some_and(|resident| resident > most)
        {
            self.common.ask("max_rss");
        }
    }

    fn tell_figures(&self, number: u64, figures: fn(&Observatory) -> String) {
        let figures = self
            .common
            .server()
            .map_or_else(String::new, |server| figures(&server));
        let told = json!({"did": "figures", "n": number, "text": figures});
        self.common.parent.send(&told);
    }

    /// Stacks are the interpreter's: the thread that probes it collects them, and may have to wait.
    fn ask_for_stacks(&mut self, number: u64) {
        self.stacks.push((number, sync::now() + STACKS_PATIENCE));
        let Some(server) = self.common.server() else {
            return;
        };
        let common = Arc::clone(&self.common);
        let deliver = move |text| common.tell(News::Stacks(number, text));
        if !server
            .watch
            .ask_for_stacks(&server.shared, Box::new(deliver))
        {
            self.end_stacks(|_| true, &missing(&server));
        }
    }

    fn hear_news(&mut self) {
        let news = std::mem::take(&mut self.common.lock().news);
        for news in news {
            match news {
                News::Started => self.owe_turn(Turned::Ready),
                // Only the last of several orders is delivered, to all who asked before it.
                News::Stacks(number, text) => self.end_stacks(|(n, _)| *n <= number, &text),
            }
        }
        if self.common.spent.swap(false, Ordering::SeqCst) {
            self.common.ask("max_requests");
        }
    }

    fn answer_stacks(&mut self) {
        let now = sync::now();
        if self.stacks.iter().any(|(_, due)| *due <= now) {
            let text = self
                .common
                .server()
                .map_or_else(String::new, |server| missing(&server));
            self.end_stacks(|(_, due)| *due <= now, &text);
        }
    }

    fn end_stacks(&mut self, ends: impl Fn(&(u64, Instant)) -> bool, text: &str) {
        let (ended, waiting) = std::mem::take(&mut self.stacks).into_iter().partition(ends);
        self.stacks = waiting;
        let ended: Vec<(u64, Instant)> = ended;
        for (number, _) in ended {
            let told = json!({"did": "stacks", "n": number, "text": text});
            self.common.parent.send(&told);
        }
    }

    /// Tells `what` when the I/O thread has made a turn from now on.
    fn owe_turn(&mut self, what: Turned) {
        let server = self.common.server();
        let census = server.map_or(0, |server| server.shared.request_census());
        self.turns.push((census, what));
    }

    /// Waits for the turns that the I/O thread owes, for a moment, and tells of those that were made. Before the server
    /// has started there is none.
    fn answer_turns(&mut self) {
        let Some((last, _)) = self.turns.last() else {
            return;
        };
        let server = self.common.server();
        let census = server.as_ref().filter(|_| self.common.lock().started);
        let census = census.map(|server| &server.shared.census);
        if let Some(census) = census {
            census.wait(*last, MOMENT);
            // A thread that had not begun when it was first woken has slept since.
            server
                .iter()
                .for_each(|server| server.shared.wake_io_thread());
        }
        let is_made = |number| census.is_none_or(|census| census.is_complete(number));
        let (made, owed) = std::mem::take(&mut self.turns)
            .into_iter()
            .partition(|(number, _)| is_made(*number));
        self.turns = owed;
        let made: Vec<(u64, Turned)> = made;
        for (_, what) in made {
            match what {
                Turned::Pong(number) => {
                    let pong = json!({"did": "pong", "n": number});
                    self.common.parent.send(&pong);
                }
                Turned::Ready => {
                    if let Some(server) = &server {
                        self.tell_ready(server);
                    }
                }
            }
        }
    }

    fn tell_ready(&self, server: &Observatory) {
        let settings = &server.shared.settings;
        self.common.parent.send(&json!({
            "did": "ready",
            "pid": std::process::id(),
            "gil": settings.gil,
            "threads": settings.threads,
            "python": settings.runtime,
        }));
    }
}

fn slot(frame: &Value) -> Option<usize> {
    usize::try_from(frame["slot"].as_u64()?).ok()
}

fn missing(server: &Observatory) -> String {
    instead_of_stacks(&server.shared, server.shared.now())
}

/// How long one wait for the turns of the I/O thread takes. Other orders wait meanwhile.
const MOMENT: Duration = Duration::from_millis(50);
/// Most seconds of one wait: some systems count milliseconds in 32 bits.
const LONGEST_WAIT: u64 = 3600;
/// How long stacks wait for the interpreter.
const STACKS_PATIENCE: Duration = Duration::from_secs(1);
/// The exit status of a process that was not needed.
const DONE: i32 = 0;
/// The exit status when requests were cut.
const CUT: i32 = 3;
