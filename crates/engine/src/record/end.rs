//! How a request ended, and the rule or deadline that ended it.

use headwaiter_http::Refusal;

/// How a request ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum End {
    /// The kernel has the whole reply.
    #[default]
    Complete,
    /// The server refused the request by a rule of HTTP or a size limit.
    Refused,
    /// The server had no capacity for the request (503); the application never saw it.
    Shed,
    /// The client left while the request waited; the server dropped it before it ran.
    Abandoned,
    /// A deadline passed: a 408 was sent, or `send_timeout` or `shutdown_timeout` cut the request.
    Cut,
    /// The application failed; the client got a 500 or part of a reply.
    AppError,
    /// The client left before it had sent the request or received the reply.
    Disconnected,
}

impl End {
    /// Every end, in the order of the discriminants.
    pub const ALL: [Self; 7] = [
        Self::Complete,
        Self::Refused,
        Self::Shed,
        Self::Abandoned,
        Self::Cut,
        Self::AppError,
        Self::Disconnected,
    ];

    /// The name in logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Refused => "refused",
            Self::Shed => "shed",
            Self::Abandoned => "abandoned",
            Self::Cut => "cut",
            Self::AppError => "app-error",
            Self::Disconnected => "disconnected",
        }
    }

    /// The end of a request that is answered with `refusal`.
    pub(crate) fn of(refusal: Refusal) -> Self {
        match refusal {
            Refusal::HeaderTimeout | Refusal::BodyTimeout => Self::Cut,
            Refusal::QueueFull | Refusal::QueueTimeout | Refusal::SpoolFull | Refusal::Draining => {
                Self::Shed
            }
            _ => Self::Refused,
        }
    }
}

/// The name of every rule and deadline that can end a request. [`super::recorder`] counts in this order.
pub(crate) fn rules() -> impl Iterator<Item = &'static str> {
    let refusals = Refusal::ALL.iter().map(|refusal| refusal.rule());
    refusals.chain([SEND_TIMEOUT, SHUTDOWN_TIMEOUT])
}

/// `send_timeout` cut the connection: the client took no bytes.
pub(crate) const SEND_TIMEOUT: &str = "send-timeout";
/// `shutdown_timeout` cut the request: the server ended.
pub(crate) const SHUTDOWN_TIMEOUT: &str = "shutdown-timeout";
