//! The class through which the Python package drives the engine.

use std::io::Write;
#[cfg(unix)]
use std::sync::Arc;
use std::time::Duration;

use headwaiter_engine::{BindError, Listeners, Seldom, Server as Engine, ThreadClock, ThreadStack};
#[cfg(not(unix))]
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::current::Current;
use crate::errors::os_error;
use crate::listeners::{Listeners as Bindings, shown};
#[cfg(unix)]
use crate::process::control::Control;
use crate::process::descriptor;
use crate::process::outlive::StandStill;
use crate::process::signals::Signals;
use crate::settings::{listen_specs, read};
use crate::site::Site;
use crate::worker::work;

/// An application bound to its sockets. The package makes the threads and calls `work` on each worker.
#[pyclass(module = "headwaiter._headwaiter", frozen)]
pub(crate) struct Server {
    engine: Engine,
    site: Site,
    #[cfg(unix)]
    control: Option<Py<Control>>,
}

/// A thread, its frames, which of them is the application's own, where it is, and the route of its request.
type Look = (u64, String, usize, u64, Option<String>);

impl Server {
    fn look(&self, look: &Bound<'_, PyAny>, busy: Vec<u64>) -> PyResult<Vec<Look>> {
        let environs = PyDict::new(look.py());
        for thread in &busy {
            environs.set_item(thread, self.site.current.of(look.py(), *thread))?;
        }
        look.call1((busy, environs))?.extract()
    }

    fn of(engine: Engine, site: Site) -> Self {
        Self {
            engine,
            site,
            #[cfg(unix)]
            control: None,
        }
    }
}

#[pymethods]
impl Server {
    /// Binds every address, or none; or takes `Listeners` that are bound. With a `Control` it is a child's, which does
    /// what the parent says.
    ///
    /// Raises `OSError(errno, text, place)` for the first that could not be bound, and `ValueError`
    /// for an adjustment that is malformed.
    #[new]
    #[pyo3(signature = (application, settings, listen, control=None))]
    fn new(
        application: Py<PyAny>,
        settings: &Bound<'_, PyDict>,
        listen: &Bound<'_, PyAny>,
        control: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let (settings, boundary) = read(settings)?;
        let site = Site {
            application,
            current: Current::default(),
            overlong: Seldom::new(Duration::from_secs(60)),
            multithread: settings.most_workers() > 1,
            gil: settings.gil,
            unknown_parameter_logged: false.into(),
            removal_logged: false.into(),
            boundary,
        };
        let failed = |failed: BindError| os_error(&failed.error, &failed.place);
        let listeners = if let Ok(bound) = listen.cast::<Bindings>() {
            bound.get().take()
        } else {
            let specs = listen_specs(&listen.extract::<Vec<Bound<'_, PyTuple>>>()?)?;
            Listeners::bind(&specs, &settings.admin, settings.bind_options()).map_err(failed)?
        };
        let Some(control) = control else {
            let engine = Engine::new(settings, listeners).map_err(failed)?;
            return Ok(Self::of(engine, site));
        };
        #[cfg(unix)]
        {
            let control: Bound<'_, Control> = control.cast_into().map_err(PyErr::from)?;
            let siblings = Arc::clone(&control.get().siblings);
            let engine = Engine::among(siblings, settings, listeners).map_err(failed)?;
            engine.obey(&control.get().control)?;
            Ok(Self {
                control: Some(control.unbind()),
                ..Self::of(engine, site)
            })
        }
        #[cfg(not(unix))]
        {
            let _ = control;
            Err(PyTypeError::new_err("no control sockets on this system"))
        }
    }

    /// The addresses of the admin endpoint, in the form of `listening`.
    #[getter]
    fn admin_listening<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        shown(py, self.engine.admin_listening())
    }

    /// The addresses in use: `("inet", host, port)`, `("inet6", host, port)` or `("unix", path)`.
    #[getter]
    fn listening<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyTuple>>> {
        shown(py, self.engine.listening())
    }

    /// Starts the I/O thread. One byte is sent on the socket `done_fileno` when the server has finished.
    fn start(&self, done_fileno: i64) -> PyResult<()> {
        let mut done = socket(done_fileno)?;
        #[cfg(unix)]
        if let Some(control) = &self.control {
            control.get().control.starts();
        }
        let notify = move || {
            // Fails only if the other end is closed: then nobody waits for it.
            let _ = done.write_all(b"x");
        };
        self.engine
            .start(Box::new(notify))
            .map_err(|error| os_error(&error, "starting the I/O thread"))
    }

