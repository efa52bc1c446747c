//! CPU clocks of threads. The governor reads those of the workers, and each worker measures its own tasks.

use std::time::Duration;

/// The CPU clock of one thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadClock {
    #[cfg(all(target_os = "linux", not(shuttle)))]
    id: libc::clockid_t,
    #[cfg(all(target_os = "linux", not(shuttle)))]
    thread: i32,
}

#[cfg(all(target_os = "linux", not(shuttle)))]
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
        (failed == 0).then(|| Self {
            id,
            thread: rustix::thread::gettid().as_raw_nonzero().get(),
        })
    }

    /// How long the thread was ready to run but had no processor. `None` where the kernel does not tell.
    pub(crate) fn delayed(self) -> Option<Duration> {
        let path = format!("/proc/self/task/{}/schedstat", self.thread);
        let text = std::fs::read_to_string(path).ok()?;
        let nanos = text.split(' ').nth(1)?.parse().ok()?;
        Some(Duration::from_nanos(nanos))
    }

    /// CPU time that the thread has used. `None` when the thread has ended.
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

#[cfg(not(all(target_os = "linux", not(shuttle))))]
impl ThreadClock {
    /// `None`: this system has no clock that other threads can read. So the governor lets all workers be active.
    pub(crate) fn of_this_thread() -> Option<Self> {
        None
    }

    /// Never called, since no clock exists.
    pub(crate) fn delayed(self) -> Option<Duration> {
        None
    }

    /// Never called, since no clock exists.
    pub(crate) fn read(self) -> Option<Duration> {
        None
    }
}

/// The clocks of all workers.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkerClocks {
    /// By the worker's number. The outer `None` is a number not in use, the inner one a system without such clocks.
    clocks: Vec<Option<Option<ThreadClock>>>,
    /// CPU time and delay of the workers that have left.
    past: (Duration, Duration),
}

impl WorkerClocks {
    /// The calling thread is worker `number` from now on.
    pub(crate) fn join(&mut self, number: usize) {
        if self.clocks.len() <= number {
            self.clocks.resize(number + 1, None);
        }
        self.clocks[number] = Some(ThreadClock::of_this_thread());
    }

    /// The calling thread, worker `number`, leaves. Its CPU time still counts.
    pub(crate) fn leave(&mut self, number: usize) {
        if let Some(clock) = self.clocks[number].take().flatten() {
            self.past.0 += clock.read().unwrap_or_default();
            self.past.1 += clock.delayed().unwrap_or_default();
        }
    }

    /// CPU time that all workers together have used. `None` where it cannot be measured.
    pub(crate) fn read(&self) -> Option<Duration> {
        let now: Option<Duration> = self
            .clocks
            .iter()
            .flatten()
            .map(|clock| clock.and_then(ThreadClock::read))
            .sum();
        Some(now? + self.past.0)
    }

    /// How long workers were ready to run but had no processor, in sum.
    pub(crate) fn delayed(&self) -> Duration {
        let clocks = self.clocks.iter().flatten().flatten();
        let now: Duration = clocks.filter_map(|clock| clock.delayed()).sum();
        now + self.past.1
    }
}

/// Measures the CPU time of tasks on one thread.
///
/// To read a thread's CPU clock takes a system call, some 0.5 µs; the wall clock takes 0.03 µs. Beside a task of a few
/// microseconds that is much. So while tasks are shorter than [`SHORT`] on average, only one in [`EVERY`] is measured.
#[derive(Debug)]
pub(crate) struct CpuMeter {
    clock: Option<ThreadClock>,
    /// The last reading.
    read: Option<Duration>,
    /// The last reading was made when the last task ended.
    fresh: bool,
    /// The running task is measured.
    measured: bool,
    skipped: u32,
    /// Wall time of tasks in nanoseconds, averaged over about the last eight.
    average: u64,
}

impl CpuMeter {
    pub(crate) fn of_this_thread() -> Self {
        Self {
            clock: ThreadClock::of_this_thread(),
            read: None,
            fresh: false,
            measured: false,
            skipped: 0,
            // The average is unknown yet. This value makes the first tasks measured.
            average: SHORT * 8,
        }
    }

    pub(crate) fn clock(&self) -> Option<ThreadClock> {
        self.clock
    }

    /// A task begins. `parked`: the thread has slept since the last task. Returns the last reading of the clock.
    pub(crate) fn begin(&mut self, parked: bool) -> Option<Duration> {
        self.measured = self.average >= SHORT || self.skipped + 1 >= EVERY || self.read.is_none();
        if !self.measured {
            self.skipped += 1;
        } else if !self.fresh || parked {
            self.read = self.clock.and_then(ThreadClock::read);
        }
        self.fresh = false;
        self.read
    }

    /// The task ends after `wall` nanoseconds. Returns its CPU time, if that was measured.
    pub(crate) fn end(&mut self, wall: u64) -> Option<Duration> {
        self.average = self.average - self.average / 8 + wall / 8;
        if !self.measured {
            return None;
        }
        self.skipped = 0;
        let before = self.read?;
        let now = self.clock.and_then(ThreadClock::read)?;
        self.read = Some(now);
        self.fresh = true;
        Some(now.saturating_sub(before))
    }
}

/// Of tasks that take fewer nanoseconds than this on average, not all are measured.
const SHORT: u64 = 100_000;
/// One in this many short tasks is measured, which costs 0.015 µs per task.
const EVERY: u32 = 64;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn every_long_task_is_measured_and_few_short_ones() {
        let mut meter = CpuMeter::of_this_thread();
        let mut measured = |wall: u64, tasks: u32| {
            let count = |_: &u32| {
                meter.begin(false);
                meter.end(wall).is_some()
            };
            (0..tasks).filter(count).count()
        };
        assert_eq!(measured(1_000_000, 100), 100);
        measured(1_000, 100);
        assert_eq!(measured(1_000, 640), 10);
        measured(50_000_000, 1);
        assert_eq!(measured(1_000, 10), 10);
    }

    #[test]
    fn cpu_time_is_the_threads_own() {
        let mut meter = CpuMeter::of_this_thread();
        meter.begin(false);
        std::thread::sleep(Duration::from_millis(20));
        let slept = meter.end(20_000_000).unwrap();
        assert!(slept < Duration::from_millis(10), "{slept:?}");
    }

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
