//! The life of a worker thread: wait detached, attach, take a task, run the application, answer, close what
//! the application has returned.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use headwaiter_engine::{End, Poker, Seldom, Server, Task, Tasks};
use headwaiter_http::{ProxyOutcome, Refusal, ReplyHead};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use crate::adjustments::Boundary;
use crate::environ::{Environs, ask_proxies};
use crate::failure;
use crate::fork::Home;
use crate::held;
use crate::reply::{Finished, Reply};
use crate::respond::{close_of, respond};
use crate::start_response::{StartResponse, client_disconnected};

/// What all workers of a server share.
pub(crate) struct Site {
    pub(crate) application: Py<PyAny>,
    pub(crate) boundary: Boundary,
    pub(crate) ident: Arc<str>,
    /// When bodies longer than their Content-Length are logged.
    pub(crate) overlong: Seldom,
    /// Whether the application may be called by several threads at once.
    pub(crate) multithread: bool,
    /// Whether a parameter of `Forwarded` without a meaning was logged: the proxy sends it every time.
    pub(crate) noted_unknown: AtomicBool,
}

struct Worker<'a> {
    site: &'a Site,
    tasks: Tasks,
    environs: Environs,
    /// The buffer of the last reply's head, for the next one.
    head: ReplyHead,
    poker: Poker,
    /// `types.GeneratorType`.
    generators: Py<PyType>,
}

/// What became of a task.
enum Served {
    ByUs,
    /// The application forked, and this is the child, come back with what the application came to.
    ByChild(PyResult<()>),
}

/// Runs tasks until the server has drained, or until the application comes back in a forked child.
///
/// # Errors
///
/// Those of preparing the environ, before the first task; in a child, the application's.
pub(crate) fn work(py: Python<'_>, engine: &Server, site: &Site) -> PyResult<()> {
    // All that can fail comes before the queue counts on this worker.
    let thread = py
        .import("threading")?
        .call_method0("get_ident")?
        .extract()?;
    let generators = py.import("types")?.getattr("GeneratorType")?;
    let mut worker = Worker {
        site,
        environs: Environs::new(py, site, engine.listening())?,
        generators: generators.cast_into::<PyType>()?.unbind(),
        tasks: engine.tasks(),
        head: ReplyHead::new(),
        poker: engine.poker(),
    };
    worker.tasks.name_thread(thread);
    loop {
        held::release(py);
        while let Some(task) = worker.next() {
            held::release(py);
            if let Served::ByChild(outcome) = worker.serve(py, task) {
                // Its end of the queue is a copy of one that lives on in the parent.
                std::mem::forget(worker);
                return outcome;
            }
        }
        let tasks = &mut worker.tasks;
        if !py.detach(|| tasks.park()) {
            held::release(py);
            return Ok(());
        }
    }
}

