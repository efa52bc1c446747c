//! Descriptors: reading files by them, and whether enough are left.

use std::fs::File;
use std::io;

/// Reads into `buf` from `offset`; short only at the end of the file. The file's own position, which a
/// forked child shares, stays where it is.
///
/// # Errors
///
/// Those of the system; an interrupted read is repeated.
pub(crate) fn read_file_at(file: &File, offset: u64, mut buf: &mut [u8]) -> io::Result<usize> {
    let mut total = 0;
    while !buf.is_empty() {
        #[cfg(unix)]
        let got = std::os::unix::fs::FileExt::read_at(file, buf, offset + total as u64);
        #[cfg(windows)]
        let got = std::os::windows::fs::FileExt::seek_read(file, buf, offset + total as u64);
        match got {
            Ok(0) => break,
            Ok(n) => {
                total += n;
                buf = &mut buf[n..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}

/// Whether less than an eighth of the descriptors that this process may have is free.
///
/// A new descriptor has the lowest number that is free. So all below that number are in use.
#[cfg(unix)]
pub(crate) fn are_scarce() -> bool {
    use std::os::fd::AsRawFd;

    use rustix::process::{Resource, getrlimit};
    use socket2::{Domain, Socket, Type};

    let Some(most) = getrlimit(Resource::Nofile).current else {
        return false;
    };
    match Socket::new(Domain::UNIX, Type::STREAM, None) {
        Ok(probe) => probe.as_raw_fd() as u64 >= most - most / 8,
        Err(_) => true,
    }
}

/// There is no such limit for sockets.
#[cfg(windows)]
pub(crate) fn are_scarce() -> bool {
    false
}
