//! A worker's end of the queue.
//!
//! Call order, on the worker's own thread:
//!
//! ```text
//! loop {
//!     // attached to the interpreter
//!     while let Some(task) = tasks.next() { run it; tasks.complete(task) }
//!     // detached
//!     if !tasks.park() { break }
//! }
//! ```
//!
//! Where a worker has more to do when the reply is whole, it calls [`Tasks::answer`] instead of `complete`,
//! then [`Tasks::send`], detached, then does the rest, then [`Tasks::through`].
//!
//! While tasks wait, replies are handed to the I/O thread, which sends them in batches. When
//! nothing waits, the last reply is kept until [`Tasks::park`], where the worker has let go of the
//! interpreter, and sent right there without a hand-off.

pub(crate) mod leader;
pub(crate) mod seat;
pub(crate) mod task;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use headwaiter_http::DateLine;

use crate::exchange::Exchange;
use crate::exchange::link::{FINISHED, GONE, Link, PENDING};
use crate::exchange::message::Message;
use crate::io::IoLoop;
use crate::queue::Found;
use crate::record::End;
use crate::record::end::SHUTDOWN_TIMEOUT;
use crate::record::recorder::Recorder;
use crate::settings::Abandoned;
use crate::shared::{Shared, Stage};
use crate::sys::clock::CpuMeter;
use crate::worker::leader::{Led, lead};
use crate::worker::seat::Seat;
use crate::worker::task::Task;

/// Where one worker gets its tasks from.
#[derive(Debug)]
pub struct Tasks {
    shared: Arc<Shared>,
    seat: Arc<Seat<IoLoop>>,
    worker: usize,
    /// A whole reply that is sent as soon as the worker is detached. A task until then: lost to a bug, it
    /// closes its channel.
    kept: Option<Task>,
    /// A task that came to this worker while it led.
    direct: Option<Box<Exchange>>,
    date: DateLine,
    /// When it was last woken, until it has attached and looked for a task.
    woken: Option<Instant>,
    /// When it was through with the last task, while it has done nothing but look for the next.
    through: Option<Instant>,
    /// It has left the queue.
    over: bool,
    /// When the last task was taken.
    now: Instant,
    /// When `date` was last compared with the clock.
    dated: Option<Instant>,
    cpu: CpuMeter,
    recorder: Recorder,
}

impl Tasks {
    /// The calling thread becomes a worker.
    pub(crate) fn new(shared: &Arc<Shared>, seat: &Arc<Seat<IoLoop>>) -> Self {
        let worker = shared.queue.join();
        let cpu = CpuMeter::of_this_thread();
        shared.running.note_worker(worker, &cpu);
        Self {
            worker,
            shared: Arc::clone(shared),
            seat: Arc::clone(seat),
            kept: None,
            direct: None,
            date: DateLine::default(),
            woken: None,
            through: None,
            over: false,
            now: shared.now(),
            dated: None,
            cpu,
            recorder: Recorder::new(shared.shards.of_worker(worker), shared.access_log.clone()),
        }
    }

