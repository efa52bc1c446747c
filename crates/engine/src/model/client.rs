//! A client on a real socket that blocks where the scheduler can see it.

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;

use mio::net::UnixStream;

use super::sync::World;

pub(super) struct Client {
    stream: UnixStream,
    /// What came and was not looked at yet.
    pub(super) got: Vec<u8>,
    /// The connection ended by a reset: it was closed before all bytes of ours were read.
    pub(super) reset: bool,
}

impl Client {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            got: Vec::new(),
            reset: false,
        }
    }

    pub(super) fn send(&mut self, paths: &[&str]) {
        let request = |path: &&str| match path.ends_with("post") {
            // Not a request that is parsed ahead: its bytes wait behind the one that is run.
            true => format!("POST {path} HTTP/1.1\r\nHost: model\r\nContent-Length: 0\r\n\r\n"),
            false => format!("GET {path} HTTP/1.1\r\nHost: model\r\n\r\n"),
        };
        let bytes: String = paths.iter().map(request).collect();
        self.stream.write_all(bytes.as_bytes()).unwrap();
        World::get().stir();
    }

    /// Blocks until the replies to `paths`, and nothing else, have come.
    pub(super) fn expect(&mut self, paths: &[&str]) {
        let want: String = paths.iter().map(|path| reply_to(path) + path).collect();
        while self.got.len() < want.len() {
            assert!(self.read() > 0, "closed after {}", self.got.escape_ascii());
        }
        assert_eq!(
            self.got.escape_ascii().to_string(),
            want.as_bytes().escape_ascii().to_string()
        );
        self.got.clear();
    }

    pub(super) fn expect_end(&mut self) {
        assert_eq!(self.read(), 0, "{}", self.got.escape_ascii());
    }

    pub(super) fn read(&mut self) -> usize {
        let mut piece = [0; 4096];
        loop {
            let seen = World::get().seen();
            match self.stream.read(&mut piece) {
                Ok(got) => {
                    self.got.extend_from_slice(&piece[..got]);
                    return got;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    World::get().wait(seen, Duration::MAX);
                }
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    self.reset = true;
                    return 0;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

/// What the application answers, up to its body, which is the path.
pub(super) fn reply_to(path: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", path.len())
}
