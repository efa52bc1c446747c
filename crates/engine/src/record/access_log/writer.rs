//! The thread that writes lines, and the bounded buffer in front of it.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::record::counters::Seldom;
use crate::sys::sync;

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogTarget {
    /// A file, appended to.
    Path(PathBuf),
    /// Standard output.
    Stdout,
    /// The `log` target [`crate::ACCESS_LOG`].
    Logger,
}

impl fmt::Display for AccessLogTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(f),
            Self::Stdout => f.write_str("-"),
            Self::Logger => f.write_str("logger"),
        }
    }
}

/// The buffer and its writer.
#[derive(Debug)]
pub(super) struct Writer {
    target: AccessLogTarget,
    inner: Mutex<Inner>,
    /// Half of the buffer is full.
    behind: AtomicBool,
    /// Something has come up for the writer.
    work: Condvar,
    /// The writer has ended.
    ended: Condvar,
}

#[derive(Debug)]
struct Inner {
    lines: Vec<u8>,
    count: u64,
    dropped: u64,
    /// Open until the writer takes it.
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
            inner: Mutex::new(Inner {
                lines: Vec::with_capacity(MOST),
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

    /// Takes `count` lines, those of them that it has room for, and empties `lines`.
    pub(super) fn push(&self, lines: &mut Vec<u8>, count: u64) {
        let mut inner = self.lock();
        let before = inner.lines.len();
        if inner.closed {
            inner.dropped += count;
        } else if before + lines.len() <= MOST {
            inner.lines.extend_from_slice(lines);
            inner.count += count;
        } else {
            for line in lines.split_inclusive(|byte| *byte == b'\n') {
                if inner.lines.len() + line.len() <= MOST {
                    inner.lines.extend_from_slice(line);
                    inner.count += 1;
                } else {
                    inner.dropped += 1;
                }
            }
        }
        let after = inner.lines.len();
        let fills = before < BEHIND && after >= BEHIND;
        if fills {
            self.behind.store(true, Ordering::Relaxed);
        }
        drop(inner);
        if fills || (before == 0 && after > 0) {
            self.work.notify_all();
        }
        lines.clear();
    }

    /// Whether the writer does not keep up, so that lines should be short.
    pub(super) fn is_behind(&self) -> bool {
        self.behind.load(Ordering::Relaxed)
    }

    /// A thread is about to [`Writer::run`], or could not be had: whether the end has to wait for one.
    pub(super) fn expect(&self, running: bool) {
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
        let mut inner = self.lock();
        inner.closed = true;
        self.work.notify_all();
        let end = sync::now() + PATIENCE;
        while inner.running {
            let left = end.saturating_duration_since(sync::now());
            if left.is_zero() {
                log::warn!(target: crate::LOG, "the access log takes nothing: its last lines are lost");
                return;
            }
            inner = self
                .ended
                .wait_timeout(inner, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// The writer's life: wait for lines, let some more gather, write them all at once.
    pub(super) fn run(&self) {
        crate::sys::mask::block_signals();
        let mut inner = self.lock();
        let mut sink = Sink {
            target: &self.target,
            file: inner.file.take(),
            torn: false,
            trouble: Seldom::new(MINUTE),
        };
        let mut said = Said::default();
        let mut spare = Vec::with_capacity(MOST);
        loop {
            while inner.lines.is_empty() && !inner.reopen && !inner.closed {
                inner = self.wait(inner, None);
            }
            let due = sync::now() + GATHER;
            while !inner.reopen && !inner.closed && inner.lines.len() < BEHIND {
                let left = due.saturating_duration_since(sync::now());
                if left.is_zero() {
                    break;
                }
                inner = self.wait(inner, Some(left));
            }
            let mut lines = std::mem::replace(&mut inner.lines, spare);
            let count = std::mem::take(&mut inner.count);
            let reopen = std::mem::take(&mut inner.reopen);
            let closed = inner.closed;
            self.behind.store(false, Ordering::Relaxed);
            drop(inner);
            let lost = if lines.is_empty() {
                0
            } else {
                sink.write(&lines, count)
            };
            if reopen {
                sink.reopen();
            }
            // Room that was used is given back to the system; room that was not takes no memory.
            if lines.len() > MOST / 8 {
                lines = Vec::with_capacity(MOST);
            }
            lines.clear();
            spare = lines;
            inner = self.lock();
            inner.dropped += lost;
            let dropped = inner.dropped;
            drop(inner);
            said.dropped(dropped, closed);
            inner = self.lock();
            if closed {
                inner.running = false;
                self.ended.notify_all();
                return;
            }
        }
    }

    fn wait<'a>(
        &'a self,
        inner: MutexGuard<'a, Inner>,
        most: Option<Duration>,
    ) -> MutexGuard<'a, Inner> {
        match most {
            None => self
                .work
                .wait(inner)
                .unwrap_or_else(PoisonError::into_inner),
            Some(most) => {
                self.work
                    .wait_timeout(inner, most)
                    .unwrap_or_else(PoisonError::into_inner)
                    .0
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says how many lines were dropped, at most once a minute and at the end.
struct Said {
    dropped: u64,
    seldom: Seldom,
}

impl Default for Said {
    fn default() -> Self {
        Self {
            dropped: 0,
            seldom: Seldom::new(MINUTE),
        }
    }
}

impl Said {
    fn dropped(&mut self, dropped: u64, last: bool) {
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

/// What is written to.
struct Sink<'a> {
    target: &'a AccessLogTarget,
    file: Option<File>,
    /// The last line is there only in part.
    torn: bool,
    trouble: Seldom,
}

impl Sink<'_> {
    /// Writes whole lines; returns how many were lost.
    fn write(&mut self, lines: &[u8], count: u64) -> u64 {
        let (written, result) = match (self.target, &mut self.file) {
            (AccessLogTarget::Logger, _) => {
                for line in lines.split(|byte| *byte == b'\n') {
                    if !line.is_empty() {
                        let line = String::from_utf8_lossy(line);
                        log::info!(target: crate::ACCESS_LOG, "{line}");
                    }
                }
                return 0;
            }
            (_, Some(file)) => write_all(file, lines, self.torn),
            (_, None) => {
                let mut out = io::stdout().lock();
                let (written, result) = write_all(&mut out, lines, self.torn);
                (written, result.and_then(|()| out.flush()))
            }
        };
        match result {
            Ok(()) => {
                self.torn = false;
                0
            }
            Err(error) => {
                if self.trouble.pass(sync::now()) {
                    log::error!(target: crate::LOG, "the access log cannot be written: {error}");
                }
                let whole = lines[..written]
                    .iter()
                    .filter(|byte| **byte == b'\n')
                    .count();
                if written > 0 {
                    self.torn = lines[written - 1] != b'\n';
                }
                count - whole as u64
            }
        }
    }

    fn reopen(&mut self) {
        let AccessLogTarget::Path(path) = self.target else {
            return;
        };
        match append_to(path) {
            Ok(file) => {
                self.file = Some(file);
                self.torn = false;
                log::info!(target: crate::LOG, "opened the access log anew: {}", path.display());
            }
            Err(error) => log::error!(
                target: crate::LOG,
                "the access log cannot be opened anew, so the old file is kept: {}: {error}",
                path.display(),
            ),
        }
    }
}

/// Writes all of `lines`, behind an end of line if the last one is `torn`; also says how far it came.
fn write_all(out: &mut impl Write, lines: &[u8], torn: bool) -> (usize, io::Result<()>) {
    if torn && let Err(error) = out.write_all(b"\n") {
        return (0, Err(error));
    }
    let mut at = 0;
    while at < lines.len() {
        match out.write(&lines[at..]) {
            Ok(0) => return (at, Err(io::ErrorKind::WriteZero.into())),
            Ok(n) => at += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (at, Err(error)),
        }
    }
    (at, Ok(()))
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// Bytes of lines that wait at most; as many may be with the system at the same time.
const MOST: usize = 1 << 20;
/// So many have to be written at once.
const BEHIND: usize = MOST / 2;
/// How long lines gather before they are written together.
const GATHER: Duration = Duration::from_millis(50);
/// How long the end of the server waits for the last lines.
const PATIENCE: Duration = Duration::from_secs(2);
const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes, then fails.
    struct Full {
        taken: Vec<u8>,
        room: usize,
    }

    impl Write for Full {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            let n = data.len().min(self.room);
            if n == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= n;
            self.taken.extend_from_slice(&data[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_torn_by_a_full_disk_is_ended_before_the_next() {
        let mut disk = Full {
            taken: Vec::new(),
            room: 5,
        };
        let (written, result) = write_all(&mut disk, b"one\ntwo\n", false);
        assert_eq!((written, result.is_err()), (5, true));
        disk.room = 100;
        write_all(&mut disk, b"three\n", true).1.unwrap();
        assert_eq!(disk.taken, b"one\nt\nthree\n");
    }

    #[test]
    fn a_line_is_dropped_for_want_of_its_own_room_only() {
        let writer = Writer::open(&AccessLogTarget::Stdout).unwrap();
        let line = |length: usize| [&vec![b'x'; length - 1][..], b"\n"].concat();
        writer.push(&mut line(MOST - 100), 1);
        let mut batch = [line(200), line(40), line(200), line(40)].concat();
        writer.push(&mut batch, 4);
        assert_eq!(writer.lock().count, 3, "both short ones fit");
        assert_eq!(writer.dropped(), 2);
        assert_eq!(writer.lock().lines.len(), MOST - 20);
        assert!(batch.is_empty());
    }

    #[test]
    fn lines_are_to_be_short_from_the_half_of_the_buffer_on() {
        let writer = Writer::open(&AccessLogTarget::Stdout).unwrap();
        writer.push(&mut vec![b'x'; BEHIND - 1], 1);
        assert!(!writer.is_behind());
        writer.push(&mut vec![b'x'; 1], 1);
        assert!(writer.is_behind());
    }

    #[test]
    fn without_a_writer_the_buffer_stays_bounded_and_drops_are_counted() {
        let writer = Writer::open(&AccessLogTarget::Stdout).unwrap();
        for _ in 0..3 * MOST / 1000 {
            writer.push(&mut vec![b'x'; 1000], 1);
        }
        assert!(writer.lock().lines.len() <= MOST);
        assert_eq!(
            writer.dropped() + writer.lock().count,
            3 * MOST as u64 / 1000
        );
        assert!(writer.dropped() > 0);
    }
}
