//! The life of a worker thread: wait detached, attach, take a task, run the application, answer, close the
//! iterable that the application returned.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;

use headwaiter_engine::{End, Instant, Mismatch, Peer, Server, Task, Tasks};
use headwaiter_http::{ProxyOutcome, ProxyPeer, ProxyPolicy, Refusal, ReplyHead};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use crate::current::{self, Place};
use crate::errors::{client_disconnected, not_callable_so};
use crate::process::fork::ForkCheck;
use crate::site::Site;
use crate::wsgi::environ::Environs;
use crate::wsgi::failure;
use crate::wsgi::held;
use crate::wsgi::reply::{Finished, Reply};
use crate::wsgi::respond::{close_method, respond};
use crate::wsgi::start_response::StartResponse;

struct Worker<'a> {
    site: &'a Site,
    tasks: Tasks,
    place: Place<'a>,
    environs: Environs,
    /// The buffer of the last reply's head, reused for the next head.
    head: ReplyHead,
    /// What the application called in the last request.
    start: Option<Py<StartResponse>>,
    /// `types.GeneratorType`.
    generators: Py<PyType>,
}

/// How the run of a task ended.
enum Served {
    /// In the process that took the task.
    Here,
    /// The application forked and returned in the child, which is this process, with this result.
    InChild(PyResult<()>),
}

