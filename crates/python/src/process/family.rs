//! Whose child a process is, for a template process that forks children for the parent.
//!
//! The parent is a subreaper: it becomes the parent of every descendant whose own parent ends. The template forks a
//! process that forks the child and ends. So the parent waits for the child like for one that it has started, and the
//! exit status does not depend on the template.

use pyo3::prelude::*;
use rustix::process::{
    Signal, getpid, set_child_subreaper, set_parent_process_death_signal as die_with_parent,
};

/// Makes this process the parent of its descendants whose parents end.
#[pyfunction]
pub(crate) fn adopt_orphans() -> PyResult<()> {
    Ok(set_child_subreaper(Some(getpid())).map_err(std::io::Error::from)?)
}

/// Has this process killed when its parent ends, also while native code holds the GIL. Forked children are not.
#[pyfunction]
pub(crate) fn leave_with_parent() -> PyResult<()> {
    Ok(die_with_parent(Some(Signal::KILL)).map_err(std::io::Error::from)?)
}

/// Forks without the hooks of `os.register_at_fork`. Returns the new process's ID, and 0 in the new process, which
/// may only call `os.fork` and `os._exit`: the hooks run there, in the process that stays, and only once.
#[pyfunction]
#[expect(unsafe_code, reason = "os.fork always runs the hooks")]
pub(crate) fn fork_without_hooks() -> PyResult<i32> {
    // SAFETY: the caller's thread holds the GIL, and its copy in the new process goes on as the only thread there. The
    // interpreter sees no difference until `os.fork` has put it in order for the process that stays.
    match unsafe { libc::fork() } {
        -1 => Err(std::io::Error::last_os_error().into()),
        pid => Ok(pid),
    }
}