    /// Starts a thread that reads signal numbers from `signals_fileno` without the interpreter.
    ///
    /// A number in `stopping` stops the server, `reopening` reopens the access log, and the thread passes every
    /// number on to the socket `onwards_fileno`. If the result is not closed in time after a stop, the process
    /// ends with status 3.
    fn watch_signals(
        &self,
        signals_fileno: i64,
        onwards_fileno: i64,
        stopping: Vec<(u8, String)>,
        reopening: Option<u8>,
    ) -> PyResult<Signals> {
        let watch = self.engine.watch_signals(
            socket(signals_fileno)?,
            socket(onwards_fileno)?,
            stopping,
            reopening,
            crate::process::signals::leave_without_interpreter,
        );
        Ok(Signals(watch.map_err(|error| {
            os_error(&error, "starting the thread for signals")
        })?))
    }

    /// The body of one worker thread; returns when the server has drained.
    fn work(&self, py: Python<'_>) -> PyResult<()> {
        let _guard = StandStill::new();
        work(py, &self.engine, &self.site)
    }

    /// Begins to drain. May be called on any thread, any number of times.
    fn stop(&self) {
        self.engine.stop();
    }

    /// Cuts every request that still runs or waits.
    fn abort(&self) {
        self.engine.abort();
    }

    /// Waits until the I/O thread has ended, shortly after the server has finished.
    fn join(&self, py: Python<'_>) {
        py.detach(|| self.engine.join());
    }

    /// Whether the server has drained, or was stopped before it started.
    #[getter]
    fn finished(&self) -> bool {
        self.engine.finished()
    }

    /// How many requests were cut.
    #[getter]
    fn unfinished(&self) -> usize {
        self.engine.unfinished()
    }

    /// A garbage collection took so many seconds.
    fn note_collection(&self, seconds: f64) {
        let took = Duration::try_from_secs_f64(seconds);
        self.engine.note_collection(took.unwrap_or_default());
    }

    /// All figures as JSON: what the admin endpoint shows at `/status.json`.
    fn status(&self) -> String {
        self.engine.status()
    }

    /// Reopens the access log, for example after it was renamed.
    fn reopen_logs(&self) {
        self.engine.reopen_logs();
    }

    /// The body of the thread that logs slow requests and starts workers; returns when the server has drained.
    ///
    /// `start` starts another worker; `stack` returns the stack of the thread with a given identifier, and the route
    /// of the request with a given environ.
    fn oversee(
        &self,
        py: Python<'_>,
        start: &Bound<'_, PyAny>,
        stack: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let _guard = StandStill::new();
        let oversight = self.engine.oversight();
        self.site.current.want();
        while let Some(orders) = py.detach(|| oversight.wait()) {
            for slow in &orders.slow {
                let environ = self.site.current.of(py, slow.thread());
                let seen = stack
                    .call1((slow.thread(), environ))
                    .and_then(|seen| seen.extract());
                let (text, route): (String, Option<String>) =
                    seen.unwrap_or_else(|error: PyErr| (format!("no stack: {error}"), None));
                oversight.write_down(slow, &text, route.as_deref());
            }
            for started in 0..orders.start {
                if let Err(error) = start.call0() {
                    oversight.cannot_start(&orders, started, &error.to_string());
                    break;
                }
            }
        }
        Ok(())
    }

    /// The body of the thread that measures the wait for the GIL; returns when the server has drained.
    ///
    /// For the wait profile it also calls `look`, if there is one, to see where the threads are that run a
    /// request, with the environs of these requests, and `clocks` to read the CPU clocks of the application's own threads; and for the admin endpoint
    /// `stacks`, to collect the stacks of all threads.
    fn watch(
        &self,
        py: Python<'_>,
        look: Option<&Bound<'_, PyAny>>,
        clocks: &Bound<'_, PyAny>,
        stacks: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let _guard = StandStill::new();
        let watcher = self.engine.watcher();
        self.site.current.want();
        while let Some(mut probe) = py.detach(|| watcher.wait()) {
            watcher.attached(&mut probe);
            let busy = watcher.busy();
            if let Some(look) = look.filter(|_| !busy.is_empty()) {
                // Without memory for it there is no look this time.
                let seen = self.look(look, busy).unwrap_or_default();
                let stack = |(thread, frames, own, at, route)| ThreadStack {
                    thread,
                    frames,
                    own,
                    at,
                    route,
                };
                watcher.see(&probe, seen.into_iter().map(stack).collect());
            }
            if look.is_some() && watcher.wants_clocks() {
                let read = clocks.call0().and_then(|read| read.extract());
                let read: Vec<(u64, String, f64)> = read.unwrap_or_default();
                let clock = |(id, name, cpu)| ThreadClock { id, name, cpu };
                watcher.clocks(read.into_iter().map(clock).collect());
            }
            if probe.wants_stacks() {
                let text = stacks.call0().and_then(|text| text.extract());
                let text = text.unwrap_or_else(|error: PyErr| format!("no stacks: {error}"));
                watcher.stacks(probe, text);
            }
        }
        Ok(())
    }
}

fn socket(fileno: i64) -> PyResult<socket2::Socket> {
    descriptor::socket(fileno).map_err(|error| os_error(&error, "fileno"))
}
