//! What happens to a channel whose deadline has passed.

use crate::sys::instant::Instant;

use headwaiter_http::Refusal;

use crate::exchange::link::{GONE, TIMED_OUT};
use crate::io::desk::Desk;
use crate::io::phase::Phase;
use crate::io::shares::DEADLINES;
use crate::record::End;
use crate::record::end::SEND_TIMEOUT;

impl Desk {
    /// Handles the deadlines that have passed by `upto`, at most [`DEADLINES`] in a turn.
    pub(in crate::io) fn expire(&mut self, upto: Instant) {
        let mut looks = DEADLINES;
        while let Some(index) = self.channels.next_due(upto, &mut looks) {
            let token = self.channels[index].link.token;
            self.guarded(Some(token), |me| me.deadline_passed(index));
        }
        self.channels.sweep_deadlines();
    }

    fn deadline_passed(&mut self, index: usize) {
        let channel = &mut self.channels[index];
        match channel.phase() {
            Phase::Idle | Phase::Lingering => self.close(index),
            Phase::Head => self.refuse_received(index, Refusal::HeaderTimeout),
            Phase::Body => self.refuse_received(index, Refusal::BodyTimeout),
            Phase::Pending => self.answer_late(index),
            // The deadline of a task is that of the probe. `probe` sends to HTTP/1.1 clients only: these must skip it.
            Phase::Task if !channel.sends() => {
                channel.lane.probe();
                if channel.link.has(GONE) {
                    self.client_gone(index);
                }
            }
            Phase::Task | Phase::Replying | Phase::Refusing => {
                self.shared.counters.send_timeouts.add(1);
                channel.link.set(TIMED_OUT);
                for exchange in channel.replies() {
                    exchange.record.fail(End::Cut, SEND_TIMEOUT);
                }
                log::info!(
                    target: crate::LOG,
                    "cut {}: it took no bytes for send_timeout={} seconds",
                    channel.link.peer,
                    self.shared.settings.send_timeout.unwrap_or_default().as_secs_f64(),
                );
                self.client_gone(index);
            }
        }
    }
}

#[cfg(all(test, unix, not(shuttle)))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::io::tests::with_idle;

    #[test]
    fn what_comes_due_at_once_is_dealt_with_in_shares() {
        let (_shared, mut io, _clients) = with_idle(DEADLINES + 10);
        let upto = io.desk.now + Duration::from_secs(3600);
        io.desk.expire(upto);
        assert_eq!(io.desk.channels.len(), 10);
        io.desk.expire(upto);
        assert_eq!(io.desk.channels.len(), 0);
    }
}
