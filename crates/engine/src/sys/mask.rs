//! Signal masks of threads: which signals the kernel may deliver to a thread.

#[cfg(unix)]
pub(crate) use unix::block_signals;
#[cfg(target_os = "linux")]
pub(crate) use unix::without_sigpipe;

#[cfg(not(unix))]
pub(crate) fn block_signals() {}

#[cfg(unix)]
mod unix {
    use std::cell::Cell;

    thread_local! {
        /// This thread has blocked every signal.
        static BLOCKED: Cell<bool> = const { Cell::new(false) };
    }

    /// Blocks every signal on the calling thread, which is one of the engine's. The kernel then delivers signals to a
    /// thread of Python's, and a client that has left raises no SIGPIPE here.
    #[expect(unsafe_code, reason = "no safe wrapper of pthread_sigmask exists")]
    pub(crate) fn block_signals() {
        // SAFETY: both sets are valid for the calls, `sigfillset` initialises the first, and null for
        // the old mask is allowed. Synchronous faults (SIGSEGV and the like) stay deliverable.
        unsafe {
            let mut set = std::mem::zeroed();
            libc::sigfillset(&raw mut set);
            for fault in [
                libc::SIGSEGV,
                libc::SIGBUS,
                libc::SIGFPE,
                libc::SIGILL,
                libc::SIGABRT,
                libc::SIGTRAP,
            ] {
                libc::sigdelset(&raw mut set, fault);
            }
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
        }
        BLOCKED.set(true);
    }

    /// Runs `send` with SIGPIPE blocked, and takes back the signal if `send` has raised it. `sendfile` raises it when
    /// the client has left, and has no flag against that. A leader is a thread of the application's, which may have
    /// restored the signal's default action: to end the process.
    #[cfg(target_os = "linux")]
    #[expect(unsafe_code, reason = "no safe wrapper of these calls exists")]
    pub(crate) fn without_sigpipe<T>(
        send: impl FnOnce() -> std::io::Result<T>,
    ) -> std::io::Result<T> {
        if BLOCKED.get() {
            return send();
        }
        // SAFETY: all sets are valid for the calls, and are initialised by them or by zeroes. Null is allowed for a
        // result that the caller does not want.
        unsafe {
            let (mut pipe, mut before) = (std::mem::zeroed(), std::mem::zeroed());
            libc::sigemptyset(&raw mut pipe);
            libc::sigaddset(&raw mut pipe, libc::SIGPIPE);
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const pipe, &raw mut before);
            let result = send();
            let raised = result.as_ref().err().and_then(std::io::Error::raw_os_error);
            if raised == Some(libc::EPIPE)
                && libc::sigismember(&raw const before, libc::SIGPIPE) == 0
            {
                let now = libc::timespec {
                    tv_sec: 0,
                    tv_nsec: 0,
                };
                libc::sigtimedwait(&raw const pipe, std::ptr::null_mut(), &raw const now);
            }
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut());
            result
        }
    }

    #[cfg(all(test, target_os = "linux"))]
    mod tests {
        use std::os::unix::net::UnixStream;
        use std::sync::atomic::{AtomicU32, Ordering};

        use super::*;

        static RAISED: AtomicU32 = AtomicU32::new(0);

        extern "C" fn count(_: i32) {
            RAISED.fetch_add(1, Ordering::SeqCst);
        }

        #[test]
        #[expect(
            unsafe_code,
            reason = "std ignores SIGPIPE, and this is about processes that do not"
        )]
        fn a_client_that_left_raises_no_signal_and_leaves_none_behind() {
            let handler: extern "C" fn(i32) = count;
            // SAFETY: the handler only adds to an atomic.
            unsafe { libc::signal(libc::SIGPIPE, handler as libc::sighandler_t) };
            let file = tempfile::tempfile().unwrap();
            file.set_len(100).unwrap();
            let (ours, theirs) = UnixStream::pair().unwrap();
            drop(theirs);
            let send = || Ok(rustix::fs::sendfile(&ours, &file, Some(&mut 0), 100)?);
            let error = without_sigpipe(send).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
            assert_eq!(RAISED.load(Ordering::SeqCst), 0);
            // The same call without the guard raises the signal.
            let unguarded: std::io::Result<usize> = send();
            assert!(unguarded.is_err());
            assert_eq!(RAISED.load(Ordering::SeqCst), 1);
        }
    }
}