impl Worker<'_> {
    /// The next task, if there is one for this worker.
    fn next(&mut self) -> Option<Task> {
        for _ in 0..MOST_PANICS {
            match catch_unwind(AssertUnwindSafe(|| self.tasks.next())) {
                Ok(task) => return task,
                Err(panic) => self.tasks.note_panic(&*panic),
            }
        }
        None
    }

    /// Runs one task to its end, whatever happens in it.
    fn serve(&mut self, py: Python<'_>, task: Task) -> Served {
        // A panic costs this reply: the task it drops closes its channel.
        catch_unwind(AssertUnwindSafe(|| self.run(py, task))).unwrap_or_else(|panic| {
            self.tasks.note_panic(&*panic);
            self.tasks.finish();
            self.head = ReplyHead::new();
            Served::ByUs
        })
    }

    fn run(&mut self, py: Python<'_>, mut task: Task) -> Served {
        let told = match ask_proxies(self.site, &task) {
            Ok(told) => told,
            Err(refusal) => {
                self.refuse(task, refusal);
                return Served::ByUs;
            }
        };
        self.log_told(&told);
        if let Some(client) = &told.remote_addr {
            task.set_client(client);
        }
        let environ = self.environs.make(py, &mut task, &told);
        let date = *self.tasks.date();
        let head = std::mem::take(&mut self.head);
        let reply = Reply::new(
            task,
            head,
            date,
            Arc::clone(&self.site.ident),
            self.site.boundary.server_timing,
            self.poker.clone(),
        );
        let start = match Bound::new(py, StartResponse::new(reply)) {
            Ok(start) => start,
            // Out of memory. The task is lost with it, which closes the channel.
            Err(error) => {
                error.write_unraisable(py, None);
                return Served::ByUs;
            }
        };
        let home = Home::here();
        let (outcome, close) = self.call(py, &environ, &start);
        if home.is_left() {
            // The connection is the parent's, and so is what the task refers to.
            std::mem::forget(start.get().take());
            return Served::ByChild(outcome.and(close.map_or(Ok(()), call)));
        }
        let finished = match start.get().take_in_turn(py) {
            Ok(reply) => self.end(py, reply, outcome, &date),
            Err(error) => {
                error.write_unraisable(py, Some(start.as_any()));
                if let Some(Err(error)) = close.map(call) {
                    error.write_unraisable(py, None);
                }
                return Served::ByUs;
            }
        };
        let mut task = self.finish(finished);
        if task.is_crowded() {
            // A client that has left is dealt with as the task is given back.
            let _ = py.detach(|| task.make_room());
            // What is on disk now need not wait in memory until this worker is needed again.
            held::release(py);
        }
        let Some(close) = close else {
            self.tasks.complete(task);
            return Served::ByUs;
        };
        // The last byte of the reply is known: it does not wait for what `close` may take.
        if self.tasks.answer(task) {
            let tasks = &mut self.tasks;
            py.detach(|| tasks.send());
        }
        let closed = call(close);
        if home.is_left() {
            return Served::ByChild(closed);
        }
        self.tasks.finish();
        if let (Err(error), Ok(environ)) = (closed, environ) {
            let target = environ.get_item("REQUEST_URI").ok().flatten();
            let target = target.map_or_else(String::new, |target| target.to_string());
            let message = format!("Exception while closing the iterable of {target}");
            failure::log(py, self.site, &message, &error);
        }
        Served::ByUs
    }

    /// Calls the application and sends what it returns. Second, the `close` of that, if it has to be called.
    fn call<'py>(
        &self,
        py: Python<'py>,
        environ: &PyResult<Bound<'py, PyDict>>,
        start: &Bound<'py, StartResponse>,
    ) -> (PyResult<()>, Option<PyResult<Bound<'py, PyAny>>>) {
        let application = self.site.application.bind(py);
        let result = match environ {
            Ok(environ) => application.call1((environ, start)),
            Err(error) => Err(error.clone_ref(py)),
        };
        match result {
            Ok(result) => {
                let outcome = respond(py, start.get(), &result);
                let used_up = matches!(outcome, Ok(true));
                let close = close_of(&result, used_up, self.generators.bind(py));
                (outcome.map(drop), close.transpose())
            }
            Err(error) => (Err(error), None),
        }
    }

    fn end(
        &mut self,
        py: Python<'_>,
        mut reply: Reply,
        outcome: PyResult<()>,
        date: &[u8; 29],
    ) -> Finished {
        match outcome {
            Ok(()) => reply.finish(),
            Err(error) if error.get_type(py).is(client_disconnected(py).get_type(py)) => {
                reply.task.set_end(End::Disconnected);
                reply.cut()
            }
            Err(error) => {
                let path = reply.task.head().path().escape_ascii().to_string();
                failure::log(
                    py,
                    self.site,
                    &format!("Exception while serving {path}"),
                    &error,
                );
                if reply.is_out() {
                    reply.task.set_end(End::AppError);
                    reply.cut()
                } else {
                    reply.forget();
                    let mut finished = reply.cut();
                    failure::answer(py, self.site, &mut finished.task, Some(&error), date);
                    finished
                }
            }
        }
    }

    /// Says what was wrong with a reply, and keeps the buffer of its head.
    fn finish(&mut self, finished: Finished) -> Task {
        let Finished {
            mut task,
            mut head,
            missing,
            overlong,
        } = finished;
        if missing > 0 {
            task.spoil(End::AppError);
            let path = task.head().path().escape_ascii().to_string();
            failure::note(
                log::Level::Warn,
                &format!(
                    "{path}: the body is {missing} bytes shorter than its Content-Length; the connection closes"
                ),
            );
        }
        // An application that does it does it all day.
        if overlong && self.site.overlong.pass(Instant::now()) {
            let path = task.head().path().escape_ascii().to_string();
            failure::note(
                log::Level::Warn,
                &format!(
                    "{path}: the body is longer than its Content-Length; the rest was dropped"
                ),
            );
        }
        head.clear();
        self.head = head;
        task
    }

    /// Answers a request that a proxy header makes unacceptable.
    fn refuse(&mut self, mut task: Task, refusal: Refusal) {
        failure::note(
            log::Level::Info,
            &format!(
                "refused a request of {}: {} {} ({})",
                task.peer(),
                refusal.status(),
                refusal.reason(),
                refusal.rule()
            ),
        );
        let date = *self.tasks.date();
        let head_only = task.head().is_head();
        refusal.write_reply(task.buffer(), &date, self.site.ident.as_bytes(), head_only);
        task.set_refused(refusal);
        task.close_after();
        self.tasks.complete(task);
    }

    fn log_told(&self, told: &ProxyOutcome) {
        if let Some(name) = &told.unknown
            && !self.site.noted_unknown.swap(true, Relaxed)
        {
            failure::note(
                log::Level::Warn,
                &format!("Forwarded has a parameter that means nothing here: {name}"),
            );
        }
        for name in &told.untrusted {
            failure::note(
                log::Level::Warn,
                &format!(
                    "{name} came from a peer that is not trusted, or is not among trusted_proxy_headers"
                ),
            );
        }
    }
}

/// Panics in a row after which a worker parks before it tries to take a task again.
const MOST_PANICS: u32 = 16;

/// Calls the `close` of an iterable.
fn call(close: PyResult<Bound<'_, PyAny>>) -> PyResult<()> {
    close?.call0().map(drop)
}
