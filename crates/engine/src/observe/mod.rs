//! What people and monitors see of a server, and what is made of it: figures over time, advice, the
//! number of workers, the admin endpoint.
//!
//! The [`Observatory`] holds what is kept for that. `Server` owns it; the loop knows it as an
//! [`Observer`] only, and `Shared` does not know it.

pub(crate) mod admin;
pub(crate) mod advice;
pub(crate) mod overseer;
#[cfg(all(unix, not(all(test, shuttle))))]
pub(crate) mod overview;
pub(crate) mod pool;
pub(crate) mod profile;
pub(crate) mod snapshot;
pub(crate) mod watch;

use crate::sys::instant::Instant;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::Duration;

use self::advice::{Advice, Case, Kind, Window, advise, limit};
use self::overseer::Overseer;
use self::profile::Profile;
use self::watch::{Sample, Watch};
use crate::io::observer::Observer;
use crate::shared::Shared;
use crate::sys::throttle::Seldom;

/// What is kept of a server's figures, and who acts on them.
#[derive(Debug)]
pub(crate) struct Observatory {
    pub(crate) shared: Arc<Shared>,
    pub(crate) watch: Watch,
    pub(crate) profile: Profile,
    /// There is a thread that looks where the workers are.
    watched: AtomicBool,
    overseer: Overseer,
    tick_due: Seldom,
    advice_log: Seldom,
    /// The kind of the last advice, by its number.
    advised: AtomicU8,
}

impl Observatory {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self {
            watch: Watch::new(),
            profile: Profile::default(),
            watched: AtomicBool::new(false),
            overseer: Overseer::new(&shared.settings),
            tick_due: Seldom::new(Duration::from_secs(1)),
            advice_log: Seldom::new(Duration::from_secs(60)),
            advised: AtomicU8::new(0),
            shared: Arc::clone(shared),
        }
    }

    /// Takes a sample of all figures, unless the last one is younger than a second.
    pub(crate) fn sample(&self, now: Instant) {
        if self.watch.sample(&self.shared, now) {
            // Whoever wants figures wants to know about the GIL, too.
            self.shared.running.watch_bell().ring();
        }
    }

    /// Counts the channels anew and takes a sample. Waits for the I/O thread, so that must not call it.
    pub(crate) fn count(&self) {
        self.shared.new_census(PATIENCE);
        self.sample(self.shared.now());
    }

    /// What would help, by the figures of about the last minute, or of less if the load has changed.
    pub(crate) fn advice(&self) -> Advice {
        self.verdict(&self.present())
    }

    /// Why more workers than the `busy` ones would only wait, if the wait profile shows that.
    fn limit(&self, now: Instant, busy: usize) -> Option<String> {
        limit(&self.profile.places(now), &self.watch.curve(), busy as f64)
    }

    fn verdict(&self, window: &Window) -> Advice {
        advise(&Case {
            window,
            places: &self.profile.places(self.shared.now()),
            beside: &self.profile.beside(self.shared.now()),
            failed: &self.shared.shards.failed(self.shared.now()),
            curve: &self.watch.curve(),
        })
    }

    /// About the last minute, or less if the load has changed, or the whole run if it is younger.
    pub(crate) fn present(&self) -> Window {
        match self.watch.window() {
            Some((first, last)) => self.latest(&first, &last),
            None => self.whole_run(),
        }
    }

    fn whole_run(&self) -> Window {
        let last = Sample::take(&self.shared, &self.watch);
        self.window(self.watch.first(), &last)
    }

    /// The window from `first` to `last`, or its last seconds alone if the load has clearly changed.
    fn latest(&self, first: &Sample, last: &Sample) -> Window {
        let minute = self.window(first, last);
        let recent = self.watch.recent();
        let recent = recent.map(|(first, last)| self.window(&first, &last));
        let changed = recent.filter(|now| now.differs_from(&minute));
        changed.unwrap_or(minute)
    }

    /// What all processes would show if each were like this one: connections are placed evenly.
    fn of_all_processes(&self, own: Window) -> Window {
        let mut all = own;
        for _ in 1..self.shared.settings.processes {
            all += own;
        }
        all
    }

    fn window(&self, first: &Sample, last: &Sample) -> Window {
        let settings = &self.shared.settings;
        // At the end some workers have left already.
        let threads = self.shared.queue.workers().max(settings.threads);
        Window {
            threads,
            most_threads: threads.max(settings.threads_max),
            draining: self.shared.draining(),
            gil: settings.gil,
            ..Window::between(first, last, settings.stuck_after)
        }
    }
}

impl Observatory {
    /// Logs the advice when it has become worse. Looks at most once a second.
    fn look_at_advice(&self, now: Instant) {
        if !self.tick_due.pass(now) {
            return;
        }
        let Some((first, last)) = self.watch.window() else {
            return;
        };
        if last.at < first.at + LEAST_OBSERVED {
            return;
        }
        let advice = self.verdict(&self.of_all_processes(self.latest(&first, &last)));
        let kind = advice.kind as u8;
        let worse = advice.kind.is_trouble() && kind != self.advised.load(Ordering::Relaxed);
        if worse && !self.advice_log.pass(last.at) {
            // A later tick logs it, if it stays so.
            return;
        }
        self.advised.store(kind, Ordering::Relaxed);
        if worse {
            log::warn!(target: crate::LOG, "{}", advice.text);
        }
    }
}

impl Observer for Observatory {
    /// With a wait profile the advice takes milliseconds, so the thread that makes the profile looks at it, unless
    /// it waits for the interpreter.
    fn tick(&self, now: Instant) {
        self.sample(now);
        let waits = || self.watch.probing().is_some_and(|wait| wait >= LONG_PROBE);
        if !self.watched.load(Ordering::Relaxed) || waits() {
            self.look_at_advice(now);
        }
    }

    /// Logs what would have helped.
    fn drain_begins(&self) {
        let run = Window {
            draining: false,
            ..self.whole_run()
        };
        let advice = self.verdict(&self.of_all_processes(run));
        if advice.kind != Kind::Idle {
            log::info!(target: crate::LOG, "advice for the whole run: {}", advice.text);
        }
    }
}

/// Nobody but a thread that does not need the interpreter can say that it is held.
const LONG_PROBE: Duration = Duration::from_secs(1);
/// A shorter window says nothing about how a server is used.
const LEAST_OBSERVED: Duration = Duration::from_secs(10);
/// How long a count may take. If the I/O thread is held up longer, its last count is shown.
pub(crate) const PATIENCE: Duration = Duration::from_millis(500);

#[cfg(all(test, unix, not(shuttle)))]
mod tests {
    use super::*;
    use crate::settings::Settings;

    #[test]
    fn what_one_of_several_processes_logs_is_of_all() {
        let settings = Settings {
            processes: 3,
            ..Settings::for_tests()
        };
        let shared = Arc::new(Shared::new(settings, Vec::new(), None));
        let observatory = Observatory::new(&shared);
        let own = Window {
            busy: 1.5,
            threads: 4,
            ..Window::default()
        };
        let all = observatory.of_all_processes(own);
        assert_eq!((all.busy, all.threads, all.processes), (4.5, 12, 3));
    }
}
