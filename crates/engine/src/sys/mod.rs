//! What the operating system gives, without any knowledge of requests: locks and time, clocks of threads, signals, memory.

pub(crate) mod clock;
pub(crate) mod fd;
pub(crate) mod inject;
pub(crate) mod mailbox;
pub(crate) mod mask;
pub(crate) mod process;
pub(crate) mod stack;
pub(crate) mod sync;
pub(crate) mod throttle;
