//! Figures as people read them.

use super::Window;

pub(super) fn the_gil(w: &Window) -> &'static str {
    if w.processes == 1 {
        "The GIL"
    } else {
        "The GIL of one process"
    }
}

pub(super) fn threads_or_processes(w: &Window) -> &'static str {
    if w.processes == 1 {
        "threads"
    } else {
        "threads or processes"
    }
}

pub(super) fn in_each_process(w: &Window) -> &'static str {
    if w.processes == 1 {
        ""
    } else {
        " in each process"
    }
}

pub(super) fn time(seconds: f64) -> String {
    match seconds {
        s if s >= 10.0 => format!("{s:.0} s"),
        s if s >= 1.0 => format!("{s:.1} s"),
        s if s >= 0.001 => format!("{:.0} ms", s * 1000.0),
        _ => "less than 1 ms".into(),
    }
}

pub(super) fn number(n: f64) -> String {
    if n < 10.0 {
        format!("{n:.1}")
    } else {
        format!("{n:.0}")
    }
}

pub(super) fn threads(n: usize) -> String {
    plural(n, "thread")
}

pub(super) fn threads_are(n: usize) -> String {
    let verb = if n == 1 { "is" } else { "are" };
    format!("{} {verb}", threads(n))
}

pub(super) fn plural(n: usize, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// "1 request has been", "3 requests have been".
pub(super) fn requests_have(n: usize) -> String {
    let verb = if n == 1 { "has" } else { "have" };
    format!("{} {verb} been", plural(n, "request"))
}
