//! Where servers listen and who their clients are, in the words of the system and of messages.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Where to listen.
#[derive(Clone, Debug)]
pub enum ListenSpec {
    /// A TCP address; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    #[cfg(unix)]
    Unix(PathBuf),
    /// The descriptor of a bound socket. The server listens on a duplicate; the caller keeps its own.
    #[cfg(unix)]
    Fd(std::os::fd::RawFd),
}

impl fmt::Display for ListenSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => addr.fmt(f),
            #[cfg(unix)]
            Self::Unix(path) => path.display().fmt(f),
            #[cfg(unix)]
            Self::Fd(fd) => write!(f, "descriptor {fd}"),
        }
    }
}

/// The address that a bound listener has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listening {
    /// A TCP address; the port is never 0.
    Tcp(SocketAddr),
    /// The path of a Unix socket; empty for a socket without a name.
    Unix(PathBuf),
}

/// The system refused an address, or a file that the server must have.
#[derive(Debug)]
pub struct BindError {
    /// The address or the file, as a person would write it.
    pub place: String,
    /// The system's answer.
    pub error: io::Error,
}

/// The client at the other end of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A TCP client.
    Tcp(SocketAddr),
    /// A client of a Unix socket. It has no address.
    Unix,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addr) => addr.fmt(f),
            Self::Unix => f.write_str("a Unix socket"),
        }
    }
}
