//! CPU clocks of the workers, read from outside by the governor.

use std::time::Duration;

/// The CPU clock of one thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadClock {
    #[cfg(target_os = "linux")]
    id: libc::clockid_t,
}

#[cfg(target_os = "linux")]
impl ThreadClock {
    /// The clock of the calling thread.
    #[expect(
        unsafe_code,
        reason = "no safe wrapper of pthread_getcpuclockid exists"
    )]
    pub(crate) fn of_this_thread() -> Option<Self> {
        let mut id = 0;
        // SAFETY: `id` is a valid place for the result, and the calling thread exists.
        let failed = unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &raw mut id) };
        (failed == 0).then_some(Self { id })
    }

    /// CPU time the thread has used; `None` once it has ended.
    #[expect(
        unsafe_code,
        reason = "rustix does not take clock ids of other threads"
    )]
    pub(crate) fn read(self) -> Option<Duration> {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `time` is a valid place for the result; an id that has ended gives EINVAL.
        let failed = unsafe { libc::clock_gettime(self.id, &raw mut time) };
        (failed == 0).then(|| Duration::new(time.tv_sec as u64, time.tv_nsec as u32))
    }
}

#[cfg(not(target_os = "linux"))]
impl ThreadClock {
    /// No clock that other threads can read: the governor lets all workers be active.
    pub(crate) fn of_this_thread() -> Option<Self> {
        None
    }

    /// Never called, since no clock exists.
    pub(crate) fn read(self) -> Option<Duration> {
        None
    }
}

/// Blocks every signal on the calling thread, so that they reach the thread Python expects, and so
/// that a vanished client cannot raise SIGPIPE from `sendfile`.
#[cfg(unix)]
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
}

#[cfg(not(unix))]
pub(crate) fn block_signals() {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_working_thread_uses_time_and_an_ended_one_has_none() {
        let clock = std::thread::spawn(|| {
            let clock = ThreadClock::of_this_thread().unwrap();
            let before = clock.read().unwrap();
            while clock.read().unwrap() <= before {}
            clock
        });
        let clock = clock.join().unwrap();
        assert_eq!(clock.read(), None);
    }
}
