//! A client's socket: TCP or Unix, always non-blocking, used through a shared reference.
//!
//! The I/O thread reads and writes; a worker may send a small reply as a whole. Nobody closes a socket:
//! its descriptor is closed with the last `Link` that refers to it (`exchange/link.rs`), so its number
//! cannot be reused while a worker still has it.

use std::fs::File;
use std::io::{self, IoSlice, Read};
use std::mem::MaybeUninit;
use std::net::Shutdown;
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicBool, Ordering};

use mio::event::Source;
use mio::{Interest, Registry, Token};
use socket2::SockRef;
#[cfg(unix)]
use socket2::Socket;

#[cfg(unix)]
use crate::net::address::Peer;

/// A connected, non-blocking stream socket.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(mio::net::TcpStream),
    #[cfg(unix)]
    Unix(mio::net::UnixStream),
}

/// Whether a read that leaves room in the buffer has emptied the socket. It has on epoll (epoll(7)), unless
/// it stopped at a mark: at urgent data, which the poll reports, or at descriptors, which [`Stream::recv`]
/// reports. On kqueue nothing reports such marks. On other systems only `WouldBlock` arms readiness again.
pub(crate) const SHORT_READ_DRAINS: bool = cfg!(any(target_os = "linux", target_os = "android"));

impl Stream {
    /// A connection by its descriptor, and its client.
    ///
    /// # Errors
    ///
    /// The client has left, or the descriptor is not that of a connection.
    #[cfg(unix)]
    pub(crate) fn from_fd(fd: OwnedFd) -> io::Result<(Self, Peer)> {
        let socket = Socket::from(fd);
        socket.set_nonblocking(true)?;
        match socket.peer_addr()?.as_socket() {
            Some(peer) => {
                let stream = mio::net::TcpStream::from_std(socket.into());
                Ok((Self::Tcp(stream), Peer::Tcp(peer)))
            }
            None => {
                let stream = mio::net::UnixStream::from_std(socket.into());
                Ok((Self::Unix(stream), Peer::Unix))
            }
        }
    }

