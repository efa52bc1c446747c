//! The `Date` value of replies, formatted once a second.

use std::io::Write as _;
use std::time::{Duration, UNIX_EPOCH};

use httpdate::HttpDate;

/// Caches the IMF-fixdate (RFC 9110 §5.6.7) of the second last asked for.
///
/// Knows no clock: whoever holds it says which second it is.
#[derive(Clone, Debug)]
pub struct DateLine {
    second: u64,
    text: [u8; 29],
}

impl DateLine {
    /// A cache that holds the epoch.
    pub fn new() -> Self {
        Self {
            second: 0,
            text: *b"Thu, 01 Jan 1970 00:00:00 GMT",
        }
    }

    /// The date at `unix_seconds`, for example `Sun, 06 Nov 1994 08:49:37 GMT`.
    ///
    /// Seconds after the year 9999 give the last date that has 29 characters.
    #[inline]
    pub fn at(&mut self, unix_seconds: u64) -> &[u8; 29] {
        if unix_seconds != self.second {
            self.format(unix_seconds);
        }
        &self.text
    }

    /// The date last asked for.
    #[inline]
    pub fn last(&self) -> &[u8; 29] {
        &self.text
    }

    #[expect(
        clippy::expect_used,
        reason = "it can fail for no year up to 9999, and a wrong date must not be sent"
    )]
    fn format(&mut self, unix_seconds: u64) {
        let date = UNIX_EPOCH + Duration::from_secs(unix_seconds.min(LAST_SECOND_OF_9999));
        write!(&mut self.text[..], "{}", HttpDate::from(date))
            .expect("an IMF-fixdate has exactly 29 bytes up to the year 9999");
        self.second = unix_seconds;
    }
}

impl Default for DateLine {
    fn default() -> Self {
        Self::new()
    }
}

const LAST_SECOND_OF_9999: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_imf_fixdate_and_follows_the_clock_both_ways() {
        let mut line = DateLine::new();
        for (second, want) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (784_111_778, "Sun, 06 Nov 1994 08:49:38 GMT"),
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(std::str::from_utf8(line.at(second)).unwrap(), want);
        }
    }
}
