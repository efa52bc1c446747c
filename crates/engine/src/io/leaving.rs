//! What the loop keeps of connections that come from siblings and go to them. See `siblings/`.

use std::time::Instant;

use crate::io::channel::Channel;

/// How far the loop is with handing its channels over, and what is on the way.
#[derive(Debug, Default)]
pub(in crate::io) struct Leaving {
    /// The inboxes of all siblings were full.
    pub(in crate::io) crowded: bool,
    /// Until when connections that siblings have announced are waited for.
    pub(in crate::io) until: Option<Instant>,
    /// Channels that siblings have now. The poll still watches them.
    pub(in crate::io) departed: Vec<Channel>,
    /// The message of a sibling that is being digested.
    pub(in crate::io) arrivals: Vec<u8>,
}
