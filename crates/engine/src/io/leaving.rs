//! How far the loop of a server that stops is with handing its channels over. See `siblings/leave.rs`.

use std::time::Instant;

/// How far the loop is with handing its channels over.
#[derive(Debug, Default)]
pub(in crate::io) struct Leaving {
    /// The inboxes of all siblings were full.
    pub(in crate::io) crowded: bool,
    /// Until when connections that siblings have announced are waited for.
    pub(in crate::io) until: Option<Instant>,
}
