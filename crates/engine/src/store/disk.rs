//! How much of a turn of the loop the disk may take.
//!
//! The I/O thread writes bodies to temporary files and sends from files. One call to a slow disk may take
//! longer than a whole turn should, and nobody can interrupt it. So the thread measures its disk calls, and
//! makes no more of them in a turn that has spent [`MOST`] on them.

use std::time::Duration;

use crate::sys::sync::now;

/// Time that the I/O thread has spent on disk calls in this turn.
#[derive(Debug)]
pub(crate) struct DiskTime {
    spent: Duration,
    /// What a turn may spend; the call that exceeds it is the last one.
    most: Duration,
    /// The disk was too slow for the last turn that used it.
    slow: bool,
}

impl Default for DiskTime {
    fn default() -> Self {
        Self {
            spent: Duration::ZERO,
            most: MOST,
            slow: false,
        }
    }
}

impl DiskTime {
    /// Disk calls may take as long as they like: for tests whose thread may stand still meanwhile.
    #[cfg(all(test, unix))]
    pub(crate) fn without_end() -> Self {
        Self {
            most: Duration::MAX,
            ..Self::default()
        }
    }

    pub(crate) fn begin_turn(&mut self) {
        if self.spent > Duration::ZERO {
            self.slow = self.is_used_up();
            self.spent = Duration::ZERO;
        }
    }

    /// Bytes to send from a file by one call: few from a slow disk, which may take its time for each page.
    pub(crate) fn most(&self) -> usize {
        if self.slow { SLOW_CALL } else { usize::MAX }
    }

    /// Makes a disk call.
    pub(crate) fn measure<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let began = now();
        let result = call();
        self.spent += now().saturating_duration_since(began);
        result
    }

    /// No more disk calls in this turn.
    pub(crate) fn use_up(&mut self) {
        self.spent = self.most;
    }

    pub(crate) fn is_used_up(&self) -> bool {
        self.spent >= self.most
    }
}

/// Disk time of a turn.
const MOST: Duration = Duration::from_millis(5);
const SLOW_CALL: usize = 64 * 1024;

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn calls_add_up_until_the_next_turn() {
        let mut disk = DiskTime::default();
        let wait = || {
            let began = now();
            while now() - began < MOST / 2 {}
            7
        };
        assert_eq!(disk.measure(wait), 7);
        disk.measure(wait);
        assert!(disk.is_used_up());
        assert_eq!(disk.most(), usize::MAX);
        for _ in 0..2 {
            disk.begin_turn();
            assert_eq!((disk.is_used_up(), disk.most()), (false, SLOW_CALL));
        }
        disk.spent = Duration::from_nanos(1);
        disk.begin_turn();
        assert_eq!(disk.most(), usize::MAX);
        disk.use_up();
        assert!(disk.is_used_up());
    }
}
