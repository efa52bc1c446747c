//! The target of the access log, and how lines get there.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::sys::sync;
use crate::sys::throttle::Seldom;

/// Where the access log goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogTarget {
    /// A file that lines are appended to.
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

/// The target that lines are written to.
pub(super) struct Sink<'a> {
    target: &'a AccessLogTarget,
    file: Option<File>,
    /// The last line was written in part.
    torn: bool,
    trouble: Seldom,
}

impl<'a> Sink<'a> {
    /// `file` is open if the target is a file.
    pub(super) fn new(target: &'a AccessLogTarget, file: Option<File>) -> Self {
        Self {
            target,
            file,
            torn: false,
            trouble: Seldom::new(MINUTE),
        }
    }

    /// Writes `count` lines; returns how many were lost.
    pub(super) fn write(&mut self, lines: &[u8], count: u64) -> u64 {
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

    /// Opens the file again; keeps the old one if that fails.
    pub(super) fn reopen(&mut self) {
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

/// Writes `lines`, after a line break if the line before is `torn`. Returns also how many bytes of `lines` were
/// written.
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

/// Opens the file at `path` for appending.
pub(super) fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// Shortest time between two log records about a target that cannot be written.
const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes `room` bytes, then fails as a full disk does.
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
}
