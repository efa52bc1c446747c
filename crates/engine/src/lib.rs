//! The engine of headwaiter: sockets, channels, spools, the queue and the hand-off to workers.
//!
//! Start at `server.rs` (the outside), `io_thread.rs` (the loop), `queue.rs` (the hand-off).
//! Imports point one way: this crate uses `headwaiter-http` and knows no Python. An application is
//! whatever loops over [`Tasks`]: a closure in the tests, the WSGI binding in production.

#![allow(
    clippy::vec_box,
    reason = "exchanges travel between threads by pointer; they never move"
)]

mod accept;
mod accept_error;
mod access_log;
mod admin;
mod advice;
mod answer;
mod budget;
mod census;
mod channel;
mod clock;
mod deadlines;
mod evict;
mod exchange;
mod expire;
mod governor;
#[cfg(unix)]
pub mod handler;
mod histogram;
mod inject;
mod io_thread;
mod leader;
mod link;
mod listen;
mod mailbox;
mod mask;
#[cfg(all(test, shuttle))]
mod model;
mod nap;
mod outgoing;
mod overseer;
mod parts;
mod pipeline;
mod pool;
mod process;
mod queue;
mod receive;
mod record;
mod recorder;
mod running;
mod seat;
mod server;
mod settings;
mod shared;
mod shelf;
mod signals;
mod socket;
mod spool;
mod stack;
mod stats;
mod sync;
mod tasks;
mod temp;
mod transmit;
mod watch;

pub use access_log::{AccessLogFormat, AccessLogTarget, FormatError};
pub use exchange::{Client, ClientGone, Flushed, Task};
#[doc(hidden)]
pub use inject::{POINTS as PANIC_POINTS, inject_panic};
pub use listen::{BindError, ListenSpec, Listening, Peer};
pub use outgoing::Held;
pub use overseer::{Orders, Oversight, SlowRequest};
pub use record::{End, Record};
pub use server::{OnFinished, Poker, Server};
pub use settings::{Abandoned, Settings};
pub use signals::{SAME_STOP, SignalWatch};
pub use spool::Spool;
pub use stack::{Stack, Taken};
pub use stats::Seldom;
pub use tasks::Tasks;
pub use watch::{Probe, Watcher};

/// The `log` target of the engine's events.
pub const LOG: &str = "headwaiter";
/// The `log` target of requests that run long.
pub const SLOW_LOG: &str = "headwaiter.slow";
/// The `log` target of records about the queue.
pub const QUEUE_LOG: &str = "headwaiter.queue";
/// The `log` target of the access log, where it goes to a logger.
pub const ACCESS_LOG: &str = "headwaiter.access";
