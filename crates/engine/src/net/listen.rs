//! Listening sockets: bound all or none, TCP and Unix, made here or passed in.
//!
//! A stale Unix socket file is replaced only if nobody answers on it, and the file is removed when
//! the listener goes, if it is still ours.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use mio::event::Source;
use mio::{Interest, Registry, Token};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::net::socket::Stream;
use crate::settings::Settings;

/// Where to listen.
#[derive(Clone, Debug)]
pub enum ListenSpec {
    /// A TCP address; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// A Unix socket's path.
    #[cfg(unix)]
    Unix(PathBuf),
    /// A descriptor of a bound socket; it is duplicated, the caller keeps its own.
    #[cfg(unix)]
    Fd(std::os::fd::RawFd),
}

/// Where a listener listens in fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listening {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A Unix socket's path.
    Unix(PathBuf),
}

/// Why listening failed, naming the address.
#[derive(Debug)]
pub struct BindError {
    /// The address as a person would write it.
    pub place: String,
    /// What the system said.
    pub error: io::Error,
}

/// Who is at the other end of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// A TCP client.
    Tcp(SocketAddr),
    /// A client of a Unix socket.
    Unix,
}

impl std::fmt::Display for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(addr) => addr.fmt(f),
            Self::Unix => f.write_str("a Unix socket"),
        }
    }
}

#[derive(Debug)]
enum Acceptor {
    Tcp(mio::net::TcpListener),
    #[cfg(unix)]
    Unix(mio::net::UnixListener),
}

/// One listening socket.
#[derive(Debug)]
pub(crate) struct Listener {
    acceptor: Acceptor,
    listening: Listening,
    /// The file to remove, its inode, and the process that made it: its children have copies of this.
    #[cfg(unix)]
    remove: Option<(PathBuf, u64, u32)>,
}

/// Binds every address or none.
///
/// # Errors
///
/// The first address that could not be bound; those before it are closed again.
pub(crate) fn bind_all(
    specs: &[ListenSpec],
    settings: &Settings,
) -> Result<Vec<Listener>, BindError> {
    let bind = |spec: &ListenSpec| {
        Listener::bind(spec, settings).map_err(|error| BindError {
            place: place(spec),
            error,
        })
    };
    specs.iter().map(bind).collect()
}

fn place(spec: &ListenSpec) -> String {
    match spec {
        ListenSpec::Tcp(addr) => addr.to_string(),
        #[cfg(unix)]
        ListenSpec::Unix(path) => path.display().to_string(),
        #[cfg(unix)]
        ListenSpec::Fd(fd) => format!("descriptor {fd}"),
    }
}

impl Listener {
    fn bind(spec: &ListenSpec, settings: &Settings) -> io::Result<Self> {
        match spec {
            ListenSpec::Tcp(addr) => {
                let socket = Socket::new(Domain::for_address(*addr), Type::STREAM, None)?;
                if addr.is_ipv6() {
                    socket.set_only_v6(true)?;
                }
                // Elsewhere the flag would let two servers share the port.
                #[cfg(unix)]
                socket.set_reuse_address(true)?;
                socket.bind(&SockAddr::from(*addr))?;
                Self::from_socket(socket, settings)
            }
            #[cfg(unix)]
            ListenSpec::Unix(path) => Self::bind_unix(path, settings),
            #[cfg(unix)]
            ListenSpec::Fd(fd) => Self::from_socket(duplicate(*fd)?, settings),
        }
    }

