//! How a request ended, and by which rule or deadline.

use headwaiter_http::Refusal;

/// How a request ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum End {
    /// The whole reply is with the kernel.
    #[default]
    Complete,
    /// A rule of HTTP or a limit on its size refused it.
    Refused,
    /// The server had no room or no time for it (503); the application never saw it.
    Shed,
    /// It waited, its client left, and it was dropped unrun.
    Abandoned,
    /// A deadline passed: 408, `send_timeout` or `shutdown_timeout`.
    Cut,
    /// The application failed; the client got a 500 or a cut reply.
    AppError,
    /// The client left before the request or the reply was complete.
    Disconnected,
}

impl End {
    /// Every end, in the order of their numbers.
    pub const ALL: [Self; 7] = [
        Self::Complete,
        Self::Refused,
        Self::Shed,
        Self::Abandoned,
        Self::Cut,
        Self::AppError,
        Self::Disconnected,
    ];

    /// Its name in logs and metrics.
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

    /// How a request that `refusal` answers has ended.
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

/// Every rule and deadline that can end a request, in the order of the counters.
pub(crate) fn rules() -> impl Iterator<Item = &'static str> {
    let refusals = Refusal::ALL.iter().map(|refusal| refusal.rule());
    refusals.chain([SEND_TIMEOUT, SHUTDOWN_TIMEOUT])
}

/// Deadlines beside the rules of [`Refusal`].
pub(crate) const SEND_TIMEOUT: &str = "send-timeout";
pub(crate) const SHUTDOWN_TIMEOUT: &str = "shutdown-timeout";
