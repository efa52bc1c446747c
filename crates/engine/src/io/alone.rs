//! The loop on a system where a server has no sibling processes: what `siblings/` does elsewhere.

use std::io;

use crate::io::IoLoop;
use crate::io::desk::Desk;
use crate::io::phase::Phase;
use crate::net::socket::Stream;

impl IoLoop {
    pub(in crate::io) fn watch_inbox(&self) -> io::Result<()> {
        Ok(())
    }

    pub(in crate::io) fn read_inbox(&mut self) {}
}

impl Desk {
    /// Parts with channels: to siblings, or for good.
    pub(in crate::io) fn departures(&mut self) -> Departures<'_> {
        Departures { desk: self }
    }

    pub(in crate::io) fn publish_turn(&mut self) {}

    pub(in crate::io) fn defers_accepting(&mut self) -> bool {
        false
    }

    pub(in crate::io) fn siblings_have_room(&self) -> bool {
        false
    }

    pub(in crate::io) fn is_crowded(&self) -> bool {
        false
    }

    pub(in crate::io) fn awaits_arrivals(&self) -> bool {
        false
    }
}

/// Parts with channels of the desk.
#[derive(Debug)]
pub(in crate::io) struct Departures<'a> {
    desk: &'a mut Desk,
}

impl Departures<'_> {
    pub(in crate::io) fn place(&self, _stream: &Stream, _listener: usize) -> bool {
        false
    }

    pub(in crate::io) fn begin(&mut self) {}

    pub(in crate::io) fn go_on(&mut self) {}

    pub(in crate::io) fn end(&mut self, _registry: &mio::Registry) {}

    pub(in crate::io) fn hand_over(&mut self, _index: usize) -> bool {
        false
    }

    pub(in crate::io) fn leaves_now(&mut self, _index: usize) -> bool {
        false
    }

    /// Closes a channel that has no request, while the server drains.
    pub(in crate::io) fn part_with(&mut self, index: usize) {
        if self.desk.channels[index].phase() == Phase::Idle {
            self.desk.close_idle(index);
        }
    }
}
