//! Threads that outlive the interpreter.
//!
//! While CPython before 3.14 tears its interpreter down, it calls `pthread_exit` on each thread that asks for the
//! GIL. glibc carries that out as an exception. A foreign exception aborts the process at the first Rust frame
//! that catches panics. So each of the server's Python threads has a cleanup handler that never returns: the
//! thread hangs, as it does from 3.14 on, and ends with the process.
//!
//! PyO3 protects a thread that detached in Rust. This module protects a thread that detached in Python code, such
//! as a view that sleeps. Other systems (musl, macOS, Windows) unwind no frame.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod glibc {
    use std::ffi::{CStr, c_int, c_void};
    use std::ptr;

    /// `struct _pthread_cleanup_buffer` of `<pthread.h>`.
    #[repr(C)]
    struct Buffer {
        routine: Option<extern "C" fn(*mut c_void)>,
        argument: *mut c_void,
        cancel_type: c_int,
        previous: *mut Buffer,
    }

    type Push = unsafe extern "C" fn(*mut Buffer, extern "C" fn(*mut c_void), *mut c_void);
    type Pop = unsafe extern "C" fn(*mut Buffer, c_int);

    /// Keeps the handler of the calling thread in place.
    pub(crate) struct StandStill(Option<(*mut Buffer, Pop)>);

    impl StandStill {
        /// Does nothing where the system has no such handlers.
        #[expect(
            unsafe_code,
            reason = "C offers these functions as a macro, and nothing safe does"
        )]
        pub(crate) fn new() -> Self {
            let (Some(push), Some(pop)) = (
                function(c"_pthread_cleanup_push"),
                function(c"_pthread_cleanup_pop"),
            ) else {
                return Self(None);
            };
            // SAFETY: these are the types of both functions in glibc's <pthread.h>.
            let (push, pop) = unsafe {
                (
                    std::mem::transmute::<*mut c_void, Push>(push.as_ptr()),
                    std::mem::transmute::<*mut c_void, Pop>(pop.as_ptr()),
                )
            };
            // On the heap: glibc runs a handler when the stack is unwound past its buffer. It treats a buffer that
            // is not on the stack as passed with the first frame.
            let buffer = Box::into_raw(Box::new(Buffer {
                routine: None,
                argument: ptr::null_mut(),
                cancel_type: 0,
                previous: ptr::null_mut(),
            }));
            // SAFETY: the buffer does not move until `drop` pops it, on this thread.
            unsafe { push(buffer, stand_still, ptr::null_mut()) };
            Self(Some((buffer, pop)))
        }
    }

    impl Drop for StandStill {
        #[expect(unsafe_code, reason = "as in `new`")]
        fn drop(&mut self) {
            if let Some((buffer, pop)) = self.0 {
                // SAFETY: `new` made the buffer from a box and pushed it on this thread. It is the last one pushed,
                // since the guard is a local variable.
                unsafe {
                    pop(buffer, 0);
                    drop(Box::from_raw(buffer));
                }
            }
        }
    }

    extern "C" fn stand_still(_: *mut c_void) {
        loop {
            std::thread::park();
        }
    }

    #[expect(unsafe_code, reason = "a lookup by name works with every libc")]
    fn function(name: &CStr) -> Option<ptr::NonNull<c_void>> {
        // SAFETY: `name` is a C string; the default handle is always valid.
        ptr::NonNull::new(unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) })
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod elsewhere {
    pub(crate) struct StandStill;

    impl StandStill {
        pub(crate) fn new() -> Self {
            Self
        }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) use elsewhere::StandStill;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) use glibc::StandStill;
