//! Figures that the operating system keeps about this process. `None` where it keeps no such figure.

use std::time::Duration;

/// CPU time that all threads have used.
#[cfg(target_os = "linux")]
pub(crate) fn cpu() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).ok()?;
    Some(Duration::new(seconds, u32::try_from(time.tv_nsec).ok()?))
}

/// Resident memory, in bytes.
#[cfg(target_os = "linux")]
pub(crate) fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// How many descriptors are open.
#[cfg(target_os = "linux")]
pub(crate) fn descriptors() -> Option<u64> {
    // Linux tells the number since version 6.2. Older ones list the descriptors, to be counted.
    let known = std::fs::metadata("/proc/self/fd").ok()?.len();
    if known > 0 {
        return Some(known);
    }
    // The list contains the descriptor that reads it.
    let entries = std::fs::read_dir("/proc/self/fd").ok()?;
    Some(entries.count().saturating_sub(1) as u64)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn cpu() -> Option<Duration> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn resident() -> Option<u64> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn descriptors() -> Option<u64> {
    None
}

/// How many processors this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn the_system_knows_this_process() {
        assert!(super::resident().unwrap() > 100_000);
        assert!(super::descriptors().unwrap() >= 3);
        let before = super::cpu().unwrap();
        while super::cpu().unwrap() <= before {}
    }
}
