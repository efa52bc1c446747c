//! What an error of accept(2) is about. It decides what the server does: nothing, drop one connection, make
//! room, or pause the listener (`io/accept.rs`).

use std::io;

/// What the error is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// No connection waits.
    Nobody,
    /// The connection that was next, which is gone. Others may wait behind it.
    Connection,
    /// The process or the system has no descriptor or no memory for one more connection.
    Room,
    /// The listener, or something unknown. To retry at once would not help, nor would closing other
    /// connections.
    Listener,
}

impl Trouble {
    pub(crate) fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::WouldBlock => return Self::Nobody,
            io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted => return Self::Connection,
            _ => {}
        }
        match error.raw_os_error() {
            Some(code) if ROOM.contains(&code) => Self::Room,
            Some(code) if CONNECTION.contains(&code) => Self::Connection,
            _ => Self::Listener,
        }
    }
}

#[cfg(unix)]
const ROOM: &[i32] = &[libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
#[cfg(windows)]
const ROOM: &[i32] = &[10024, 10055]; // WSAEMFILE, WSAENOBUFS

/// Linux reports an error that is pending on the new connection as an error of accept(2). A connection that
/// a firewall forbids gives EPERM.
#[cfg(unix)]
const CONNECTION: &[i32] = &[
    libc::EPERM,
    libc::EPROTO,
    libc::ENOPROTOOPT,
    libc::EPROTONOSUPPORT,
    libc::ESOCKTNOSUPPORT,
    libc::EOPNOTSUPP,
    libc::ENETDOWN,
    libc::ENETUNREACH,
    libc::EHOSTDOWN,
    libc::EHOSTUNREACH,
    libc::ETIMEDOUT,
    #[cfg(target_os = "linux")]
    libc::ENONET,
    #[cfg(target_os = "linux")]
    libc::ENOSR,
];
#[cfg(windows)]
const CONNECTION: &[i32] = &[];

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    /// The list of accept(2).
    #[test]
    fn every_error_of_the_manual_has_its_place() {
        let rows: &[(Trouble, &[i32])] = &[
            (Trouble::Nobody, &[libc::EAGAIN]),
            (
                Trouble::Connection,
                &[
                    libc::ECONNABORTED,
                    libc::EINTR,
                    libc::EPERM,
                    libc::EPROTO,
                    libc::ENETDOWN,
                    libc::ENOPROTOOPT,
                    libc::EHOSTDOWN,
                    libc::ENONET,
                    libc::EHOSTUNREACH,
                    libc::EOPNOTSUPP,
                    libc::ENETUNREACH,
                    libc::ENOSR,
                    libc::ESOCKTNOSUPPORT,
                    libc::EPROTONOSUPPORT,
                    libc::ETIMEDOUT,
                ],
            ),
            (
                Trouble::Room,
                &[libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM],
            ),
            (
                Trouble::Listener,
                &[
                    libc::EBADF,
                    libc::EFAULT,
                    libc::EINVAL,
                    libc::ENOTSOCK,
                    libc::EACCES,
                ],
            ),
        ];
        for (trouble, codes) in rows {
            for code in *codes {
                let error = io::Error::from_raw_os_error(*code);
                assert_eq!(Trouble::of(&error), *trouble, "{error}");
            }
        }
    }
}
