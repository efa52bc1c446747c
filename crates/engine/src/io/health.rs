//! Health checks at `health_path`: answered on the I/O thread, so they work while every worker is busy.

use crate::sys::instant::Instant;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use headwaiter_http::Head;

use crate::exchange::answer::Answer;
use crate::io::inline::{Answered, Inline, InlineRequest};
use crate::shared::Shared;

/// Answers safe requests for `health_path`.
#[derive(Debug)]
pub(crate) struct Health(Arc<Shared>);

impl Health {
    /// The answerer for the `health_path`, if one is set.
    pub(crate) fn configured(shared: &Arc<Shared>) -> Option<Box<dyn Inline>> {
        shared.settings.health_path.as_ref()?;
        Some(Box::new(Self(Arc::clone(shared))))
    }
}

impl Inline for Health {
    fn takes(&self, head: &Head) -> bool {
        self.0.settings.health_path.as_deref() == Some(head.path()) && head.is_safe()
    }

    fn answer(&mut self, request: &InlineRequest<'_>) -> Answered {
        self.0.counters.health_checks.add(1);
        Answered::Now(readiness(&self.0, request.now))
    }

    fn late(&mut self, _token: usize, now: Instant) -> Answer {
        readiness(&self.0, now)
    }
}

/// Whether new requests should come here: 200, or 503 and the reason.
pub(crate) fn readiness(shared: &Shared, now: Instant) -> Answer {
    let most = shared.settings.health_max_wait;
    let wait = shared.queue.look(now).oldest_wait;
    if shared.draining() {
        Answer::text(503, "draining\n")
    } else if shared.unready.load(Ordering::Relaxed) {
        Answer::text(503, "about to stop\n")
    } else if most.is_some_and(|most| wait > most) {
        Answer::text(503, "requests wait too long for a worker\n")
    } else {
        Answer::text(200, "ok\n")
    }
}
