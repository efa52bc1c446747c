//! Bytes that wait: bodies of requests, replies that clients have not taken, and the budgets for both.

pub(crate) mod budget;
pub(crate) mod disk;
pub(crate) mod outgoing;
pub(crate) mod parts;
pub(crate) mod shelf;
pub(crate) mod spool;
pub(crate) mod temp;
