//! The thread that writes lines, and the bounded buffer that it takes them from.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::record::access_log::sink::{AccessLogTarget, Sink, append_to};
use crate::sys::sync;
use crate::sys::throttle::Seldom;

/// The buffer, shared by the writer's thread and those that push lines.
#[derive(Debug)]
pub(super) struct Writer {
    target: AccessLogTarget,
    buffer: Mutex<Buffer>,
    /// The buffer is at least half full.
    behind: AtomicBool,
    /// Wakes the writer: there are lines, or it is to reopen the file or to end.
    work: Condvar,
    /// Wakes [`Writer::close`]: the writer has ended.
    ended: Condvar,
}

#[derive(Debug)]
struct Buffer {
    lines: Vec<u8>,
    count: u64,
    dropped: u64,
    /// Held here from opening until the writer's thread takes it.
    file: Option<File>,
    reopen: bool,
    closed: bool,
    running: bool,
}

impl Writer {
    pub(super) fn open(target: &AccessLogTarget) -> io::Result<Self> {
        let file = match target {
            AccessLogTarget::Path(path) => Some(append_to(path)?),
            AccessLogTarget::Stdout | AccessLogTarget::Logger => None,
        };
        Ok(Self {
            target: target.clone(),
            buffer: Mutex::new(Buffer {
                lines: Vec::with_capacity(CAPACITY),
                count: 0,
                dropped: 0,
                file,
                reopen: false,
                closed: false,
                running: false,
            }),
            behind: AtomicBool::new(false),
            work: Condvar::new(),
            ended: Condvar::new(),
        })
    }

    /// Takes as many of the `count` lines in `lines` as fit, counts the others as dropped, and empties `lines`.
    pub(super) fn push(&self, lines: &mut Vec<u8>, count: u64) {
        let mut buffer = self.lock();
        let before = buffer.lines.len();
        if buffer.closed {
            buffer.dropped += count;
        } else if before + lines.len() <= CAPACITY {
            buffer.lines.extend_from_slice(lines);
            buffer.count += count;
        } else {
            for line in lines.split_inclusive(|byte| *byte == b'\n') {
                if buffer.lines.len() + line.len() <= CAPACITY {
                    buffer.lines.extend_from_slice(line);
                    buffer.count += 1;
                } else {
                    buffer.dropped += 1;
                }
            }
        }
        let after = buffer.lines.len();
        let fills = before < BEHIND_FROM && after >= BEHIND_FROM;
        if fills {
            self.behind.store(true, Ordering::Relaxed);
        }
        drop(buffer);
        if fills || (before == 0 && after > 0) {
            self.work.notify_all();
        }
        lines.clear();
    }

