//! Who looks at the figures while the server runs.

use crate::sys::instant::Instant;
use std::fmt;

/// Told by the loop what is worth a look.
pub(crate) trait Observer: fmt::Debug + Send + Sync {
    /// Tasks wait. The loop calls this about once a millisecond.
    fn tick(&self, now: Instant);

    /// The server begins to drain.
    fn drain_begins(&self);
}
