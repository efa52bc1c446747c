//! The engine of headwaiter: sockets, channels, spools, the queue and the hand-off to workers.
//!
//! Start at `server.rs` (the outside), `io/` (the loop), `queue/` (the hand-off).
//! Imports point one way: this crate uses `headwaiter-http` and knows no Python. An application is
//! whatever loops over [`Tasks`]: a closure in the tests, the WSGI binding in production.

#![cfg_attr(not(test), warn(clippy::unwrap_used, clippy::expect_used))]
#![allow(
    clippy::vec_box,
    reason = "exchanges travel between threads by pointer; they never move"
)]
#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests choose their times")
)]

#[cfg(unix)]
mod control;
mod exchange;
mod io;
#[cfg(all(test, shuttle))]
mod model;
mod net;
mod observe;
mod queue;
mod record;
mod server;
mod settings;
mod shared;
#[cfg(unix)]
mod siblings;
mod signals;
mod store;
mod sys;
mod worker;

#[cfg(unix)]
pub use control::{Control, Leave};
pub use exchange::framing::Mismatch;
pub use net::address::{BindError, ListenSpec, Listening, Peer};
pub use net::listener::{BindOptions, Listeners};
pub use observe::overseer::{Orders, Oversight, SlowRequest};
#[cfg(all(unix, not(all(test, shuttle))))]
pub use observe::overview::{Overview, Topic, fleet::Member};
pub use observe::profile::{ThreadClock, ThreadStack};
pub use observe::watch::{Probe, Watcher};
pub use record::access_log::{AccessLogFormat, AccessLogTarget, FormatError};
pub use record::{End, Record};
pub use server::{OnFinished, Server};
pub use settings::{Abandoned, Settings};
#[cfg(unix)]
pub use siblings::{Line, Page, Running, Siblings, State, forward, inbox_pair};
#[cfg(unix)]
pub use signals::handler;
pub use signals::{SAME_STOP, SignalWatch};
pub use store::outgoing::Held;
pub use store::spool::Spool;
#[doc(hidden)]
pub use sys::inject::{POINTS as PANIC_POINTS, inject_panic};
pub use sys::instant::Instant;
pub use sys::stack::{Stack, Taken};
pub use sys::throttle::Seldom;
pub use worker::Tasks;
pub use worker::poker::Poker;
pub use worker::reply::HeadOptions;
pub use worker::task::{Client, ClientGone, Flushed, Task};

/// The `log` target of the engine's events.
pub const LOG: &str = "headwaiter";
/// The `log` target of requests that run long.
pub const SLOW_LOG: &str = "headwaiter.slow";
/// The `log` target of records about the queue.
pub const QUEUE_LOG: &str = "headwaiter.queue";
/// The `log` target of the access log, where it goes to a logger.
pub const ACCESS_LOG: &str = "headwaiter.access";
