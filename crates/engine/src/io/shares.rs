//! The most that one turn of the loop does, in items, bytes and calls. So no client waits longer than that.
//!
//! Each kind of work has a fixed share of a turn. The next turn does what exceeds the share.

use crate::store::spool::FREE;

/// Events that one poll returns.
pub(in crate::io) const EVENTS: usize = 1024;
/// Connections accepted from one listener.
pub(in crate::io) const ACCEPTS: usize = 64;
/// Connections accepted from one listener of the admin endpoint.
pub(in crate::io) const ADMIN_ACCEPTS: usize = 8;
/// Bytes of one read. The buffer belongs to the thread. One channel at a time borrows it, so idle channels hold no
/// buffer.
pub(in crate::io) const SCRATCH: usize = 128 * 1024;
/// Bytes of the first read of a request: as many as a body may have without asking the budget, so that it can keep the
/// buffer. What comes behind them of a large body is read into the memory it stays in.
pub(in crate::io) const READ_FIRST: usize = FREE;
/// Bytes read from one channel, so that a fast sender cannot occupy the loop.
pub(in crate::io) const READ: usize = 128 * 1024;
/// Bytes read of the bodies of all channels together. To decode them takes up to a millisecond. A new request waits
/// no longer than that.
pub(in crate::io) const READ_BODIES: usize = 256 * 1024;
/// A smaller read counts as this many bytes: its system calls cost as much as to read and store that many.
pub(in crate::io) const READ_COST: usize = 8 * 1024;
/// Bytes that all channels with more to send may send together, so that fast readers cannot occupy the loop. The kernel
/// copies them in about a millisecond; a smaller share costs large replies a call per piece.
pub(in crate::io) const SEND: u64 = 8 * 1024 * 1024;
/// Bytes that each of these channels may send at least, however many they are.
pub(in crate::io) const SEND_AT_LEAST: u64 = 64 * 1024;
/// Connections ended whose clients have left. Each costs some 20 µs of system calls.
pub(in crate::io) const CLOSES: usize = 64;
/// Deadlines examined. Many may pass at once, and each costs a few system calls.
pub(in crate::io) const DEADLINES: usize = 128;
/// Tasks refused because they waited too long for a worker. Each costs a system call.
pub(in crate::io) const REFUSALS: usize = 128;
