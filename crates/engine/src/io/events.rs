//! What the poll reports: which listener or channel it is about, and what happens with that.

use std::time::Duration;

use mio::event::Event;

use crate::exchange::link::{FIN, FINISHED, MARKED, PENDING};
use crate::io::IoLoop;
use crate::io::accept::ACCEPTS;
use crate::io::channel::State;

impl IoLoop {
    pub(in crate::io) fn on_event(&mut self, event: &Event) {
        let token = event.token().0;
        if token == WAKE {
            return;
        }
        if token > LISTEN - MOST_LISTENERS {
            let accepted = self.guarded(None, |me| match (LISTEN - token).checked_sub(ADMIN) {
                Some(n) => me.accept_admin(n),
                None => me.accept_from(LISTEN - token, ACCEPTS),
            });
            if !accepted {
                // Those behind are not reported again.
                self.accepting.pause_unless_paused(self.now);
            }
            return;
        }
        let (broken, gone) = (event.is_error(), event.is_write_closed());
        let priority = event.is_priority();
        let (readable, fin, writable) = (
            event.is_readable(),
            event.is_read_closed(),
            event.is_writable(),
        );
        self.guarded(Some(token), |me| {
            let Some(index) = me.find(token) else { return };
            if broken && me.channels[index].state != State::Lingering {
                return me.client_gone(index);
            }
            if priority {
                // A read stops at urgent data, whatever stands behind it (tcp(7)).
                me.channels[index].link.set(MARKED);
            }
            if fin {
                me.client_finished(index);
            }
            if readable || fin {
                me.on_readable(index);
            }
            // A Unix socket tells of the client's last bytes and of its end at once: bytes come first.
            if gone
                && let Some(index) = me.find(token)
                && !me.channels[index].reads_on()
            {
                return me.client_gone(index);
            }
            // Nothing is registered anew for writing: the edge comes with any other event, too.
            if writable
                && let Some(index) = me.find(token)
                && !me.channels[index].sending.is_empty()
            {
                me.transmit(index);
            }
        });
    }

    fn on_readable(&mut self, index: usize) {
        let channel = &mut self.channels[index];
        channel.readable = true;
        if channel.state == State::Task && channel.link.set(PENDING) & FINISHED != 0 {
            // Its worker has answered already and did not wake us.
            self.read_mail();
            return;
        }
        if channel.reads_bulk() && self.channels.waiting() > 0 {
            // Behind those that could not go on in an earlier turn.
            return self.later(index);
        }
        self.receive(index);
    }

    /// The client will send no more: noted for the application, and a reason to ask again later.
    fn client_finished(&mut self, index: usize) {
        let channel = &mut self.channels[index];
        if channel.link.set(FIN) & FIN == 0
            && channel.state == State::Task
            && channel.sending.is_empty()
        {
            self.channels.arm(index, Some(self.now + PROBE_AFTER));
        }
    }

    /// Channels that had more to do than a turn allows.
    pub(in crate::io) fn go_on(&mut self) {
        for _ in 0..self.channels.waiting() {
            let Some(token) = self.channels.next_again() else {
                break;
            };
            self.guarded(Some(token), |me| {
                let Some(index) = me.find(token) else { return };
                if me.channels[index].sending.is_empty() {
                    me.receive(index);
                } else {
                    me.transmit(index);
                }
            });
        }
    }
}

/// The poll's token of the mailbox.
pub(in crate::io) const WAKE: usize = usize::MAX;
/// The token of the first listener; those of the others come below it.
pub(in crate::io) const LISTEN: usize = usize::MAX - 1;
const MOST_LISTENERS: usize = 4096;
/// Where the listeners of the admin endpoint begin among them.
pub(in crate::io) const ADMIN: usize = 2048;
/// A client that has finished sending is asked whether it is still there when its request has
/// waited this long.
pub(in crate::io) const PROBE_AFTER: Duration = Duration::from_millis(100);
