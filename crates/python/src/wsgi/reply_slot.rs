//! The reply to one request, and who may touch it: the worker, `start_response` and `write`, which the application may
//! call in any thread.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, TryLockError};

use headwaiter_engine::{ClientGone, Flushed};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::errors::{client_disconnected, not_here};
use crate::process::fork::ForkCheck;
use crate::wsgi::reply::Reply;

/// Where the reply to one request is.
pub(crate) struct ReplySlot {
    slot: Mutex<Slot>,
    returned: Condvar,
    fork: ForkCheck,
}

/// The reply, and who has it.
struct Slot {
    /// `None` after the end of the request, and while a thread has the reply outside of the lock (`away`).
    reply: Option<Reply>,
    /// A thread has the reply outside of the lock, and waits for the client.
    away: bool,
    /// The worker waits for the reply: no other thread gets it first.
    wanted: bool,
}

impl Slot {
    fn new(reply: Reply) -> Self {
        Self {
            reply: Some(reply),
            away: false,
            wanted: false,
        }
    }
}

impl ReplySlot {
    pub(crate) fn new(reply: Reply) -> Self {
        Self {
            slot: Mutex::new(Slot::new(reply)),
            returned: Condvar::new(),
            fork: ForkCheck::new(),
        }
    }

    /// Begins the `reply` to another request: nobody has the slot of the last one any more.
    pub(crate) fn renew(&self, reply: Reply) {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Slot::new(reply);
    }

    /// Runs `work` on the reply. Never waits: a caller gets an error while the reply is in use.
    pub(crate) fn with<R>(&self, work: impl FnOnce(&mut Reply) -> R) -> PyResult<R> {
        Ok(work(here(&mut *self.lock()?)?))
    }

    /// Like [`ReplySlot::with`], but waits for a thread that has the reply. Only the worker calls this, while
    /// it runs no code of the application.
    pub(crate) fn in_turn<R>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut Reply) -> R,
    ) -> PyResult<R> {
        Ok(work(here(&mut *self.turn(py)?)?))
    }

    /// Takes the reply at the end of the request.
    pub(crate) fn take(&self) -> PyResult<Reply> {
        taken(&mut *self.lock()?)
    }

    /// Like [`ReplySlot::take`], but waits as [`ReplySlot::in_turn`] does. If the worker did not wait for
    /// a reply that another thread has, nobody would end it, and its client would wait for ever.
    pub(crate) fn take_in_turn(&self, py: Python<'_>) -> PyResult<Reply> {
        taken(&mut *self.turn(py)?)
    }

    fn lock(&self) -> PyResult<MutexGuard<'_, Slot>> {
        match self.try_lock() {
            Some(slot) if !slot.wanted => Ok(slot),
            _ => Err(PyRuntimeError::new_err(
                "the reply is in use by another thread",
            )),
        }
    }

    #[inline]
    fn try_lock(&self) -> Option<MutexGuard<'_, Slot>> {
        match self.slot.try_lock() {
            Ok(slot) => Some(slot),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Locks the reply when no thread has it outside of the lock.
    #[inline]
    fn turn(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, Slot>> {
        if let Some(slot) = self.try_lock()
            && !slot.away
        {
            return Ok(slot);
        }
        self.wait_for_turn(py)
    }

    /// Waits detached, since the thread that has the reply may need the interpreter. Fails in a forked child,
    /// where that thread does not exist.
    #[cold]
    fn wait_for_turn(&self, py: Python<'_>) -> PyResult<MutexGuard<'_, Slot>> {
        loop {
            if self.fork.in_child() {
                return Err(not_here());
            }
            py.detach(|| {
                let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
                slot.wanted = true;
                while slot.away {
                    let waited = self.returned.wait(slot);
                    slot = waited.unwrap_or_else(PoisonError::into_inner);
                }
            });
            if let Some(mut slot) = self.try_lock()
                && !slot.away
            {
                slot.wanted = false;
                return Ok(slot);
            }
        }
    }

    /// Sends the bytes written so far. Waits, detached, only where the limits of spool and watermark require it.
    ///
    /// Raises `ClientDisconnected` if the client has left.
    pub(crate) fn flush(&self, py: Python<'_>) -> PyResult<()> {
        self.flush_of(py, self.lock()?)
    }

    /// Like [`ReplySlot::flush`], but waits as [`ReplySlot::in_turn`] does.
    pub(crate) fn flush_in_turn(&self, py: Python<'_>) -> PyResult<()> {
        self.flush_of(py, self.turn(py)?)
    }

    fn flush_of(&self, py: Python<'_>, mut slot: MutexGuard<'_, Slot>) -> PyResult<()> {
        let mut flushed = here(&mut slot)?.flush();
        if flushed == Ok(Flushed::Full) {
            // Waits outside of the lock: another thread that calls meanwhile gets an error, not a deadlock.
            slot.away = true;
            let mut away = Away {
                slot: self,
                reply: Some(taken(&mut slot)?),
            };
            drop(slot);
            flushed = py.detach(|| away.make_room());
        }
        flushed
            .map(drop)
            .map_err(|ClientGone| client_disconnected(py))
    }
}

/// A reply outside of the lock; dropping this gives the reply back.
struct Away<'a> {
    slot: &'a ReplySlot,
    reply: Option<Reply>,
}

impl Away<'_> {
    fn make_room(&mut self) -> Result<Flushed, ClientGone> {
        let reply = self.reply.as_mut().ok_or(ClientGone)?;
        reply.task.make_room()?;
        Ok(Flushed::HandedOver)
    }
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        // After a panic the reply is not given back: dropping its task closes the channel.
        let reply = self.reply.take().filter(|_| !std::thread::panicking());
        // Another thread holds the lock only for a moment, since the slot has no reply.
        let slot = self.slot.slot.lock();
        let mut slot = slot.unwrap_or_else(PoisonError::into_inner);
        slot.reply = reply;
        slot.away = false;
        drop(slot);
        self.slot.returned.notify_all();
    }
}

fn here(slot: &mut Slot) -> PyResult<&mut Reply> {
    slot.reply.as_mut().ok_or_else(not_here)
}

fn taken(slot: &mut Slot) -> PyResult<Reply> {
    slot.reply.take().ok_or_else(not_here)
}
