//! Listening sockets, TCP and Unix: bound here, or passed in as descriptors.
//!
//! Binding is a step of its own, before a server exists: a parent process can bind and let its children
//! serve. `server.rs` gives the sockets to the I/O thread, and `io/accept.rs` accepts from them.
//!
//! Rules: either every address is bound or none. A stale Unix socket file is replaced only if nobody
//! answers on it. Dropping a listener closes its socket and removes the file that it made, unless another
//! file has taken that place; a child process that has a copy of the listener leaves the file alone.

use std::io;
#[cfg(unix)]
use std::path::{Path, PathBuf};

use mio::event::Source;
use mio::{Interest, Registry, Token};
use socket2::{Domain, SockAddr, Socket, Type};

use crate::net::address::{BindError, ListenSpec, Listening, Peer};
use crate::net::socket::Stream;

/// What every listener is bound with.
#[derive(Clone, Copy, Debug)]
pub struct BindOptions {
    /// `listen(2)` backlog.
    pub backlog: i32,
    /// Permission bits of the files of Unix sockets.
    pub unix_socket_perms: u32,
    /// Whether several sockets for clients may have one TCP address; the kernel chooses among them by a hash.
    pub reuse_port: bool,
    /// Whether the sockets listen. Those that do not get no connections until a server takes them over.
    pub listens: bool,
}

/// The bound sockets of a server that has not started: those for clients, and those of the admin endpoint.
#[derive(Debug, Default)]
pub struct Listeners {
    pub(crate) serving: Vec<Listener>,
    pub(crate) admin: Vec<Listener>,
}

impl Listeners {
    /// Binds every address of `serving` and `admin`, or none.
    ///
    /// # Errors
    ///
    /// The first address that could not be bound; the sockets before it are closed again.
    pub fn bind(
        serving: &[ListenSpec],
        admin: &[ListenSpec],
        options: BindOptions,
    ) -> Result<Self, BindError> {
        let alone = BindOptions {
            reuse_port: false,
            ..options
        };
        Ok(Self {
            serving: bind_all(serving, options)?,
            admin: bind_all(admin, alone)?,
        })
    }

    /// Where the sockets for clients listen.
    pub fn listening(&self) -> Vec<Listening> {
        addresses(&self.serving)
    }

    /// Where the sockets of the admin endpoint listen.
    pub fn admin_listening(&self) -> Vec<Listening> {
        addresses(&self.admin)
    }

    /// The descriptors of the sockets for clients.
    #[cfg(unix)]
    pub fn filenos(&self) -> Vec<std::os::fd::RawFd> {
        self.serving.iter().map(Listener::fileno).collect()
    }

    /// The descriptors of the sockets of the admin endpoint.
    #[cfg(unix)]
    pub fn admin_filenos(&self) -> Vec<std::os::fd::RawFd> {
        self.admin.iter().map(Listener::fileno).collect()
    }

    /// The files of Unix sockets that this process has made, each with its inode.
    #[cfg(unix)]
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let all = self.serving.iter().chain(&self.admin);
        all.filter_map(|listener| listener.file.as_ref())
            .map(|file| (file.path.clone(), file.inode))
            .collect()
    }

    /// This process has made `files` before it executed its program anew, and removes them with their sockets.
    #[cfg(unix)]
    pub fn own_files(&mut self, files: &[(PathBuf, u64)]) {
        for listener in self.serving.iter_mut().chain(&mut self.admin) {
            let own = files.iter().find(|(path, _)| listener.is_at(path));
            listener.file = own.map(|(path, inode)| SocketFile::new(path, *inode));
        }
    }
}

pub(crate) fn bind_all(
    specs: &[ListenSpec],
    options: BindOptions,
) -> Result<Vec<Listener>, BindError> {
    let bind = |spec: &ListenSpec| {
        Listener::bind(spec, options).map_err(|error| BindError {
            place: spec.to_string(),
            error,
        })
    };
    specs.iter().map(bind).collect()
}

/// The addresses of `listeners`, in their order.
pub(crate) fn addresses(listeners: &[Listener]) -> Vec<Listening> {
    let address = |listener: &Listener| listener.listening().clone();
    listeners.iter().map(address).collect()
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
    /// The file that this listener made. It is dropped first: whoever finds the file finds a socket behind it.
    #[cfg(unix)]
    file: Option<SocketFile>,
    acceptor: Acceptor,
    /// A connection that was accepted to see whether one waits.
    #[cfg(windows)]
    ahead: std::cell::RefCell<Option<(mio::net::TcpStream, std::net::SocketAddr)>>,
    listening: Listening,
}

