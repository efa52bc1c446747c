//! How soon a thread runs that was woken while another has its core.

/// Asks for short turns of the core, and so for early ones, for the calling thread: since Linux 6.12 a thread with a
/// shorter slice interrupts one with a longer slice. Else a thread that computes keeps the core for some milliseconds,
/// and who woke meanwhile waits. It gets no more of the core in all, and needs no privilege.
///
/// Older kernels have no such slice, and other policies than the normal one no use for it: there nothing changes.
pub(crate) fn shorten() {
    #[cfg(target_os = "linux")]
    linux::shorten();
}

#[cfg(target_os = "linux")]
mod linux {
    /// The shortest slice there is, in nanoseconds.
    const SHORTEST: u64 = 100_000;

    pub(super) fn shorten() {
        if !may_ask() {
            return;
        }
        let Some(mut wanted) = current() else {
            return;
        };
        // Before 6.12 normal threads show no slice.
        if wanted.sched_policy != libc::SCHED_OTHER as u32 || wanted.sched_runtime <= SHORTEST {
            return;
        }
        wanted.sched_runtime = SHORTEST;
        set(&wanted);
    }

    /// A filter of system calls may end the process for asking. Containers' filters return an error, those of systemd
    /// kill, and `SystemCallFilter=~@resources` is in much advice.
    fn may_ask() -> bool {
        let (status, environ) = ("/proc/self/status", "/proc/self/environ");
        match (std::fs::read(status), std::fs::read(environ)) {
            (Ok(status), Ok(environ)) => !is_filtered(&status) || !is_unit(&environ),
            _ => false,
        }
    }

    fn is_filtered(status: &[u8]) -> bool {
        !status.split(|b| *b == b'\n').any(|l| l == b"Seccomp:\t0")
    }

    /// systemd gives each unit this variable (systemd.exec(5)).
    fn is_unit(environ: &[u8]) -> bool {
        let mut variables = environ.split(|b| *b == 0);
        variables.any(|variable| variable.starts_with(b"INVOCATION_ID="))
    }

    #[expect(unsafe_code, reason = "no library has this system call")]
    fn current() -> Option<libc::sched_attr> {
        const SIZE: usize = size_of::<libc::sched_attr>();
        let (this_thread, no_flags) = (0, 0);
        // SAFETY: a structure of numbers, for which zeroes are valid. The kernel writes at most `SIZE` bytes to it.
        unsafe {
            let mut attributes: libc::sched_attr = std::mem::zeroed();
            let at = &raw mut attributes;
            let failed = libc::syscall(libc::SYS_sched_getattr, this_thread, at, SIZE, no_flags);
            (failed == 0).then_some(attributes)
        }
    }

    #[expect(unsafe_code, reason = "no library has this system call")]
    fn set(wanted: &libc::sched_attr) {
        let (this_thread, no_flags) = (0, 0);
        // SAFETY: the kernel reads as many bytes as the structure says that it has.
        unsafe {
            let at = &raw const *wanted;
            libc::syscall(libc::SYS_sched_setattr, this_thread, at, no_flags);
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_thread_keeps_its_policy_and_its_priority() {
            let before = current().unwrap();
            shorten();
            let after = current().unwrap();
            let kept = |it: &libc::sched_attr| (it.sched_policy, it.sched_nice, it.sched_flags);
            assert_eq!(kept(&after), kept(&before));
            let normal = before.sched_policy == libc::SCHED_OTHER as u32;
            if normal && before.sched_runtime > 0 && may_ask() {
                assert_eq!(after.sched_runtime, SHORTEST);
            }
        }

        #[test]
        fn a_unit_with_a_filter_does_not_ask() {
            assert!(is_filtered(
                b"Name:\tpython\nSeccomp:\t2\nSeccomp_filters:\t1\n"
            ));
            assert!(!is_filtered(
                b"NoNewPrivs:\t0\nSeccomp:\t0\nSeccomp_filters:\t0\n"
            ));
            assert!(is_unit(b"HOME=/root\0INVOCATION_ID=5f\0"));
            assert!(!is_unit(b"HOME=/root\0NOT_INVOCATION_ID=5f\0"));
        }
    }
}
