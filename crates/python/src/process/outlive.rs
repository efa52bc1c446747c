//! Threads that outlive the interpreter.
//!
//! Before 3.14, CPython ends a thread that asks for the GIL while the interpreter is torn down by
//! `pthread_exit`. glibc carries that out as an exception, and an exception that is not Rust's aborts the
//! process at the first frame of ours that catches panics. So each of our Python threads has a cleanup
//! handler that never returns: the thread stands still, as it does from 3.14 on, and ends with the process.
//!
//! PyO3 does the same where a thread detached in Rust. This is for a thread that detached in Python code
//! which we called: a view that sleeps, say. Elsewhere (musl, macOS, Windows) no frame is unwound.

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
            reason = "C knows these functions as a macro; nothing safe offers them"
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
            // On the heap: glibc runs a handler once the stack is unwound beyond its buffer. A buffer that is
            // not on the stack counts as left with the first frame.
            let buffer = Box::into_raw(Box::new(Buffer {
                routine: None,
                argument: ptr::null_mut(),
                cancel_type: 0,
                previous: ptr::null_mut(),
            }));
            // SAFETY: the buffer stays where it is until it is popped, which `drop` does on this thread.
            unsafe { push(buffer, stand_still, ptr::null_mut()) };
            Self(Some((buffer, pop)))
        }
    }

    impl Drop for StandStill {
        #[expect(unsafe_code, reason = "as in `new`")]
        fn drop(&mut self) {
            if let Some((buffer, pop)) = self.0 {
                // SAFETY: `new` made it from a box, and pushed it on this thread, as the last one: the guard is
                // a local variable.
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