impl Listener {
    fn bind(spec: &ListenSpec, options: BindOptions) -> io::Result<Self> {
        match spec {
            ListenSpec::Tcp(addr) => {
                let socket = Socket::new(Domain::for_address(*addr), Type::STREAM, None)?;
                if addr.is_ipv6() {
                    socket.set_only_v6(true)?;
                }
                share_address(&socket)?;
                if options.reuse_port {
                    set_reuse_port(&socket)?;
                }
                socket.bind(&SockAddr::from(*addr))?;
                Self::from_socket(socket, options)
            }
            #[cfg(unix)]
            ListenSpec::Unix(path) => Self::bind_unix(path, options),
            #[cfg(unix)]
            ListenSpec::Fd(fd) => Self::from_socket(duplicate(*fd)?, options),
        }
    }

    fn from_socket(socket: Socket, options: BindOptions) -> io::Result<Self> {
        let local = socket.local_addr()?;
        // Accepted connections inherit it, and so does whoever gets a descriptor of theirs. Sockets that are made here
        // have it already.
        #[cfg(target_vendor = "apple")]
        socket.set_nosigpipe(true)?;
        if options.listens {
            socket.listen(options.backlog)?;
        }
        socket.set_nonblocking(true)?;
        if let Some(addr) = local.as_socket() {
            // On Linux accepted sockets inherit the option, which saves a system call for each.
            socket.set_tcp_nodelay(true)?;
            let acceptor = Acceptor::Tcp(mio::net::TcpListener::from_std(socket.into()));
            return Ok(Self {
                acceptor,
                #[cfg(windows)]
                ahead: std::cell::RefCell::default(),
                listening: Listening::Tcp(addr),
                #[cfg(unix)]
                file: None,
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
                file: None,
            });
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "not a TCP or Unix stream socket",
        ))
    }

    #[cfg(unix)]
    fn bind_unix(path: &Path, options: BindOptions) -> io::Result<Self> {
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
            std::fs::Permissions::from_mode(options.unix_socket_perms),
        )?;
        let inode = std::fs::symlink_metadata(path)?.ino();
        let mut listener = Self::from_socket(socket, options)?;
        listener.file = Some(SocketFile::new(path, inode));
        Ok(listener)
    }

    #[cfg(unix)]
    fn fileno(&self) -> std::os::fd::RawFd {
        use std::os::fd::AsRawFd;
        match &self.acceptor {
            Acceptor::Tcp(s) => s.as_raw_fd(),
            Acceptor::Unix(s) => s.as_raw_fd(),
        }
    }

    #[cfg(unix)]
    fn is_at(&self, path: &Path) -> bool {
        matches!(&self.listening, Listening::Unix(own) if own == path)
    }

    pub(crate) fn listening(&self) -> &Listening {
        &self.listening
    }

    /// Takes the next waiting connection.
    pub(crate) fn accept(&self) -> io::Result<(Stream, Peer)> {
        match &self.acceptor {
            Acceptor::Tcp(listener) => {
                #[cfg(windows)]
                let ahead = self.ahead.take();
                #[cfg(not(windows))]
                let ahead = None;
                let (stream, peer) = ahead.map_or_else(|| listener.accept(), Ok)?;
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

    /// There is no such question on Windows: what waits is accepted, and kept for [`Listener::accept`]. An error is left
    /// to that, too. And mio reports the next connection only after an accept that found none.
    #[cfg(windows)]
    pub(crate) fn has_waiting(&self) -> bool {
        let Acceptor::Tcp(listener) = &self.acceptor;
        let mut ahead = self.ahead.borrow_mut();
        if ahead.is_some() {
            return true;
        }
        match listener.accept() {
            Ok(accepted) => {
                *ahead = Some(accepted);
                true
            }
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match &mut self.acceptor {
            Acceptor::Tcp(s) => s.register(registry, token, Interest::READABLE),
            #[cfg(unix)]
            Acceptor::Unix(s) => s.register(registry, token, Interest::READABLE),
        }
    }

    pub(crate) fn deregister(&mut self, registry: &Registry) {
        // The only error is that the listener was not registered.
        let _ = match &mut self.acceptor {
            Acceptor::Tcp(s) => s.deregister(registry),
            #[cfg(unix)]
            Acceptor::Unix(s) => s.deregister(registry),
        };
    }
}

/// Connections of an earlier server may still be closing at this address.
#[cfg(unix)]
fn share_address(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_address(true)
}

/// On Windows the flag above would let two servers share the port. Without this one, another program may still take
/// the port away by setting the flag above.
#[cfg(windows)]
#[expect(unsafe_code, reason = "no safe wrapper of this option exists")]
fn share_address(socket: &Socket) -> io::Result<()> {
    use std::os::windows::io::AsRawSocket;
    use windows_sys::Win32::Networking::WinSock;
    let on = 1_i32;
    // SAFETY: the socket is open, and the value is valid for the call and as long as it says.
    let failed = unsafe {
        WinSock::setsockopt(
            socket.as_raw_socket() as WinSock::SOCKET,
            WinSock::SOL_SOCKET,
            WinSock::SO_EXCLUSIVEADDRUSE,
            (&raw const on).cast(),
            size_of_val(&on) as i32,
        )
    };
    match failed {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(target_os = "linux")]
fn set_reuse_port(socket: &Socket) -> io::Result<()> {
    socket.set_reuse_port(true)
}

/// Windows has no such option. That of macOS and of BSDs divides no connections: one of the sockets gets them all.
#[cfg(not(target_os = "linux"))]
fn set_reuse_port(_socket: &Socket) -> io::Result<()> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "no reuse_port on this system",
    ))
}

/// Whether nobody has the socket at `path`. Only a refused connection proves it: a socket of another type, and one that
/// this process may not connect to are in use.
///
/// The probe is of another type than a server's socket. So the kernel only looks whether somebody has the socket, and
/// the server gets no connection. A probe of the same type would be refused by a full backlog on macOS and on BSDs.
#[cfg(unix)]
fn is_stale(path: &Path) -> io::Result<bool> {
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Err(error) => match error.kind() {
            io::ErrorKind::ConnectionRefused => Ok(true),
            io::ErrorKind::PermissionDenied => Err(error),
            _ => Ok(false),
        },
        Ok(()) => Ok(false),
    }
}

