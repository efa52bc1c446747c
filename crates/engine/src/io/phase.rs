//! How far a channel is with its requests, as the loop needs to know it. Each protocol has a finer state of its own.

/// Where a channel is on a request's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Between requests.
    Idle,
    /// Part of a head has come.
    Head,
    /// The head is complete, the body is not.
    Body,
    /// The request waits for a worker or is run by one.
    Task,
    /// Another thread prepares the answer.
    Pending,
    /// The worker has finished, and the reply is being sent.
    Replying,
    /// A refusal is being sent.
    Refusing,
    /// All is sent, and what still comes in is thrown away.
    Lingering,
}
