//! The loop of a parent process: it accepts for the admin endpoint alone, and pauses that during an upgrade.

use std::io;

use crate::io::phase::Phase;
use crate::io::{IoLoop, Source};

impl IoLoop {
    /// Leaves new connections to the admin endpoint in the backlog.
    pub(crate) fn pause_admin(&mut self) {
        for listener in &mut self.desk.admin.listeners {
            listener.deregister(self.poll.registry());
        }
    }

    /// Accepts connections to the admin endpoint again.
    ///
    /// # Errors
    ///
    /// The system has no room to watch a listener.
    pub(crate) fn resume_admin(&mut self) -> io::Result<()> {
        for (n, listener) in self.desk.admin.listeners.iter_mut().enumerate() {
            listener.register(self.poll.registry(), Source::AdminListener(n).token())?;
        }
        Ok(())
    }

    /// Whether no channel of the admin endpoint has a request.
    pub(crate) fn is_admin_quiet(&self) -> bool {
        let open = self.desk.admin.open.iter();
        open.filter_map(|token| self.desk.find(*token))
            .map(|index| &self.desk.channels[index])
            .all(|channel| channel.phase() == Phase::Idle && !channel.has_request())
    }
}
