//! Figures of the process as the system keeps them; `None` where it keeps none.

use std::time::Duration;

/// CPU seconds of all threads.
#[cfg(target_os = "linux")]
pub(crate) fn cpu() -> Option<f64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).ok()?;
    Some(Duration::new(seconds, u32::try_from(time.tv_nsec).ok()?).as_secs_f64())
}

/// Bytes of memory in use.
#[cfg(target_os = "linux")]
pub(crate) fn resident() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Open descriptors.
#[cfg(target_os = "linux")]
pub(crate) fn descriptors() -> Option<u64> {
    // Linux has it ready since 6.2. Before, they have to be counted.
    let known = std::fs::metadata("/proc/self/fd").ok()?.len();
    if known > 0 {
        return Some(known);
    }
    // The one that reads the directory is among them.
    let entries = std::fs::read_dir("/proc/self/fd").ok()?;
    Some(entries.count().saturating_sub(1) as u64)
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn cpu() -> Option<f64> {
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

/// Processors this process may use.
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
