//! Handles an event of the poll: finds its listener or channel and acts on it.

use mio::event::Event;

use crate::exchange::link::{FIN, MARKED};
use crate::io::IoLoop;
use crate::io::desk::Desk;
use crate::io::h1::receive::PROBE_AFTER;
use crate::io::phase::Phase;
use crate::io::shares::ACCEPTS;
use crate::io::token::Source;

impl IoLoop {
    pub(in crate::io) fn on_event(&mut self, event: &Event) {
        let accepted = match Source::of(event.token()) {
            Source::Mailbox => return,
            Source::Channel(token) => return self.on_channel(token, event),
            Source::Inbox => return self.read_inbox(),
            Source::Listener(_) if self.desk.defers_accepting() => return,
            Source::Listener(n) => self.guarded(None, |me| me.accept_from(n, ACCEPTS)),
            Source::AdminListener(n) => self.guarded(None, |me| me.accept_admin(n)),
        };
        if !accepted {
            // A panic ended the accepting, and the poll does not report this readiness again. So the next turn accepts.
            self.desk.room.pause_unless_paused(self.desk.now);
        }
    }

    fn on_channel(&mut self, token: usize, event: &Event) {
        let (broken, gone) = (event.is_error(), event.is_write_closed());
        let priority = event.is_priority();
        let (readable, fin, writable) = (
            event.is_readable(),
            event.is_read_closed(),
            event.is_writable(),
        );
        self.guarded(Some(token), |me| {
            let Some(index) = me.desk.find(token) else {
                return;
            };
            if broken && me.desk.channels[index].phase() != Phase::Lingering {
                return me.desk.client_gone(index);
            }
            if priority {
                // A read stops at urgent data, even when more bytes follow (tcp(7)).
                me.desk.channels[index].link.set(MARKED);
            }
            if fin {
                me.desk.client_finished(index);
            }
            if readable || fin {
                me.on_readable(index);
            }
            // A Unix socket reports the last bytes and the close in one event. The bytes were read above.
            if gone
                && let Some(index) = me.desk.find(token)
                && !me.desk.channels[index].reads_on()
            {
                return me.desk.client_gone(index);
            }
            // The socket is registered for writing all the time, so this event also comes when nothing waits.
            if writable
                && let Some(index) = me.desk.find(token)
                && me.desk.channels[index].sends()
            {
                me.desk.transmit_in_order(index);
            }
        });
    }

    fn on_readable(&mut self, index: usize) {
        let channel = &mut self.desk.channels[index];
        channel.readable = true;
        if channel.phase() == Phase::Task && channel.lane.set_pending() {
            // The worker has answered already, without a wake-up. So read its message.
            self.read_mail();
            return;
        }
        if channel.reads_bulk() && self.desk.channels.waiting() > 0 {
            // Channels that were left over from an earlier turn come first.
            return self.desk.later(index);
        }
        self.desk.receive(index);
    }
}

impl Desk {
    /// The client has sent FIN. Notes this for the application, and probes the client later (`PROBE_AFTER`).
    fn client_finished(&mut self, index: usize) {
        let channel = &mut self.channels[index];
        if channel.link.set(FIN) & FIN == 0 && channel.phase() == Phase::Task && !channel.sends() {
            self.channels.arm(index, Some(self.now + PROBE_AFTER));
        }
    }

    /// Serves the channels that had more to do than the last turn allowed.
    pub(in crate::io) fn go_on(&mut self) {
        self.closing.go_on(&self.shared, &mut self.room, self.now);
        for _ in 0..self.channels.waiting() {
            let Some(token) = self.channels.next_again() else {
                break;
            };
            self.guarded(Some(token), |me| {
                let Some(index) = me.find(token) else { return };
                if me.channels[index].sends() {
                    me.transmit(index);
                } else {
                    me.receive(index);
                }
            });
        }
    }
}
