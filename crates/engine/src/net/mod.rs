//! Sockets: addresses, listeners, streams, and what errors of accepting mean.

pub(crate) mod accept_error;
pub(crate) mod address;
pub(crate) mod listener;
pub(crate) mod socket;
