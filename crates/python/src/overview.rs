//! The admin endpoint of a parent process, as the package's loop drives it.

use std::sync::{Mutex, PoisonError};

use headwaiter_engine::{Member, Overview as Engine, Topic};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::os_error;
use crate::listeners::Listeners;
use crate::settings::read;

/// Answers the requests of the admin endpoint for all children. It has no thread.
///
/// The owner selects on `fileno()` for `timeout()` seconds at most, calls `turn()`, and asks the children what
/// that returns.
#[pyclass(module = "headwaiter._headwaiter", frozen)]
pub(crate) struct Overview(Mutex<Option<Engine>>);

impl Overview {
    fn with<R>(&self, with: impl FnOnce(&mut Engine) -> R) -> PyResult<R> {
        let mut engine = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let open = engine.as_mut().map(with);
        open.ok_or_else(|| PyValueError::new_err("the overview is closed"))
    }
}

#[pymethods]
impl Overview {
    /// Takes the sockets of the admin endpoint over from `listeners`.
    #[new]
    fn new(listeners: &Listeners, settings: &Bound<'_, PyDict>) -> PyResult<Self> {
        let (settings, _) = read(settings)?;
        let engine = Engine::new(settings, &mut listeners.lock());
        let engine = engine.map_err(|error| os_error(&error, "starting the admin endpoint"))?;
        Ok(Self(Mutex::new(Some(engine))))
    }

    /// A descriptor that is readable when a turn has something to do.
    fn fileno(&self) -> PyResult<i32> {
        self.with(|overview| overview.fileno())
    }

    /// Seconds until a turn has something to do, whatever the descriptor says; `None` is for ever.
    fn timeout(&self) -> PyResult<Option<f64>> {
        self.with(|overview| overview.timeout().map(|wait| wait.as_secs_f64()))
    }

    /// Does what there is to do, without waiting. Returns new questions: what is asked for, and a number.
    fn turn(&self) -> PyResult<Vec<(&'static str, u64)>> {
        let questions = self.with(Engine::turn)?.into_iter();
        let named = |(topic, n)| match topic {
            Topic::Figures => ("figures", n),
            Topic::Counts => ("counts", n),
            Topic::Stacks => ("stacks", n),
        };
        Ok(questions.map(named).collect())
    }

    /// The processes there are: slot, process ID and state; `ready` is one that serves.
    fn set_children(&self, children: Vec<(usize, u32, String)>) -> PyResult<()> {
        let children = children.into_iter();
        let members = children.map(|(slot, pid, state)| Member { slot, pid, state });
        self.with(|overview| overview.set_children(members.collect()))
    }

    /// How many processes have died, and whether the server is stopping.
    fn set_server(&self, restarts: u64, draining: bool) -> PyResult<()> {
        self.with(|overview| overview.set_server(restarts, draining))
    }

    /// The process in `slot` answers question `n`.
    fn supply(&self, n: u64, slot: usize, text: &str) -> PyResult<()> {
        self.with(|overview| overview.supply(n, slot, text))
    }

    /// Nobody else will answer question `n`. To be called at once if nobody can be asked.
    fn done(&self, n: u64) -> PyResult<()> {
        self.with(|overview| overview.done(n))
    }

    /// The process in `slot` has ended, with these figures or those that it told last.
    fn retire(&self, slot: usize, figures: Option<&str>) -> PyResult<()> {
        self.with(|overview| overview.retire(slot, figures))
    }

    /// All figures that were told, as text for `resume`.
    fn remember(&self) -> PyResult<String> {
        self.with(|overview| overview.remember())
    }

    /// Goes on with the figures of an overview in this process before it executed its program anew.
    fn resume(&self, memory: &str) -> PyResult<()> {
        Ok(self.with(|overview| overview.resume(memory))??)
    }

    /// Leaves new connections in the backlog until `go_on()`.
    fn pause(&self) -> PyResult<()> {
        self.with(|overview| overview.pause())
    }

    /// Accepts connections again.
    fn go_on(&self) -> PyResult<()> {
        Ok(self.with(|overview| overview.go_on())??)
    }

    /// Whether no connection has a request that has not been answered.
    #[getter]
    fn quiet(&self) -> PyResult<bool> {
        self.with(|overview| overview.is_quiet())
    }

    /// Closes the listeners and cuts the connections.
    fn close(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}
