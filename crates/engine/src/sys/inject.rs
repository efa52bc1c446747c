//! Panics on demand, so that tests can show what a bug costs. Debug builds only.
//!
//! `HEADWAITER_INJECT_PANIC=receive:3` makes the third passage of the point `receive` panic, once.

/// Every point there is; a test goes through them all. None in a release build.
pub const POINTS: &[&str] = if cfg!(debug_assertions) {
    &[
        "adopt",
        "turn",
        "receive",
        "transmit",
        "done",
        "drain",
        "park",
        "take",
        "environ",
        "start_response",
        "append",
        "finish",
    ]
} else {
    &[]
};

/// Panics if this is the passage that was asked for.
#[cfg(debug_assertions)]
pub fn inject_panic(point: &'static str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    static WANTED: OnceLock<Option<(String, usize)>> = OnceLock::new();
    static PASSED: AtomicUsize = AtomicUsize::new(0);
    debug_assert!(POINTS.contains(&point), "{point} is not listed");
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("HEADWAITER_INJECT_PANIC").ok()?;
        let (point, number) = text.split_once(':')?;
        Some((point.to_owned(), number.parse().ok()?))
    });
    if let Some((wanted, number)) = wanted
        && wanted == point
        && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *number
    {
        panic!("injected at {point}");
    }
}

/// Nothing in a release build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn inject_panic(_: &'static str) {}
