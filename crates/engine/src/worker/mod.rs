//! A worker's end of the queue: it takes tasks and gives replies back.
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
//! A worker that has more to do when the reply is complete calls [`Tasks::answer`] instead of `complete`, then
//! [`Tasks::send`], detached, then does the rest, then calls [`Tasks::finish`].
//!
//! While tasks wait, the worker leaves its replies to the I/O thread, which sends them in batches. When no task waits,
//! the worker keeps its last reply until [`Tasks::park`], where it is detached from the interpreter, and sends the
//! reply there by itself.
//!
//! Elsewhere: the task (`task.rs`) and its reply (`reply.rs`), leading (`leader.rs`, `seat.rs`), which worker may take a task (`queue/`).

pub(crate) mod leader;
pub(crate) mod poker;
pub(crate) mod reply;
pub(crate) mod seat;
pub(crate) mod task;

use crate::sys::instant::Instant;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use headwaiter_http::DateLine;

use crate::exchange::Exchange;
use crate::exchange::link::{GONE, Link};
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
    /// A complete reply that this worker sends as soon as it is detached. It stays a [`Task`] until then, so that a
    /// bug which loses it closes its channel.
    kept: Option<Task>,
    /// A task that this worker received while it led.
    direct: Option<Box<Exchange>>,
    date: DateLine,
    /// When this worker was last woken, until it has attached and looked for a task.
    woken: Option<Instant>,
    /// When the last task ended, while this worker has done nothing but look for the next one.
    ended: Option<Instant>,
    /// This worker has left the queue.
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
            ended: None,
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
        let now = self.ended.take().unwrap_or_else(|| self.shared.now());
        // Between its wake-up and here a worker does nothing but attach to the interpreter. One that was not woken has
        // been attached since its last task. Then the task may have waited for another worker to attach.
        let (exchange, asked) = match self.direct.take() {
            Some(exchange) => (exchange, woken),
            None => match self.shared.queue.take(self.worker, now) {
                Found::Task {
                    exchange,
                    low,
                    first_since,
                    asking,
                } => {
                    if low {
                        self.shared.end_naps();
                    }
                    let asked = woken.or(asking).map(|asked| asked.max(first_since));
                    (exchange, asked)
                }
                Found::Nothing => {
                    if self.shared.queue.waiting() > 0 {
                        // This worker may not take the task. A leader counts as awake while it sleeps in
                        // the poll, so wake the loop.
                        self.shared.wake_io_thread();
                    }
                    self.shared.publish_worker(self.worker, None);
                    return None;
                }
            },
        };
        // From here on the request cannot get lost: a task that is dropped closes its channel.
        let mut task = Task::new(exchange, &self.shared)?;
        crate::inject_panic("take");
        if let Some(kept) = self.kept.take() {
            // The next task may take long. The reply before must not wait for it.
            post(kept);
        }
        self.now = now;
        let exchange = task.exchange_mut();
        exchange.record.take(now, asked.unwrap_or(now), self.worker);
        let cpu = self.cpu.begin(woken.is_some());
        let running = &self.shared.running;
        running.note_running(self.worker, exchange, cpu);
        self.shared.publish_worker(self.worker, Some(exchange));
        Some(task)
    }

    /// Gives a task back with its complete reply, and ends it.
    pub fn complete(&mut self, task: Task) {
        self.give_back(task, Shared::note_free);
    }

    /// Gives a task back with its complete reply, while the worker goes on with work that the client need not wait
    /// for. `true`: the reply is still here, call [`Tasks::send`].
    pub fn answer(&mut self, task: Task) -> bool {
        if self.give_back(task, |shared, exchange| {
            shared.running.note_answered(exchange)
        }) {
            // This worker takes no task now. A leader counts as awake while it sleeps in the poll, so wake
            // the loop as well as a worker.
            self.shared.queue.share();
            self.shared.wake_io_thread();
        }
        if self.kept.is_some() {
            // While the loop lies in the seat, its mail is read soon: this worker comes back to it, or its I/O thread
            // takes it back within a tick.
            self.seat.if_vacant(|| {
                if let Some(exchange) = self.kept.take().and_then(Task::into_exchange) {
                    leave(exchange, false);
                }
            });
        }
        self.kept.is_some()
    }

    /// Sends the reply that [`Tasks::answer`] or [`Tasks::complete`] has kept. Call it detached from the interpreter.
    pub fn send(&mut self) {
        let Some(task) = self.kept.take() else {
            return;
        };
        let sent = catch_unwind(AssertUnwindSafe(|| self.send_or_post(task)));
        if let Err(panic) = sent {
            self.shared.note_panic(&*panic);
        }
    }

    /// The worker has done everything that belongs to its last task.
    pub fn finish(&mut self) {
        self.ended = None;
        if let Some(span) = self.shared.note_through(self.worker) {
            self.recorder.count_close(span);
        }
    }

    /// Counts and logs a panic that was caught on this worker.
    pub fn note_panic(&self, panic: &(dyn Any + Send)) {
        self.shared.note_panic(panic);
    }

    /// Ends the task's time in the application. `true`: the request chained behind it is in the queue now.
    fn give_back(&mut self, mut task: Task, note: impl Fn(&Shared, &mut Exchange)) -> bool {
        let exchange = task.exchange_mut();
        let now = self.shared.now();
        self.ended = Some(now);
        let record = &mut exchange.record;
        record.answered = Some(now);
        record.app_cpu = self.cpu.end(now.nanos_since(record.taken.unwrap_or(now)));
        // Frees the body's temporary file now, not when the I/O thread has time.
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
            debug_assert!(self.kept.is_none(), "posted as this task was taken");
            self.kept = Some(task);
        }
        false
    }

    /// Takes the request chained behind `exchange`, if it is to be served now. A client that does not read its replies
    /// gets no more of them in advance than `outbuf_overflow`, as in a stream.
    fn follower(&self, exchange: &mut Exchange) -> Option<Box<Exchange>> {
        exchange.behind.as_ref()?;
        let (lane, settings) = (exchange.lane.as_ref()?, &self.shared.settings);
        let kept = lane.unsent().memory + exchange.outgoing.size().memory;
        let wanted = !exchange.closes()
            && kept <= settings.outbuf_overflow
            && (!lane.link().has(GONE) || settings.abandoned_requests == Abandoned::Run);
        if wanted {
            exchange.start_follower()
        } else {
            None
        }
    }

    /// Sends the kept reply, then blocks until there may be a task. `false`: the server has drained.
    ///
    /// Call it detached from the interpreter.
    pub fn park(&mut self) -> bool {
        self.ended = None;
        self.woken = self.wait();
        self.over = self.woken.is_none();
        !self.over
    }

    /// Returns when the worker was woken.
    fn wait(&mut self) -> Option<Instant> {
        if let Some(io) = self.seat.take() {
            let led = AssertUnwindSafe(|| {
                let kept = self.kept.take();
                lead(&self.shared, &self.seat, self.worker, io, kept)
            });
            match catch_unwind(led) {
                Ok(Led::Task(exchange)) => {
                    self.direct = Some(exchange);
                    return Some(self.shared.now());
                }
                Ok(Led::Poked) => return Some(self.shared.now()),
                Ok(Led::GaveBack) => {}
                // The loop is with its I/O thread again. This worker parks.
                Err(panic) => self.shared.note_panic(&*panic),
            }
        } else {
            self.send();
        }
        let shared = &self.shared;
        shared.queue.park(self.worker, || shared.now())
    }

    /// The `Date` for a reply to the task last taken. When the task was taken, it was at most [`DATE_AGE`] old.
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

    /// Sends the reply on this thread. What the kernel does not take is left to the I/O thread.
    fn send_or_post(&mut self, mut task: Task) {
        crate::inject_panic("park");
        let exchange = task.exchange_mut();
        let Some(lane) = exchange.lane.clone() else {
            return;
        };
        let link = lane.link();
        let (Some(bytes), Some(stream)) = (exchange.outgoing.single(), link.direct()) else {
            return post(task);
        };
        lane.begin_reply();
        match stream.send_reply(bytes, exchange.closes()) {
            Ok(n) if n == bytes.len() => {
                if exchange.closes() {
                    stream.shutdown_write();
                }
                exchange.outgoing.advance_single(n);
                exchange.record.bytes_out += n as u64;
                exchange.set_sent();
                self.record(exchange, link);
            }
            Ok(n) => {
                exchange.outgoing.advance_single(n);
                exchange.record.bytes_out += n as u64;
            }
            // The I/O thread has cut everything and reads no messages any more.
            Err(_) if link.has(GONE) && self.shared.stage() == Stage::Cutting => {
                exchange.record.fail(End::Cut, SHUTDOWN_TIMEOUT);
                self.record(exchange, link);
            }
            // The I/O thread will get the same error and handle it.
            Err(_) => {}
        }
        // If the channel stays open and no bytes came in behind its request, the message can wait for the I/O thread's
        // next turn.
        let mut urgent = !exchange.is_sent() || exchange.closes();
        if let Some(exchange) = task.into_exchange() {
            link.io.post(Message::Done(exchange), false);
        }
        // From here on the I/O thread may read the message. It must read it now if bytes came in before, or if a drain
        // has begun, which may have found the mailbox empty.
        urgent |= lane.set_finished() || self.shared.draining();
        if urgent {
            link.io.wake();
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
    /// However the thread ends, no thread waits for this worker, and no client for a request that it had.
    fn drop(&mut self) {
        if let Some(exchange) = self.direct.take() {
            drop(Task::new(exchange, &self.shared));
        }
        if let Some(kept) = self.kept.take() {
            post(kept);
        }
        if !self.over {
            self.finish();
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

/// Leaves the reply to the I/O thread. Its bytes count as unsent from here on, unless they are a single buffer, which
/// the I/O thread sends at once. For `urgent` see [`Mailbox::post`](crate::sys::mailbox::Mailbox::post).
fn leave(exchange: Box<Exchange>, urgent: bool) {
    let Some(lane) = exchange.lane.clone() else {
        return;
    };
    exchange.count_parts(&lane);
    lane.begin_reply();
    lane.link().io.post(Message::Done(exchange), urgent);
}

/// How old a `Date` may be.
const DATE_AGE: Duration = Duration::from_millis(100);
