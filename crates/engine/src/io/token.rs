//! What an event of the poll is about, by its token.

/// Where an event comes from. Tokens of channels are those of [`Channels`](crate::io::channels::Channels); the
/// others are at the end of the range, where no channel's can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::io) enum Source {
    /// The mailbox: another thread wakes the loop.
    Mailbox,
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
            ADMIN..=LAST => Self::AdminListener(from_the_end - ADMIN),
            _ => Self::Channel(token.0),
        }
    }

    pub(in crate::io) fn token(self) -> mio::Token {
        mio::Token(match self {
            Self::Mailbox => usize::MAX,
            Self::Listener(n) => usize::MAX - 1 - n,
            Self::AdminListener(n) => usize::MAX - ADMIN - n,
            Self::Channel(token) => token,
        })
    }
}

/// Listeners of a kind that have tokens; descriptors end before.
const MOST_LISTENERS: usize = 2048;
/// The first listener of the admin endpoint.
const ADMIN: usize = 1 + MOST_LISTENERS;
const LAST: usize = 2 * MOST_LISTENERS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_has_a_token_of_its_own() {
        let channel = usize::MAX >> 1;
        let mut tokens = vec![
            Source::Mailbox,
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