    /// The descriptor.
    #[cfg(unix)]
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(s) => s.as_fd(),
            Self::Unix(s) => s.as_fd(),
        }
    }

    fn sock(&self) -> SockRef<'_> {
        match self {
            Self::Tcp(s) => SockRef::from(s),
            #[cfg(unix)]
            Self::Unix(s) => SockRef::from(s),
        }
    }

    /// Runs `op`, repeating it when a signal interrupts.
    fn attempt<T>(&self, op: impl Fn(&SockRef<'_>) -> io::Result<T>) -> io::Result<T> {
        loop {
            let result = match self {
                Self::Tcp(s) => s.try_io(|| op(&self.sock())),
                #[cfg(unix)]
                Self::Unix(s) => s.try_io(|| op(&self.sock())),
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Receives into `buf`. Returns how many bytes came, and whether the read stopped at descriptors that came
    /// with them (`SCM_RIGHTS`). The server does not take these descriptors; the kernel closes them.
    pub(crate) fn recv(&self, buf: &mut [u8]) -> io::Result<(usize, bool)> {
        loop {
            let result = match self {
                Self::Tcp(s) => (&*s).read(buf).map(|got| (got, false)),
                #[cfg(unix)]
                Self::Unix(s) => s.try_io(|| recv_unix(s, buf)),
            };
            match result {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    /// Whether [`Stream::recv_append`] may have stopped at descriptors.
    pub(crate) fn hides_marks(&self) -> bool {
        match self {
            Self::Tcp(_) => false,
            #[cfg(unix)]
            Self::Unix(_) => true,
        }
    }

    /// Receives up to `most` bytes and appends them to `buf`, whose new room is not zeroed first.
    #[expect(
        unsafe_code,
        reason = "zeroing the room would touch every byte of an upload twice"
    )]
    pub(crate) fn recv_append(&self, buf: &mut Vec<u8>, most: usize) -> io::Result<usize> {
        buf.reserve(most);
        loop {
            let spare = &mut buf.spare_capacity_mut()[..most];
            let got = match self {
                Self::Tcp(s) => s.try_io(|| self.sock().recv(spare)),
                #[cfg(unix)]
                Self::Unix(s) => s.try_io(|| self.sock().recv(spare)),
            };
            match got {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(got) => {
                    // SAFETY: `recv` initialised the first `got` bytes after the old length, all
                    // within the capacity reserved above.
                    unsafe { buf.set_len(buf.len() + got) };
                    return Ok(got);
                }
            }
        }
    }

    /// Whether unread bytes are waiting. Costs a system call.
    pub(crate) fn has_unread(&self) -> bool {
        let peeked = self.attempt(|s| s.peek(&mut [MaybeUninit::uninit()]));
        peeked.is_ok_and(|got| got > 0)
    }

    pub(crate) fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(|s| s.send_with_flags(bytes, SEND_FLAGS))
    }

    /// Sends a reply. The kernel may hold the `last` reply of a connection back until the end of the
    /// connection, and send both in one segment: the caller must shut down or close right away.
    pub(crate) fn send_reply(&self, bytes: &[u8], last: bool) -> io::Result<usize> {
        let flags = SEND_FLAGS | if last { MORE_FOLLOWS } else { 0 };
        self.attempt(|s| s.send_with_flags(bytes, flags))
    }

    pub(crate) fn send_vectored(&self, bytes: &[IoSlice<'_>]) -> io::Result<usize> {
        self.attempt(|s| s.send_vectored_with_flags(bytes, SEND_FLAGS))
    }

    /// Sends up to `most` bytes of `file` from `offset`, with `sendfile`. If the kernel refuses, the bytes are
    /// copied to `scratch` and sent from there. Some file systems (network, FUSE) and sandboxes refuse, each
    /// with its own error or by sending nothing. An error of the socket shows again when the copy is sent.
    #[cfg(target_os = "linux")]
    pub(crate) fn send_file(
        &self,
        file: &File,
        offset: u64,
        most: usize,
        scratch: &mut [u8],
    ) -> io::Result<usize> {
        let sent = self.attempt(|_| {
            let mut at = offset;
            crate::sys::mask::without_sigpipe(|| {
                let sent = match self {
                    Self::Tcp(s) => rustix::fs::sendfile(s, file, Some(&mut at), most),
                    Self::Unix(s) => rustix::fs::sendfile(s, file, Some(&mut at), most),
                };
                sent.map_err(io::Error::from)
            })
        });
        match sent {
            Ok(n) if n > 0 || most == 0 => return sent,
            Err(ref error) if error.kind() == io::ErrorKind::WouldBlock => return sent,
            _ => {}
        }
        let copied = self.copy_file(file, offset, most, scratch);
        if let (Err(error), Ok(1..)) = (sent, &copied)
            && !SENDFILE_REFUSED.swap(true, Ordering::Relaxed)
        {
            log::warn!(
                target: crate::LOG,
                "sendfile is refused ({error}): files are read and written instead, for more CPU"
            );
        }
        copied
    }

    /// Sends up to `most` bytes of `file` from `offset`, copied to `scratch` first.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn send_file(
        &self,
        file: &File,
        offset: u64,
        most: usize,
        scratch: &mut [u8],
    ) -> io::Result<usize> {
        self.copy_file(file, offset, most, scratch)
    }

    fn copy_file(
        &self,
        file: &File,
        offset: u64,
        most: usize,
        scratch: &mut [u8],
    ) -> io::Result<usize> {
        let most = most.min(scratch.len());
        match crate::sys::fd::read_file_at(file, offset, &mut scratch[..most])? {
            0 => Ok(0),
            got => self.send(&scratch[..got]),
        }
    }

    /// Tells the client that no more bytes follow.
    pub(crate) fn shutdown_write(&self) {
        // An error means that the client is gone. The next read reports it.
        let _ = self.sock().shutdown(Shutdown::Write);
    }

    /// Ends the connection. The descriptor stays open.
    pub(crate) fn shutdown_both(&self) {
        // As above.
        let _ = self.sock().shutdown(Shutdown::Both);
    }

    pub(crate) fn set_nodelay(&self) {
        match self {
            Self::Tcp(s) => {
                // It fails only if the client is already gone.
                let _ = s.set_nodelay(true);
            }
            #[cfg(unix)]
            Self::Unix(_) => {}
        }
    }

    /// Registers for both directions, edge-triggered: once, at accept.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let both = both | Interest::PRIORITY;
        match self {
            Self::Tcp(s) => s.register(registry, token, both),
            #[cfg(unix)]
            Self::Unix(s) => s.register(registry, token, both),
        }
    }
}

#[cfg(unix)]
fn recv_unix(socket: &mio::net::UnixStream, buf: &mut [u8]) -> io::Result<(usize, bool)> {
    use rustix::net::{RecvAncillaryBuffer, RecvFlags, ReturnFlags, recvmsg};
    let mut none = RecvAncillaryBuffer::default();
    let buf = &mut [io::IoSliceMut::new(buf)];
    let got = recvmsg(socket, buf, &mut none, RecvFlags::empty())?;
    Ok((got.bytes, got.flags.contains(ReturnFlags::CTRUNC)))
}

/// Whether the warning that `sendfile` is refused was logged: once per process is enough.
#[cfg(target_os = "linux")]
static SENDFILE_REFUSED: AtomicBool = AtomicBool::new(false);

/// Sending to a client that has left returns an error and raises no signal. On macOS an option of the socket says so
/// (`listener.rs`).
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
pub(crate) const SEND_FLAGS: i32 = libc::MSG_NOSIGNAL;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub(crate) const SEND_FLAGS: i32 = 0;

#[cfg(any(target_os = "linux", target_os = "android"))]
const MORE_FOLLOWS: i32 = libc::MSG_MORE;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const MORE_FOLLOWS: i32 = 0;
