//! Messages between siblings: a connection's descriptor, and the bytes that were read from it.
//!
//! Many processes write to one inbox, so it is a socket that keeps messages apart.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use socket2::{Domain, Socket, Type};

use super::Page;

/// The two ends of an inbox: the one that its process reads, and the one that its siblings write to.
///
/// # Errors
///
/// The system has no descriptors left.
pub fn inbox_pair() -> io::Result<(Socket, Socket)> {
    let (read, send) = Socket::pair(Domain::UNIX, KEEPS_MESSAGES_APART, None)?;
    #[cfg(target_vendor = "apple")]
    send.set_nosigpipe(true)?;
    #[cfg(not(target_os = "linux"))]
    {
        // On macOS and BSDs the one is the size of the largest datagram, 2 KiB at first; the other is the inbox, 4 KiB.
        send.set_send_buffer_size(LARGEST)?;
        read.set_recv_buffer_size(ROOM)?;
    }
    Ok((read, send))
}

/// Moves the messages that wait in `inbox`, whose process has died, to the inbox `to` of the process in `slot`.
/// Returns how many messages moved. Those for which `to` has no room stay.
///
/// # Errors
///
/// What the system says, except that `inbox` is empty.
pub fn forward(page: &Page, inbox: &Socket, slot: usize, to: &Socket) -> io::Result<usize> {
    let mut buffer = vec![0; LARGEST];
    let mut moved = 0;
    while has_room(to)
        && let Some(received) = receive(inbox.as_fd(), &mut buffer)?
    {
        let Some(frame) = received.frame() else {
            continue;
        };
        page.announce(slot);
        if let Err(error) = frame.send(to) {
            page.withdraw(slot);
            return Err(error);
        }
        moved += 1;
    }
    Ok(moved)
}

/// Whether a message fits into `inbox`, which somebody may still read.
///
/// macOS always says yes while somebody may read. A sibling that then fails to send keeps its connection. Only a
/// connection that [`forward`] took from the inbox of a dead process is closed.
pub(super) fn has_room(inbox: &Socket) -> bool {
    let mut one = [PollFd::new(inbox, PollFlags::OUT)];
    let ready = poll(&mut one, Some(&Timespec::default()));
    ready.is_ok() && one[0].revents() == PollFlags::OUT
}

/// A connection on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) connection: BorrowedFd<'a>,
    /// Index of the listener that it came in by. All processes have the same listeners.
    pub(crate) listener: u32,
    /// A read may stop though more bytes follow. See `exchange::link::MARKED`.
    pub(crate) marked: bool,
    /// What was read and not digested: at most [`MOST_BYTES`].
    pub(crate) bytes: &'a [u8],
}

impl Frame<'_> {
    /// Sends the connection to `inbox`. Never blocks.
    pub(super) fn send(&self, inbox: &Socket) -> io::Result<()> {
        debug_assert!(
            self.bytes.len() <= MOST_BYTES,
            "the receiver has no more room"
        );
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&self.listener.to_ne_bytes());
        header[4] = u8::from(self.marked);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        let descriptors = [self.connection];
        rights.push(SendAncillaryMessage::ScmRights(&descriptors));
        let parts = [IoSlice::new(&header), IoSlice::new(self.bytes)];
        loop {
            match sendmsg(inbox, &parts, &mut rights, FLAGS) {
                Err(Errno::INTR) => {}
                other => return other.map(drop).map_err(io::Error::from),
            }
        }
    }
}

/// A message as it came in.
#[derive(Debug)]
pub(crate) struct Received<'a> {
    /// `None`: the message is none of ours, or this process had no descriptor left for the connection.
    pub(crate) connection: Option<OwnedFd>,
    pub(crate) listener: u32,
    pub(crate) marked: bool,
    pub(crate) bytes: &'a [u8],
}

impl Received<'_> {
    /// The message, for another process.
    fn frame(&self) -> Option<Frame<'_>> {
        Some(Frame {
            connection: self.connection.as_ref()?.as_fd(),
            listener: self.listener,
            marked: self.marked,
            bytes: self.bytes,
        })
    }
}

/// Takes the first message out of `inbox`; `None` if there is none, or if nobody can send any more. `buffer` has room
/// for [`LARGEST`] bytes.
pub(crate) fn receive<'a>(
    inbox: BorrowedFd<'_>,
    buffer: &'a mut [u8],
) -> io::Result<Option<Received<'a>>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let got = loop {
        let mut parts = [IoSliceMut::new(buffer)];
        match recvmsg(inbox, &mut parts, &mut rights, RECV_FLAGS) {
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN | Errno::CONNRESET) => return Ok(None),
            other => break other?,
        }
    };
    let mut connection = None;
    for message in rights.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            // A message has one. Others are closed here.
            connection = descriptors.last();
        }
    }
    if got.bytes == 0 && connection.is_none() {
        return Ok(None);
    }
    if got.bytes < HEADER || got.flags.contains(ReturnFlags::TRUNC) {
        connection = None;
    }
    #[cfg(not(target_os = "linux"))]
    if let Some(connection) = &connection {
        rustix::io::fcntl_setfd(connection, rustix::io::FdFlags::CLOEXEC)?;
    }
    let (header, bytes) = buffer[..got.bytes].split_at(HEADER.min(got.bytes));
    let listener = header.first_chunk().copied().unwrap_or_default();
    Ok(Some(Received {
        connection,
        listener: u32::from_ne_bytes(listener),
        marked: header.get(4) == Some(&1),
        bytes,
    }))
}

/// Bytes that travel with a connection at most.
pub(crate) const MOST_BYTES: usize = 16 * 1024;
/// Bytes in front of them.
const HEADER: usize = 8;
/// The size of a whole message.
pub(crate) const LARGEST: usize = HEADER + MOST_BYTES;
/// The size of an inbox where the system does not choose one that is large enough.
#[cfg(not(target_os = "linux"))]
const ROOM: usize = 64 * LARGEST;
/// Not every system has the first, and on the others datagrams between the ends of a pair are as reliable.
#[cfg(target_os = "linux")]
const KEEPS_MESSAGES_APART: Type = Type::SEQPACKET;
#[cfg(not(target_os = "linux"))]
const KEEPS_MESSAGES_APART: Type = Type::DGRAM;
#[cfg(target_os = "linux")]
const FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
#[cfg(not(target_os = "linux"))]
const FLAGS: SendFlags = SendFlags::DONTWAIT;
#[cfg(target_os = "linux")]
const RECV_FLAGS: RecvFlags = RecvFlags::DONTWAIT.union(RecvFlags::CMSG_CLOEXEC);
#[cfg(not(target_os = "linux"))]
const RECV_FLAGS: RecvFlags = RecvFlags::DONTWAIT;