/// Runs tasks until the server has drained, or until the application returns in a forked child.
///
/// # Errors
///
/// Exceptions of the preparation, before the first task. In a child: the application's exception.
pub(crate) fn work(py: Python<'_>, engine: &Server, site: &Site) -> PyResult<()> {
    // Everything that can fail comes before the queue counts this worker.
    let thread: u64 = py
        .import("threading")?
        .call_method0("get_ident")?
        .extract()?;
    let generators = py.import("types")?.getattr("GeneratorType")?;
    let mut worker = Worker {
        site,
        environs: Environs::new(py, site, engine.listening())?,
        generators: generators.cast_into::<PyType>()?.unbind(),
        tasks: engine.tasks(),
        place: site.current.join(thread),
        head: ReplyHead::new(),
        start: None,
    };
    worker.tasks.name_thread(thread);
    loop {
        held::release(py);
        while let Some(task) = worker.next() {
            held::release(py);
            if let Served::InChild(outcome) = worker.serve(py, task) {
                // The child must not drop its copy of the parent's end of the queue.
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
    /// Takes the next task, if there is one for this worker.
    fn next(&mut self) -> Option<Task> {
        for _ in 0..MAX_PANICS {
            match catch_unwind(AssertUnwindSafe(|| self.tasks.next())) {
                Ok(task) => return task,
                Err(panic) => self.tasks.note_panic(&*panic),
            }
        }
        None
    }

    /// Runs one task to its end. A panic costs one reply: dropping its task closes the channel.
    fn serve(&mut self, py: Python<'_>, task: Task) -> Served {
        let served =
            catch_unwind(AssertUnwindSafe(|| self.run(py, task))).unwrap_or_else(|panic| {
                self.tasks.note_panic(&*panic);
                self.tasks.finish();
                // With its reply, which nobody ends: that closes the channel.
                self.start = None;
                self.head = ReplyHead::new();
                Served::Here
            });
        if matches!(served, Served::Here) {
            self.environs.request_over(py);
        }
        served
    }

    fn run(&mut self, py: Python<'_>, mut task: Task) -> Served {
        let proxied = match ask_proxies(self.site, &task) {
            Ok(proxied) => proxied,
            Err(refusal) => {
                self.refuse(task, refusal);
                return Served::Here;
            }
        };
        if let Some(proxied) = &proxied {
            self.note_proxied(&mut task, proxied);
        }
        let environ = self.environs.make(py, &mut task, proxied.as_ref());
        let date = *self.tasks.date();
        let start = match self.start(py, task, date) {
            Ok(start) => start,
            // Out of memory. The task is dropped, which closes the channel.
            Err(error) => {
                error.write_unraisable(py, None);
                return Served::Here;
            }
        };
        let fork = ForkCheck::new();
        let _shown = self.place.show(&environ);
        let (outcome, close) = self.call(py, &environ, &start);
        if fork.in_child() {
            // The connection belongs to the parent, and so does everything that the task refers to.
            std::mem::forget(start.get().slot().take());
            return Served::InChild(outcome.and(close.map_or(Ok(()), call)));
        }
        let finished = match start.get().slot().take_in_turn(py) {
            Ok(reply) => self.end(py, reply, outcome, &date),
            Err(error) => {
                error.write_unraisable(py, Some(start.as_any()));
                if let Some(Err(error)) = close.map(call) {
                    error.write_unraisable(py, None);
                }
                return Served::Here;
            }
        };
        let mut task = self.finish(finished);
        if task.is_crowded() {
            // Without effect if the client has left: completing the task deals with that.
            let _ = py.detach(|| task.make_room());
            // The bytes that went to disk are released now, not when this worker is next needed.
            held::release(py);
        }
        match close {
            Some(close) => self.close(py, task, close, &environ, fork),
            None => {
                self.tasks.complete(task);
                Served::Here
            }
        }
    }

    /// Answers, and calls the iterable's `close` only then: the client does not wait for `close`.
    fn close(
        &mut self,
        py: Python<'_>,
        task: Task,
        close: PyResult<Bound<'_, PyAny>>,
        environ: &PyResult<Bound<'_, PyDict>>,
        fork: ForkCheck,
    ) -> Served {
        if self.tasks.answer(task) {
            let tasks = &mut self.tasks;
            py.detach(|| tasks.send());
        }
        let closed = call(close);
        if fork.in_child() {
            return Served::InChild(closed);
        }
        self.tasks.finish();
        if let (Err(error), Ok(environ)) = (closed, environ) {
            let target = environ.get_item("REQUEST_URI").ok().flatten();
            let target = target.map_or_else(String::new, |target| target.to_string());
            let message = format!("Exception while closing the iterable of {target}");
            failure::log(py, self.site, &message, &error);
        }
        Served::Here
    }

    /// The `start_response` of `task`.
    fn start<'py>(
        &mut self,
        py: Python<'py>,
        task: Task,
        date: [u8; 29],
    ) -> PyResult<Bound<'py, StartResponse>> {
        let reply = self.reply(task, date);
        if let Some(start) = &self.start
            && StartResponse::is_left(py, start)
        {
            start.get().slot().renew(reply);
            return Ok(start.bind(py).clone());
        }
        let start = Bound::new(py, StartResponse::new(py, reply)?)?;
        if self.site.gil {
            self.start = Some(start.clone().unbind());
        }
        Ok(start)
    }

    /// An empty reply for `task`.
    fn reply(&mut self, task: Task, date: [u8; 29]) -> Reply {
        Reply::new(
            task,
            std::mem::take(&mut self.head),
            date,
            self.site.boundary.server_timing,
        )
    }

    /// Calls the application and sends the iterable that it returns. Also returns the iterable's `close`, if it
    /// has to be called.
    fn call<'py>(
        &self,
        py: Python<'py>,
        environ: &PyResult<Bound<'py, PyDict>>,
        start: &Bound<'py, StartResponse>,
    ) -> (PyResult<()>, Option<PyResult<Bound<'py, PyAny>>>) {
        let application = self.site.application.bind(py);
        let result = match environ {
            Ok(environ) => application.call1((environ, start)).map_err(|error| {
                // No code of it has run if there is no traceback.
                let is_the_call = error.get_type(py).is(py.get_type::<PyTypeError>())
                    && error.traceback(py).is_none();
                if is_the_call {
                    not_callable_so(py, &error)
                } else {
                    error
                }
            }),
            Err(error) => Err(error.clone_ref(py)),
        };
        match result {
            Ok(result) => {
                let outcome = respond(py, start.get().slot(), &result);
                let used_up = matches!(outcome, Ok(true));
                let close = close_method(&result, used_up, self.generators.bind(py));
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
                if let Some(route) = current::failed_route(py, Some(&error)) {
                    reply.task.set_route(&route);
                }
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

    /// Logs what was wrong with a reply, and keeps the buffer of its head.
    fn finish(&mut self, finished: Finished) -> Task {
        let Finished {
            mut task,
            mut head,
            mismatch,
        } = finished;
        let Mismatch { missing, overlong } = mismatch;
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
        // An application that sends too much does so in every reply: limit the records.
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

    /// Refuses a request because of a proxy header.
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
        task.refuse(refusal, &date);
        self.tasks.complete(task);
    }

    fn note_proxied(&self, task: &mut Task, proxied: &ProxyOutcome) {
        self.log_proxy_outcome(proxied);
        if !proxied.fields.is_empty() && self.site.boundary.proxy.trusts_nobody() {
            self.log_removal(task, proxied);
        }
        if let Some(client) = &proxied.remote_addr {
            task.set_client(client);
        }
    }

    fn log_proxy_outcome(&self, proxied: &ProxyOutcome) {
        if let Some(name) = &proxied.unknown
            && !self.site.unknown_parameter_logged.swap(true, Relaxed)
        {
            failure::note(
                log::Level::Warn,
                &format!("Forwarded has a parameter that means nothing here: {name}"),
            );
        }
        for name in &proxied.untrusted {
            failure::note(
                log::Level::Warn,
                &format!(
                    "{name} came from a peer that is not trusted, or is not among trusted_proxy_headers"
                ),
            );
        }
    }

    /// Says once that headers of a peer nearby were removed: servers that trust such peers by default let them
    /// pass, and behind a proxy of which nobody told this server the application sees the proxy as its client.
    fn log_removal(&self, task: &Task, proxied: &ProxyOutcome) {
        let peer = proxy_peer(task.peer());
        if !peer.is_near() || self.site.removal_logged.swap(true, Relaxed) {
            return;
        }
        let removed = |at: usize| proxied.fields.iter().any(|field| field.index() == at);
        let names: Vec<String> = (task.head().fields().enumerate())
            .filter(|&(at, _)| removed(at))
            .map(|(_, (name, _))| name.escape_ascii().to_string())
            .collect();
        let (who, value) = match peer {
            ProxyPeer::Ip(address) => {
                let address = address.to_canonical().to_string();
                (address.clone(), address)
            }
            ProxyPeer::Unix => ("a Unix socket".to_owned(), "unix".to_owned()),
        };
        failure::note(
            log::Level::Warn,
            &format!(
                "removed {} from a request of {who}: no proxy is trusted, so the application sees the address and \
                 the scheme of that connection. If a proxy is there, set trusted_proxy={value}, and \
                 trusted_proxy_headers to those headers that it sets itself. This is logged once",
                names.join(", "),
            ),
        );
    }
}

/// Calls the `close` of an iterable.
fn call(close: PyResult<Bound<'_, PyAny>>) -> PyResult<()> {
    close?.call0().map(drop)
}

/// Asks what trusted proxies say about `task`; `None` if nobody says anything.
fn ask_proxies(site: &Site, task: &Task) -> Result<Option<ProxyOutcome>, Refusal> {
    let (boundary, head) = (&site.boundary, task.head());
    if !ProxyPolicy::concerns(head) {
        return Ok(None);
    }
    let peer = proxy_peer(task.peer());
    let outcome = boundary.proxy.apply(peer, head, &boundary.url_scheme);
    outcome.map(Some)
}

fn proxy_peer(peer: Peer) -> ProxyPeer {
    match peer {
        Peer::Tcp(address) => ProxyPeer::Ip(address.ip()),
        Peer::Unix => ProxyPeer::Unix,
    }
}

/// After this many panics in a row a worker parks before it tries to take a task again.
const MAX_PANICS: u32 = 16;