    fn from_socket(socket: Socket, settings: &Settings) -> io::Result<Self> {
        let local = socket.local_addr()?;
        socket.listen(settings.backlog)?;
        socket.set_nonblocking(true)?;
        if let Some(addr) = local.as_socket() {
            // Accepted sockets inherit it on Linux: one system call less for each.
            socket.set_tcp_nodelay(true)?;
            let acceptor = Acceptor::Tcp(mio::net::TcpListener::from_std(socket.into()));
            return Ok(Self {
                acceptor,
                listening: Listening::Tcp(addr),
                #[cfg(unix)]
                remove: None,
            });
        }
        #[cfg(unix)]
        if local.is_unix() {
            let path = local
                .as_pathname()
                .map(Path::to_path_buf)
                .unwrap_or_default();
            let acceptor = Acceptor::Unix(mio::net::UnixListener::from_std(socket.into()));
            return Ok(Self {
                acceptor,
                listening: Listening::Unix(path),
                remove: None,
            });
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a TCP or Unix stream socket",
        ))
    }

    #[cfg(unix)]
    fn bind_unix(path: &Path, settings: &Settings) -> io::Result<Self> {
        use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
        if let Ok(meta) = std::fs::symlink_metadata(path) {
            if !meta.file_type().is_socket() {
                return Err(io::Error::new(
                    io::ErrorKind::AlreadyExists,
                    "exists and is not a socket",
                ));
            }
            if !is_stale(path)? {
                return Err(io::Error::from_raw_os_error(libc::EADDRINUSE));
            }
            std::fs::remove_file(path)?;
        }
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.bind(&SockAddr::unix(path)?)?;
        std::fs::set_permissions(
            path,
            std::fs::Permissions::from_mode(settings.unix_socket_perms),
        )?;
        let inode = std::fs::symlink_metadata(path)?.ino();
        let mut listener = Self::from_socket(socket, settings)?;
        listener.remove = Some((path.to_path_buf(), inode, std::process::id()));
        Ok(listener)
    }

    pub(crate) fn listening(&self) -> &Listening {
        &self.listening
    }

    /// Takes the next waiting connection.
    pub(crate) fn accept(&self) -> io::Result<(Stream, Peer)> {
        match &self.acceptor {
            Acceptor::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                let stream = Stream::Tcp(stream);
                if !cfg!(target_os = "linux") {
                    stream.set_nodelay();
                }
                Ok((stream, Peer::Tcp(peer)))
            }
            #[cfg(unix)]
            Acceptor::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                Ok((Stream::Unix(stream), Peer::Unix))
            }
        }
    }

    /// Whether a connection waits to be accepted.
    #[cfg(unix)]
    pub(crate) fn has_waiting(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut one = match &self.acceptor {
            Acceptor::Tcp(s) => [PollFd::new(s, PollFlags::IN)],
            Acceptor::Unix(s) => [PollFd::new(s, PollFlags::IN)],
        };
        poll(&mut one, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
    }

    /// Unknown here; to believe so costs one idle channel at worst.
    #[cfg(not(unix))]
    pub(crate) fn has_waiting(&self) -> bool {
        true
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match &mut self.acceptor {
            Acceptor::Tcp(s) => s.register(registry, token, Interest::READABLE),
            #[cfg(unix)]
            Acceptor::Unix(s) => s.register(registry, token, Interest::READABLE),
        }
    }

    pub(crate) fn deregister(&mut self, registry: &Registry) {
        // A listener that is not registered any more is what this asks for.
        let _ = match &mut self.acceptor {
            Acceptor::Tcp(s) => s.deregister(registry),
            #[cfg(unix)]
            Acceptor::Unix(s) => s.deregister(registry),
        };
    }
}

/// Whether nobody listens on the socket at `path`. Only a refusal says so: one that may not be connected
/// to, is of another type or has a full backlog belongs to somebody.
#[cfg(unix)]
fn is_stale(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // A server that does not accept must not hold this up.
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => Ok(true),
            io::ErrorKind::PermissionDenied => Err(error),
            _ => Ok(false),
        },
        Ok(()) => Ok(false),
    }
}

#[cfg(unix)]
impl Drop for Listener {
    fn drop(&mut self) {
        use std::os::unix::fs::MetadataExt;
        if let Some((path, inode, process)) = &self.remove
            && *process == std::process::id()
            && std::fs::symlink_metadata(path).is_ok_and(|meta| meta.ino() == *inode)
        {
            // Nothing useful can be done about a directory that became read-only meanwhile.
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(unix)]
#[expect(
    unsafe_code,
    reason = "a number handed over by the caller has to be believed"
)]
fn duplicate(fd: std::os::fd::RawFd) -> io::Result<Socket> {
    use std::os::fd::BorrowedFd;
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: the number is not -1, and it is borrowed only for the call that duplicates it; a
    // number that is not open makes that call fail with EBADF.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    Ok(Socket::from(borrowed.try_clone_to_owned()?))
}