    /// Whether the writer is behind, so that lines should be short.
    pub(super) fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Relaxed)
    }

    /// Notes whether a thread is about to [`Writer::run`], which [`Writer::close`] then waits for.
    pub(super) fn set_running(&self, running: bool) {
        self.lock().running = running;
    }

    pub(super) fn reopen(&self) {
        self.lock().reopen = true;
        self.work.notify_all();
    }

    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    pub(super) fn close(&self) {
        let mut buffer = self.lock();
        buffer.closed = true;
        self.work.notify_all();
        let end = sync::now() + CLOSE_TIMEOUT;
        while buffer.running {
            let left = end.saturating_duration_since(sync::now());
            if left.is_zero() {
                log::warn!(target: crate::LOG, "the access log takes nothing: its last lines are lost");
                return;
            }
            buffer = self
                .ended
                .wait_timeout(buffer, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Runs the writer's thread: waits for lines, lets more gather for [`GATHER`], writes them all at once.
    pub(super) fn run(&self) {
        crate::sys::mask::block_signals();
        let mut buffer = self.lock();
        let mut sink = Sink::new(&self.target, buffer.file.take());
        let mut drop_log = DropLog::default();
        let mut spare = Vec::with_capacity(CAPACITY);
        loop {
            while buffer.lines.is_empty() && !buffer.reopen && !buffer.closed {
                buffer = self.wait(buffer, None);
            }
            let due = sync::now() + GATHER;
            while !buffer.reopen && !buffer.closed && buffer.lines.len() < BEHIND_FROM {
                let left = due.saturating_duration_since(sync::now());
                if left.is_zero() {
                    break;
                }
                buffer = self.wait(buffer, Some(left));
            }
            let mut lines = std::mem::replace(&mut buffer.lines, spare);
            let count = std::mem::take(&mut buffer.count);
            let reopen = std::mem::take(&mut buffer.reopen);
            let closed = buffer.closed;
            self.behind.store(false, Ordering::Relaxed);
            drop(buffer);
            let lost = if lines.is_empty() {
                0
            } else {
                sink.write(&lines, count)
            };
            if reopen {
                sink.reopen();
            }
            // A new buffer gives used pages back to the system; its own take no memory until they are used.
            if lines.len() > CAPACITY / 8 {
                lines = Vec::with_capacity(CAPACITY);
            }
            lines.clear();
            spare = lines;
            buffer = self.lock();
            buffer.dropped += lost;
            let dropped = buffer.dropped;
            drop(buffer);
            drop_log.say(dropped, closed);
            buffer = self.lock();
            if closed {
                buffer.running = false;
                self.ended.notify_all();
                return;
            }
        }
    }

    fn wait<'a>(
        &'a self,
        buffer: MutexGuard<'a, Buffer>,
        most: Option<Duration>,
    ) -> MutexGuard<'a, Buffer> {
        match most {
            None => self
                .work
                .wait(buffer)
                .unwrap_or_else(PoisonError::into_inner),
            Some(most) => {
                self.work
                    .wait_timeout(buffer, most)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Buffer> {
        self.buffer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Logs how many lines were dropped, at most once a minute and at the end.
struct DropLog {
    dropped: u64,
    seldom: Seldom,
}

impl Default for DropLog {
    fn default() -> Self {
        Self {
            dropped: 0,
            seldom: Seldom::new(MINUTE),
        }
    }
}

impl DropLog {
    fn say(&mut self, dropped: u64, last: bool) {
        if dropped > self.dropped && (last || self.seldom.pass(sync::now())) {
            log::warn!(
                target: crate::LOG,
                "the access log could not take {} lines; they were dropped",
                dropped - self.dropped,
            );
            self.dropped = dropped;
        }
    }
}

/// Capacity of the buffer, in bytes. The writer may be writing as many at the same time.
const CAPACITY: usize = 1 << 20;
/// Bytes in the buffer at which the writer counts as behind: it writes at once, and new lines are short.
const BEHIND_FROM: usize = CAPACITY / 2;
/// How long the writer lets lines gather before it writes them.
const GATHER: Duration = Duration::from_millis(50);
/// How long a server that ends waits for the writer.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);
/// Shortest time between two log records about dropped lines.
const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_dropped_for_want_of_its_own_room_only() {
        let writer = Writer::open(&AccessLogTarget::Stdout).unwrap();
        let line = |length: usize| [&vec![b'x'; length - 1][..], b"\n"].concat();
        writer.push(&mut line(CAPACITY - 100), 1);
        let mut batch = [line(200), line(40), line(200), line(40)].concat();
        writer.push(&mut batch, 4);
        assert_eq!(writer.lock().count, 3, "both short ones fit");
        assert_eq!(writer.dropped(), 2);
        assert_eq!(writer.lock().lines.len(), CAPACITY - 20);
        assert!(batch.is_empty());
    }

    #[test]
    fn lines_are_to_be_short_from_the_half_of_the_buffer_on() {
        let writer = Writer::open(&AccessLogTarget::Stdout).unwrap();
        writer.push(&mut vec![b'x'; BEHIND_FROM - 1], 1);
        assert!(!writer.is_behind());
        writer.push(&mut vec![b'x'; 1], 1);
        assert!(writer.is_behind());
    }

    #[test]
    fn without_a_writer_the_buffer_stays_bounded_and_drops_are_counted() {
        let writer = Writer::open(&AccessLogTarget::Stdout).unwrap();
        for _ in 0..3 * CAPACITY / 1000 {
            writer.push(&mut vec![b'x'; 1000], 1);
        }
        assert!(writer.lock().lines.len() <= CAPACITY);
        assert_eq!(
            writer.dropped() + writer.lock().count,
            3 * CAPACITY as u64 / 1000
        );
        assert!(writer.dropped() > 0);
    }
}
