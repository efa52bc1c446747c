//! Memory that the allocator keeps for later.

/// Gives the allocator's free pages back to the system, where the allocator is glibc's. That takes some
/// milliseconds per 100 MiB, in which threads may have to wait when they allocate.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "no safe wrapper of malloc_trim exists")]
pub(crate) fn give_back() {
    // SAFETY: malloc_trim takes no pointer and may be called by any thread at any time.
    unsafe { libc::malloc_trim(0) };
}

/// Other allocators do so by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back() {}
