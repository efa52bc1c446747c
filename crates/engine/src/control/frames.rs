//! Frames on a control socket: four bytes with the length, big-endian, then a JSON object.
//!
//! A descriptor comes with the first byte of the frame that announces it (`SCM_RIGHTS`). It waits here until that
//! frame is dealt with.

use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
use serde_json::Value;
use socket2::Socket;

use crate::net::socket::SEND_FLAGS;

/// Bytes and descriptors that came and belong to frames that were not taken yet.
#[derive(Debug, Default)]
pub(super) struct Received {
    bytes: Vec<u8>,
    /// `None`: this process had no descriptor left for the one that came.
    descriptors: VecDeque<Option<OwnedFd>>,
}

impl Received {
    /// Takes what the socket has now, without waiting. `false` at the end of the file.
    pub(super) fn receive(&mut self, socket: &UnixStream) -> io::Result<bool> {
        let mut bytes = [0; 4096];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT;
        #[cfg(target_os = "linux")]
        let flags = flags | RecvFlags::CMSG_CLOEXEC;
        let mut buffers = [IoSliceMut::new(&mut bytes)];
        let got = match recvmsg(socket, &mut buffers, &mut ancillary, flags) {
            Ok(got) => got,
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        for message in ancillary.drain() {
            let RecvAncillaryMessage::ScmRights(descriptors) = message else {
                continue;
            };
            for descriptor in descriptors {
                #[cfg(not(target_os = "linux"))]
                rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC)?;
                self.descriptors.push_back(Some(descriptor));
            }
        }
        if got.flags.contains(ReturnFlags::CTRUNC) {
            // The next frame must not get the descriptor of the one behind it.
            self.descriptors.push_back(None);
        }
        self.bytes.extend_from_slice(&bytes[..got.bytes]);
        Ok(got.bytes > 0)
    }

    /// The next complete frame.
    pub(super) fn next(&mut self) -> io::Result<Option<Value>> {
        let Some((length, rest)) = self.bytes.split_first_chunk() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length) as usize;
        if length > LONGEST {
            return Err(io::Error::other("a frame is too long"));
        }
        let Some(frame) = rest.get(..length) else {
            return Ok(None);
        };
        let frame = serde_json::from_slice(frame)?;
        self.bytes.drain(..4 + length);
        Ok(Some(frame))
    }

    /// The descriptor that came with the frame taken last.
    pub(super) fn descriptor(&mut self) -> Option<OwnedFd> {
        self.descriptors.pop_front().flatten()
    }
}

/// The sending side of a control socket. Any thread may send.
#[derive(Debug)]
pub(super) struct Sender(Mutex<Socket>);

impl Sender {
    pub(super) fn new(socket: Socket) -> io::Result<Self> {
        socket.set_nonblocking(false)?;
        #[cfg(target_vendor = "apple")]
        socket.set_nosigpipe(true)?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(Self(Mutex::new(socket)))
    }

    /// Sends a frame. A parent that is gone or does not read never gets it: nobody else would want it.
    pub(super) fn send(&self, frame: &Value) {
        let text = frame.to_string();
        let mut bytes = (text.len() as u32).to_be_bytes().to_vec();
        bytes.extend_from_slice(text.as_bytes());
        let socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            match socket.send_with_flags(rest, SEND_FLAGS) {
                Ok(sent) => rest = &rest[sent..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => {
                    // Half a frame may have left: what follows would be read as its rest.
                    let _ = socket.shutdown(Shutdown::Write);
                    return;
                }
            }
        }
    }
}

/// Descriptors that may come with one read. The parent sends one with each frame.
const MOST_DESCRIPTORS: usize = 8;
/// Bytes of the longest frame.
const LONGEST: usize = 1 << 20;
/// How long a parent may take to read.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
    use std::io::{IoSlice, Read, Write};
    use std::os::fd::AsFd;

    #[test]
    fn a_frame_may_come_in_pieces_and_two_at_once() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let mut received = Received::default();
        let frames = b"\0\0\0\x07{\"a\":1}\0\0\0\x02{}\0\0";
        for (at, byte) in frames.iter().enumerate() {
            theirs.write_all(&[*byte]).unwrap();
            assert!(received.receive(&ours).unwrap());
            let frame = received.next().unwrap();
            assert_eq!(frame.is_some(), at == 10 || at == 16, "{at}: {frame:?}");
        }
        drop(theirs);
        assert!(!received.receive(&ours).unwrap());
        for wrong in [&b"\xff\0\0\0"[..], b"\0\0\0\x01?"] {
            received.bytes = wrong.to_vec();
            received.next().unwrap_err();
        }
    }

    /// The next frame gets its own descriptor, not that of another one.
    #[test]
    fn a_descriptor_for_which_there_was_no_room_is_missed_by_its_own_frame() {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        // The limit is that of the process. Here each test has one of its own only under cargo-nextest.
        if std::env::var_os("NEXTEST").is_none() {
            return;
        }
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut received = Received::default();
        let pass = |received: &mut Received| {
            let passed = [theirs.as_fd()];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            ancillary.push(SendAncillaryMessage::ScmRights(&passed));
            let frame = [IoSlice::new(b"\0\0\0\x01\x30")];
            sendmsg(&theirs, &frame, &mut ancillary, SendFlags::empty()).unwrap();
            assert!(received.receive(&ours).unwrap());
        };
        let limit = getrlimit(Resource::Nofile);
        let current = Some(0);
        setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
        pass(&mut received);
        setrlimit(Resource::Nofile, limit).unwrap();
        pass(&mut received);
        for has_descriptor in [false, true] {
            assert!(received.next().unwrap().is_some());
            assert_eq!(received.descriptor().is_some(), has_descriptor);
        }
    }

    #[test]
    fn descriptors_wait_for_the_frames_that_announce_them() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut received = Received::default();
        let mut ends = Vec::new();
        for number in 1..=2 {
            let (end, passed) = UnixStream::pair().unwrap();
            let passed = [passed.as_fd()];
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            ancillary.push(SendAncillaryMessage::ScmRights(&passed));
            let frame = [0, 0, 0, 1, b'0' + number];
            let frame = [IoSlice::new(&frame)];
            sendmsg(&theirs, &frame, &mut ancillary, SendFlags::empty()).unwrap();
            ends.push(end);
        }
        let mut frames = Vec::new();
        while frames.len() < 2 {
            assert!(received.receive(&ours).unwrap());
            while let Some(frame) = received.next().unwrap() {
                frames.push(frame);
                let mut passed = UnixStream::from(received.descriptor().unwrap());
                passed
                    .write_all(frames[frames.len() - 1].to_string().as_bytes())
                    .unwrap();
            }
        }
        for (end, frame) in ends.iter_mut().zip(frames) {
            let mut byte = [0];
            end.read_exact(&mut byte).unwrap();
            assert_eq!(byte, frame.to_string().as_bytes());
        }
        assert!(received.descriptor().is_none());
    }
}
