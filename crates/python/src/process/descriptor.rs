//! Duplicates of the descriptors that Python objects name by `fileno()`.

use std::io;
#[cfg(unix)]
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
#[cfg(windows)]
use std::os::windows::io::{BorrowedSocket, OwnedSocket, RawSocket};

use socket2::Socket;

/// A duplicate of the socket with this number.
pub(crate) fn socket(fileno: i64) -> io::Result<Socket> {
    Ok(duplicate(fileno)?.into())
}

/// Duplicates the descriptor with this number.
#[cfg(unix)]
#[expect(unsafe_code, reason = "the number comes from Python's fileno()")]
pub(crate) fn duplicate(fileno: i64) -> io::Result<OwnedFd> {
    let number = RawFd::try_from(fileno).ok().filter(|number| *number >= 0);
    let number = number.ok_or_else(|| io::Error::other("not a file descriptor"))?;
    // SAFETY: the number is not -1. It is borrowed only for the call that duplicates it, which fails if the
    // number is not open.
    unsafe { BorrowedFd::borrow_raw(number) }.try_clone_to_owned()
}

/// Duplicates the socket with this number.
#[cfg(windows)]
#[expect(unsafe_code, reason = "the number comes from Python's fileno()")]
pub(crate) fn duplicate(fileno: i64) -> io::Result<OwnedSocket> {
    let number = RawSocket::try_from(fileno).map_err(|_| io::Error::other("not a socket"))?;
    // SAFETY: the number is borrowed only for the call that duplicates it, which fails if it is no socket.
    unsafe { BorrowedSocket::borrow_raw(number) }.try_clone_to_owned()
}
