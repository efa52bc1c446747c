//! Panics on demand, so that tests can show what a bug costs. Debug builds only.
//!
//! `HEADWAITER_INJECT_PANIC=receive:3` makes the third call at the point `receive` panic, once.

/// The names of all points, for a test that tries each. Empty in a release build.
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

/// Panics if the environment asks for it at this call.
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

/// Does nothing in a release build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn inject_panic(_: &'static str) {}
