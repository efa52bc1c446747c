//! Which upload gives way when all temporary files of uploads (`spool_files`) are in use.
//!
//! `body_timeout` asks only for some progress: clients that send a byte a minute could hold every file. So
//! the slowest upload of this I/O thread gives its file up, measured by its average rate since its head.
//! Whoever wants to hold files has to send at least as fast as everybody else.

use std::time::Duration;

use headwaiter_http::Refusal;

use crate::exchange::Exchange;
use crate::io::h1::State;
use crate::io::h1::receive::Receiver;
use crate::io::h1::transmit::Sender;

impl Receiver<'_> {
    /// Refuses the slowest upload that has a file, so that `newcomer` can have one. `false`: the newcomer is
    /// slower than all of them, or none has lasted long enough to be judged.
    pub(super) fn slowest_gives_way_to(&mut self, newcomer: &Exchange) -> bool {
        let rated = self
            .desk
            .channels
            .indices()
            .into_iter()
            .filter_map(|index| {
                let State::Body(upload) = &self.desk.channels[index].protocol.h1_ref().state else {
                    return None;
                };
                let rate = self.rate(upload).filter(|_| upload.body.has_file())?;
                Some((index, rate))
            });
        let slowest = rated.min_by(|(_, one), (_, other)| one.total_cmp(other));
        let Some((slowest, rate)) = slowest else {
            return false;
        };
        if self.rate(newcomer).is_some_and(|own| own < rate) {
            return false;
        }
        if let Some(mut upload) = self.desk.channels[slowest].protocol.h1().take_received() {
            upload.body.give_up_file();
            Sender::new(self.desk, slowest).refuse(upload, Refusal::SpoolFull);
        }
        true
    }

    /// Bytes per second of an upload, if it has lasted long enough.
    fn rate(&self, upload: &Exchange) -> Option<f64> {
        let age = self.desk.now.saturating_duration_since(upload.record.head?);
        (age >= SETTLED).then(|| upload.record.bytes_in as f64 / age.as_secs_f64())
    }
}

/// An upload younger than this is not judged: it may have had no time to be fast.
const SETTLED: Duration = Duration::from_secs(10);

#[cfg(all(test, unix, not(shuttle)))]
mod tests {
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;

    use super::*;
    use crate::io::IoLoop;
    use crate::io::inline::Endpoint;
    use crate::io::tests::connect;
    use crate::settings::Settings;
    use crate::shared::Shared;

    /// A loop with two files for uploads.
    fn with_two_files() -> IoLoop {
        let settings = Settings {
            inbuf_overflow: 0,
            spool_memory: 0,
            spool_files: 2,
            ..Settings::for_tests()
        };
        let shared = Arc::new(Shared::new(settings, Vec::new(), None));
        IoLoop::new(&shared, Vec::new(), Endpoint::default()).unwrap()
    }

    /// Begins an upload of 1 MB.
    fn begin(io: &mut IoLoop) -> UnixStream {
        let mut client = connect(io, Some(0));
        client.set_nonblocking(true).unwrap();
        send(
            io,
            &mut client,
            b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n",
        );
        client
    }

    /// Sends `bytes` and has every channel read.
    fn send(io: &mut IoLoop, client: &mut UnixStream, bytes: &[u8]) {
        client.write_all(bytes).unwrap();
        for index in io.desk.channels.indices() {
            io.desk.buffers.begin_turn();
            io.desk.disk.begin_turn();
            io.desk.channels[index].readable = true;
            io.desk.receive(index);
        }
    }

    /// What the client was answered with, if anything.
    fn status(client: &mut UnixStream) -> String {
        let mut reply = [0; 12];
        let got = client.read(&mut reply).unwrap_or(0);
        String::from_utf8_lossy(&reply[..got]).into_owned()
    }

    const REFUSED: &str = "HTTP/1.1 503";

    #[test]
    fn the_slowest_upload_gives_way_to_a_new_one() {
        let mut io = with_two_files();
        let (mut slow, mut without_file) = (begin(&mut io), begin(&mut io));
        for _ in 0..8 {
            send(&mut io, &mut slow, &[0; 40_000]);
        }
        io.desk.now += SETTLED;
        let mut fast = begin(&mut io);
        for _ in 0..6 {
            send(&mut io, &mut fast, &[0; 40_000]);
        }
        io.desk.now += SETTLED;
        let mut new = begin(&mut io);
        send(&mut io, &mut new, &[0; 20_000]);
        let statuses = [&mut slow, &mut without_file, &mut fast, &mut new].map(status);
        assert_eq!(statuses, [REFUSED, "", "", ""]);
    }

    #[test]
    fn the_newcomer_is_refused_if_it_is_the_slowest_or_nobody_can_be_judged() {
        let mut io = with_two_files();
        let (mut one, mut other) = (begin(&mut io), begin(&mut io));
        send(&mut io, &mut one, &[0; 30_000]);
        send(&mut io, &mut other, &[0; 30_000]);
        let mut early = begin(&mut io);
        send(&mut io, &mut early, &[0; 20_000]);
        let mut slow = begin(&mut io);
        io.desk.now += SETTLED;
        send(&mut io, &mut slow, &[0; 20_000]);
        let statuses = [&mut one, &mut other, &mut early, &mut slow].map(status);
        assert_eq!(statuses, ["", "", REFUSED, REFUSED]);
    }

    #[test]
    fn a_file_that_was_given_up_counts_once() {
        let mut io = with_two_files();
        let mut clients = Vec::new();
        for _ in 0..4 {
            let mut client = begin(&mut io);
            send(&mut io, &mut client, &[0; 20_000]);
            clients.push(client);
            io.desk.now += SETTLED;
        }
        drop(clients);
        for index in io.desk.channels.indices() {
            io.desk.close(index);
        }
        for _ in 0..2 {
            io.desk.shared.budget.take_file().unwrap();
        }
        assert!(io.desk.shared.budget.take_file().is_err());
    }

    #[test]
    fn a_turn_whose_disk_time_is_used_up_reads_no_more_of_bodies() {
        let mut io = with_two_files();
        let (mut one, mut other) = (begin(&mut io), begin(&mut io));
        let channels = io.desk.channels.indices();
        let lengths = |io: &IoLoop| {
            let length = |index: &usize| {
                io.desk.channels[*index]
                    .protocol
                    .h1_ref()
                    .state
                    .exchange()
                    .unwrap()
                    .body
                    .len()
            };
            channels.iter().map(length).collect::<Vec<_>>()
        };
        for client in [&mut one, &mut other] {
            client.write_all(&[0; 10_000]).unwrap();
        }
        for index in &channels {
            io.desk.channels[*index].readable = true;
            io.desk.receive(*index);
        }
        // The first one has made a file.
        assert_eq!(lengths(&io), [10_000, 0]);
        let third = b"PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc";
        let mut client = connect(&mut io, Some(0));
        client.write_all(third).unwrap();
        let index = io.desk.channels.indices()[2];
        io.desk.channels[index].readable = true;
        io.desk.receive(index);
        assert_eq!(io.desk.channels[index].protocol.h1().input(), b"abc");
        for _ in 0..2 {
            io.desk.disk.begin_turn();
            io.desk.go_on();
        }
        assert_eq!(lengths(&io), [10_000, 10_000]);
        // No file is left for it.
        client.set_nonblocking(true).unwrap();
        assert_eq!(status(&mut client), REFUSED);
    }
}