    /// The next task, if one waits and this worker may have it. Never blocks.
    #[expect(
        clippy::should_implement_trait,
        reason = "None now does not mean None for ever"
    )]
    pub fn next(&mut self) -> Option<Task> {
        let woken = self.woken.take();
        let exchange = match self.direct.take() {
            Some(exchange) => exchange,
            None => match self.shared.queue.take(self.worker) {
                Found::Task { exchange, low } => {
                    if low {
                        self.shared.end_naps();
                    }
                    exchange
                }
                Found::Nothing => {
                    if self.shared.queue.waiting() > 0 {
                        // What it may not take may be for a leader, which sleeps in the poll and counts
                        // as somebody who is up.
                        self.shared.wake_io_threads();
                    }
                    return None;
                }
            },
        };
        // From here on it cannot get lost: a task that is dropped closes its channel.
        let mut task = Task::new(exchange, &self.shared)?;
        crate::inject_panic("take");
        if let Some(kept) = self.kept.take() {
            // The next task may take long: its predecessor's reply must not wait for it.
            post(kept);
        }
        let now = self.through.take().unwrap_or_else(|| self.shared.now());
        self.now = now;
        // Between being woken and being here lies nothing but attaching to the interpreter. A worker
        // that was not woken had it all the time.
        let exchange = task.exchange_mut();
        exchange.record.take(now, woken.unwrap_or(now), self.worker);
        let cpu = self.cpu.begin(woken.is_some());
        let running = &self.shared.running;
        running.note_running(self.worker, exchange, cpu);
        Some(task)
    }

    /// Gives a task back with its whole reply in it: the worker is through with it.
    pub fn complete(&mut self, task: Task) {
        self.give_back(task, Shared::note_free);
    }

    /// Gives a task back with its whole reply in it, while the worker goes on with something that the client
    /// need not wait for. `true`: the reply is still here, call [`Tasks::send`].
    pub fn answer(&mut self, task: Task) -> bool {
        if self.give_back(task, |shared, exchange| {
            shared.running.note_answered(exchange)
        }) {
            // This worker asks for no task now. What it may not take may be for a leader, which sleeps in the
            // poll and counts as somebody who is up.
            self.shared.queue.wake();
            self.shared.wake_io_threads();
        }
        if self.kept.is_some() {
            // Where the loop is lent, this worker comes back to it at once, or its I/O thread within a tick.
            self.seat.if_vacant(|| {
                if let Some(exchange) = self.kept.take().and_then(Task::into_exchange) {
                    leave(exchange, false);
                }
            });
        }
        self.kept.is_some()
    }

    /// Sends the reply that [`Tasks::answer`] has kept. Call it detached from the interpreter.
    pub fn send(&mut self) {
        let Some(task) = self.kept.take() else {
            return;
        };
        let sent = catch_unwind(AssertUnwindSafe(|| self.send_or_post(task)));
        if let Err(panic) = sent {
            self.shared.note_panic(&*panic);
        }
    }

    /// The worker is through with everything that belongs to its last task.
    pub fn through(&mut self) {
        self.through = None;
        if let Some(span) = self.shared.note_through(self.worker) {
            self.recorder.count_close(span);
        }
    }

    /// Counts and logs a panic that was caught on this worker.
    pub fn note_panic(&self, panic: &(dyn Any + Send)) {
        self.shared.note_panic(panic);
    }

    /// Whether a request that came in behind this one waits in the queue now.
    fn give_back(&mut self, mut task: Task, note: impl Fn(&Shared, &mut Exchange)) -> bool {
        let exchange = task.exchange_mut();
        let now = self.shared.now();
        self.through = Some(now);
        let record = &mut exchange.record;
        record.answered = Some(now);
        record.app_cpu = self
            .cpu
            .end(now.saturating_duration_since(record.taken.unwrap_or(now)));
        // A temporary file must not wait until the I/O thread has time.
        exchange.body.clear();
        note(&self.shared, exchange);
        if let Some(mut next) = self.follower(exchange) {
            next.record.follow(now);
            // In this order: another worker may have answered `next` before this one goes on.
            post(task);
            self.shared.queue.push_follower(next);
            return true;
        }
        if exchange.is_streamed() || exchange.place > 0 || self.shared.queue.waiting() > 0 {
            post(task);
        } else {
            self.kept = Some(task);
        }
        false
    }

    /// What came in behind `exchange`, if it is to be served now. Replies that a client does not read
    /// pile up so far only as those of a stream would.
    fn follower(&self, exchange: &mut Exchange) -> Option<Box<Exchange>> {
        exchange.behind.as_ref()?;
        let (link, settings) = (exchange.link.as_ref()?, &self.shared.settings);
        let kept = link.unsent().memory + exchange.outgoing.size().memory;
        let wanted = !exchange.closes()
            && kept <= settings.outbuf_overflow
            && (!link.has(GONE) || settings.abandoned_requests == Abandoned::Run);
        if wanted {
            exchange.start_follower()
        } else {
            None
        }
    }

    /// Sends what is kept, then blocks until there may be a task. `false`: the server has drained.
    ///
    /// Call it detached from the interpreter.
    pub fn park(&mut self) -> bool {
        self.through = None;
        let goes_on = self.wait();
        self.over = !goes_on;
        self.woken = Some(self.shared.now());
        goes_on
    }

    fn wait(&mut self) -> bool {
        if let Some(io) = self.seat.take() {
            let led = AssertUnwindSafe(|| {
                let kept = self.kept.take();
                lead(&self.shared, &self.seat, self.worker, io, kept)
            });
            match catch_unwind(led) {
                Ok(Led::Task(exchange)) => {
                    self.direct = Some(exchange);
                    return true;
                }
                Ok(Led::Poked) => return true,
                Ok(Led::GaveBack) => {}
                // The loop is its I/O thread's again, and this worker an ordinary one.
                Err(panic) => self.shared.note_panic(&*panic),
            }
        } else {
            self.send();
        }
        self.shared.queue.park(self.worker)
    }

    /// The `Date` of the reply to the task last taken: at most a tenth of a second old when that is.
    pub fn date(&mut self) -> &[u8; 29] {
        if self.dated.is_some_and(|at| self.now < at + DATE_AGE) {
            return self.date.last();
        }
        self.dated = Some(self.now);
        let now = crate::sys::sync::unix_time();
        self.date.at(now.as_secs())
    }

    /// Names the calling thread, for [`crate::SlowRequest::thread`].
    pub fn name_thread(&self, thread: u64) {
        self.shared.running.name_thread(self.worker, thread);
    }

    /// This worker's number, from 0.
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// Sends the reply here and now; what the kernel does not take is left to the I/O thread.
    fn send_or_post(&mut self, mut task: Task) {
        crate::inject_panic("park");
        let exchange = task.exchange_mut();
        let Some(link) = exchange.link.clone() else {
            return;
        };
        let Some(bytes) = exchange.outgoing.single() else {
            return post(task);
        };
        link.begin_reply();
        match link.stream.send_reply(bytes, exchange.closes()) {
            Ok(n) if n == bytes.len() => {
                if exchange.closes() {
                    link.stream.shutdown_write();
                }
                exchange.outgoing.advance_single(n);
                exchange.record.bytes_out += n as u64;
                exchange.set_sent();
                self.record(exchange, &link);
            }
            Ok(n) => {
                exchange.outgoing.advance_single(n);
                exchange.record.bytes_out += n as u64;
            }
            // The I/O thread has cut everything and reads no mail any more.
            Err(_) if link.has(GONE) && self.shared.stage() == Stage::Cutting => {
                exchange.record.fail(End::Cut, SHUTDOWN_TIMEOUT);
                self.record(exchange, &link);
            }
            // The I/O thread meets the same error and deals with it.
            Err(_) => {}
        }
        // A keep-alive channel with nothing behind its request can wait for the I/O thread's next turn.
        let mut urgent = !exchange.is_sent() || exchange.closes();
        let io = Arc::clone(&link.io);
        if let Some(exchange) = task.into_exchange() {
            io.post(Message::Done(exchange), false);
        }
        // From here on the I/O thread may see the message; if bytes came in before, or a drain began
        // and found the box empty, it has to.
        urgent |= link.set(FINISHED) & PENDING != 0 || self.shared.draining();
        if urgent {
            io.wake();
        }
    }

    fn record(&mut self, exchange: &mut Exchange, link: &Link) {
        if let Some(ended) = exchange.end(link, || self.shared.now()) {
            self.recorder.record(ended);
        }
        self.recorder.flush();
    }
}

impl Drop for Tasks {
    /// However its thread ends: nobody waits for this worker, and no client for a request that it had.
    fn drop(&mut self) {
        if let Some(exchange) = self.direct.take() {
            drop(Task::new(exchange, &self.shared));
        }
        if let Some(kept) = self.kept.take() {
            post(kept);
        }
        if !self.over {
            self.through();
            self.shared.queue.withdraw(self.worker);
        }
    }
}

/// Leaves the reply to the I/O thread, which sends it now.
fn post(task: Task) {
    if let Some(exchange) = task.into_exchange() {
        leave(exchange, true);
    }
}

/// Leaves the reply to the I/O thread, and counts it from here on if it is not small; see
/// [`Mailbox::post`](crate::sys::mailbox::Mailbox::post) for `urgent`.
fn leave(exchange: Box<Exchange>, urgent: bool) {
    let Some(link) = exchange.link.clone() else {
        return;
    };
    exchange.count_parts(&link);
    link.begin_reply();
    link.io.post(Message::Done(exchange), urgent);
}

/// How old a `Date` may be.
const DATE_AGE: Duration = Duration::from_millis(100);
