//! Bytes that wait: request bodies, replies that clients have not received yet, and the budgets of both.

pub(crate) mod budget;
pub(crate) mod outgoing;
pub(crate) mod parts;
pub(crate) mod shelf;
pub(crate) mod spool;
pub(crate) mod temp;