/// The file of a Unix socket. Dropping it removes the file.
#[cfg(unix)]
#[derive(Debug)]
struct SocketFile {
    path: PathBuf,
    /// Tells the file from a newer one at the same path.
    inode: u64,
    /// The process that made the file. A forked child has a copy of this, and must not remove it.
    process: u32,
}

#[cfg(unix)]
impl SocketFile {
    fn new(path: &Path, inode: u64) -> Self {
        Self {
            path: path.to_path_buf(),
            inode,
            process: std::process::id(),
        }
    }
}

#[cfg(unix)]
impl Drop for SocketFile {
    fn drop(&mut self) {
        use std::os::unix::fs::MetadataExt;
        if self.process == std::process::id()
            && std::fs::symlink_metadata(&self.path).is_ok_and(|meta| meta.ino() == self.inode)
        {
            // It fails in a directory that has become read-only; the next server replaces the file.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(unix)]
#[expect(unsafe_code, reason = "the caller passes a descriptor as a number")]
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

#[cfg(test)]
mod tests_of_tcp {
    use super::*;

    fn bound() -> (Listeners, std::net::SocketAddr) {
        let options = BindOptions {
            backlog: 5,
            unix_socket_perms: 0o600,
            reuse_port: false,
            listens: true,
        };
        let any = ListenSpec::Tcp("127.0.0.1:0".parse().unwrap());
        let bound = Listeners::bind(&[any], &[], options).unwrap();
        let Listening::Tcp(address) = bound.listening()[0] else {
            unreachable!()
        };
        (bound, address)
    }

    #[test]
    fn a_connection_is_seen_that_waits_to_be_accepted() {
        let (bound, address) = bound();
        let listener = &bound.serving[0];
        assert!(!listener.has_waiting());
        let _client = std::net::TcpStream::connect(address).unwrap();
        while !listener.has_waiting() {
            std::thread::yield_now();
        }
        listener.accept().unwrap();
        assert!(!listener.has_waiting());
    }

    #[test]
    fn no_other_program_takes_the_port() {
        let (_bound, address) = bound();
        let other = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        other.set_reuse_address(true).unwrap();
        let taken = other
            .bind(&SockAddr::from(address))
            .and_then(|()| other.listen(1));
        taken.unwrap_err();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    const OPTIONS: BindOptions = BindOptions {
        backlog: 1,
        unix_socket_perms: 0o600,
        reuse_port: false,
        listens: true,
    };

    #[test]
    fn without_its_admin_endpoint_nothing_is_bound() {
        let dir = tempfile::tempdir().unwrap();
        let serving = dir.path().join("serving");
        let admin = dir.path().join("nowhere/admin");
        let specs = [serving, admin].map(ListenSpec::Unix);
        let failed = Listeners::bind(&specs[..1], &specs[1..], OPTIONS).unwrap_err();
        assert_eq!(failed.place, specs[1].to_string());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    /// The probe of another type leaves no connection behind that the server would have to accept.
    #[test]
    fn a_socket_in_use_is_not_stale_and_its_server_does_not_notice_the_question() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let address = SockAddr::unix(&path).unwrap();
        for (kind, backlog) in [
            (Type::DGRAM, None),
            (Type::STREAM, None),
            (Type::STREAM, Some(0)),
        ] {
            let owner = Socket::new(Domain::UNIX, kind, None).unwrap();
            owner.bind(&address).unwrap();
            if let Some(backlog) = backlog {
                owner.listen(backlog).unwrap();
            }
            owner.set_nonblocking(true).unwrap();
            for _ in 0..3 {
                assert!(!is_stale(&path).unwrap(), "{kind:?} {backlog:?}");
            }
            if backlog.is_some() {
                let nobody = owner.accept().unwrap_err();
                assert_eq!(nobody.kind(), io::ErrorKind::WouldBlock);
            }
            drop(owner);
            assert!(is_stale(&path).unwrap());
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn several_sockets_share_a_port_if_all_of_them_allow_it() {
        let shared = BindOptions {
            reuse_port: true,
            ..OPTIONS
        };
        let any = ListenSpec::Tcp("127.0.0.1:0".parse().unwrap());
        let first = Listeners::bind(&[any], &[], shared).unwrap();
        let Listening::Tcp(address) = first.listening()[0] else {
            unreachable!()
        };
        let same = [ListenSpec::Tcp(address)];
        let second = Listeners::bind(&same, &[], shared).unwrap();
        assert_eq!(second.listening(), first.listening());
        let refused = Listeners::bind(&same, &[], OPTIONS).unwrap_err();
        assert_eq!(refused.error.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_socket_gets_no_connections_before_somebody_takes_it_over() {
        let bound = BindOptions {
            listens: false,
            ..OPTIONS
        };
        let any = ListenSpec::Tcp("127.0.0.1:0".parse().unwrap());
        let held = Listeners::bind(&[any], &[], bound).unwrap();
        let Listening::Tcp(address) = held.listening()[0] else {
            unreachable!()
        };
        std::net::TcpStream::connect(address).unwrap_err();
        let passed = [ListenSpec::Fd(held.filenos()[0])];
        let _taken = Listeners::bind(&passed, &[], OPTIONS).unwrap();
        std::net::TcpStream::connect(address).unwrap();
    }

    #[test]
    fn a_forked_child_leaves_the_file_to_its_parent() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let mut bound = Listeners::bind(&[ListenSpec::Unix(path.clone())], &[], OPTIONS).unwrap();
        if let Some(file) = &mut bound.serving[0].file {
            file.process += 1;
        }
        drop(bound);
        assert!(path.exists());
        // Nobody listens on it, so it is replaced.
        drop(Listeners::bind(&[ListenSpec::Unix(path.clone())], &[], OPTIONS).unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn the_files_of_passed_sockets_are_removed_by_the_process_that_made_them() {
        let dir = tempfile::tempdir().unwrap();
        let specs = ["serving", "admin"].map(|name| ListenSpec::Unix(dir.path().join(name)));
        let bound = Listeners::bind(&specs[..1], &specs[1..], OPTIONS).unwrap();
        let passed = |filenos: Vec<_>| filenos.into_iter().map(ListenSpec::Fd).collect::<Vec<_>>();
        let (serving, admin) = (passed(bound.filenos()), passed(bound.admin_filenos()));
        let files = bound.files();
        std::mem::forget(bound); // as an exec does
        drop(Listeners::bind(&serving, &admin, OPTIONS).unwrap());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
        let mut adopted = Listeners::bind(&serving, &admin, OPTIONS).unwrap();
        adopted.own_files(&files);
        assert_eq!(adopted.files(), files);
        drop(adopted);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
