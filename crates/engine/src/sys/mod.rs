//! What the operating system offers, and what is built on it alone: locks, time, clocks of threads, signals,
//! mailboxes. Nothing here knows of requests.

pub(crate) mod clock;
pub(crate) mod fd;
pub(crate) mod inject;
pub(crate) mod instant;
pub(crate) mod mailbox;
pub(crate) mod mask;
pub(crate) mod memory;
pub(crate) mod process;
pub(crate) mod slice;
pub(crate) mod stack;
pub(crate) mod sync;
pub(crate) mod throttle;
