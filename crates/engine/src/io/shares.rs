//! What one turn of the loop may do, in items, bytes and calls: nobody waits behind more than that.
//!
//! Each kind of work has its share, whatever its clients ask for. What a share leaves undone is done in the next turn.

/// Events taken from the kernel.
pub(in crate::io) const EVENTS: usize = 1024;
/// Connections taken from one listener.
pub(in crate::io) const ACCEPTS: usize = 64;
/// Connections taken from one listener of the admin endpoint.
pub(in crate::io) const ADMIN_ACCEPTS: usize = 8;
/// Bytes of one read. The buffer is the thread's: one channel at a time borrows it, so an idle one holds none.
pub(in crate::io) const SCRATCH: usize = 128 * 1024;
/// Bytes that one channel may read, so that a fast sender cannot hold the loop.
pub(in crate::io) const READ: usize = 128 * 1024;
/// Bytes that the bodies of all channels together may read. Decoding them takes up to a millisecond, and a
/// client that comes with a request waits no longer.
pub(in crate::io) const READ_BODIES: usize = 256 * 1024;
/// The least that a read counts for: receiving a few bytes, and putting them on disk, costs as much as that.
pub(in crate::io) const READ_COST: usize = 8 * 1024;
/// Bytes that all channels with more to send may send together, so that fast readers cannot hold the loop.
pub(in crate::io) const SEND: u64 = 1024 * 1024;
/// Bytes that each of them may send, however many there are.
pub(in crate::io) const SEND_AT_LEAST: u64 = 64 * 1024;
/// Deadlines looked at. Many come due together, and each takes a few system calls.
pub(in crate::io) const DEADLINES: usize = 128;
/// Tasks refused because they waited too long for a worker. Each takes a system call.
pub(in crate::io) const REFUSALS: usize = 128;
