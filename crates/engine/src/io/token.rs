//! Finds the source of a poll event by its token.

/// The source of an event. [`Channels`](crate::io::channels::Channels) makes the tokens of channels. The other tokens
/// are at the end of the range, which tokens of channels never reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::io) enum Source {
    /// The mailbox: another thread has woken the loop.
    Mailbox,
    /// The inbox: a sibling process hands over a connection.
    Inbox,
    /// The listener with this index.
    Listener(usize),
    /// The listener of the admin endpoint with this index.
    AdminListener(usize),
    /// The channel with this token.
    Channel(usize),
}

impl Source {
    pub(in crate::io) fn of(token: mio::Token) -> Self {
        let from_the_end = usize::MAX - token.0;
        match from_the_end {
            0 => Self::Mailbox,
            1..=MOST_LISTENERS => Self::Listener(from_the_end - 1),
            INBOX => Self::Inbox,
            ADMIN..=LAST => Self::AdminListener(from_the_end - ADMIN),
            _ => Self::Channel(token.0),
        }
    }

    pub(in crate::io) fn token(self) -> mio::Token {
        mio::Token(match self {
            Self::Mailbox => usize::MAX,
            Self::Inbox => usize::MAX - INBOX,
            Self::Listener(n) => usize::MAX - 1 - n,
            Self::AdminListener(n) => usize::MAX - ADMIN - n,
            Self::Channel(token) => token,
        })
    }
}

/// The number of tokens for each kind of listener. A process runs out of descriptors before.
const MOST_LISTENERS: usize = 2048;
/// The first listener of the admin endpoint, counted from the end of the range.
const ADMIN: usize = 1 + MOST_LISTENERS;
const LAST: usize = 2 * MOST_LISTENERS;
const INBOX: usize = LAST + 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_has_a_token_of_its_own() {
        let channel = usize::MAX >> 1;
        let mut tokens = vec![
            Source::Mailbox,
            Source::Inbox,
            Source::Channel(0),
            Source::Channel(channel),
        ];
        tokens.extend((0..MOST_LISTENERS).map(Source::Listener));
        tokens.extend((0..MOST_LISTENERS).map(Source::AdminListener));
        for source in tokens {
            assert_eq!(Source::of(source.token()), source);
        }
    }
}
