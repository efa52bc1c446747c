//! The life of a worker thread: wait detached, attach, take a task, run the application, answer.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Instant;

use headwaiter_engine::{End, Poker, Seldom, Server, Task, Tasks};
use headwaiter_http::{ProxyOutcome, Refusal, ReplyHead};
use pyo3::prelude::*;

use crate::adjustments::Boundary;
use crate::environ::{Environs, ask_proxies};
use crate::failure;
use crate::reply::{Finished, Reply};
use crate::respond::{not_started, respond};
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
}

struct Worker<'a> {
    site: &'a Site,
    tasks: Tasks,
    environs: Environs,
    /// The buffer of the last reply's head, for the next one.
    head: ReplyHead,
    poker: Poker,
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
    let mut worker = Worker {
        site,
        environs: Environs::new(py, site, engine.listening())?,
        tasks: engine.tasks(),
        head: ReplyHead::new(),
        poker: engine.poker(),
    };
    let threading = py.import("threading")?;
    worker
        .tasks
        .name_thread(threading.call_method0("get_ident")?.extract()?);
    loop {
        while let Some(task) = worker.next() {
            if let Served::ByChild(outcome) = worker.serve(py, task) {
                return outcome;
            }
        }
        let tasks = &mut worker.tasks;
        if !py.detach(|| tasks.park()) {
            return Ok(());
        }
    }
}

impl Worker<'_> {
    /// The next task, if there is one for this worker.
    fn next(&mut self) -> Option<Task> {
        loop {
            if let Ok(task) = catch_unwind(AssertUnwindSafe(|| self.tasks.next())) {
                return task;
            }
            note_bug();
        }
    }

    /// Runs one task to its end, whatever happens in it.
    fn serve(&mut self, py: Python<'_>, task: Task) -> Served {
        // A panic costs this reply: the task it drops closes its channel.
        catch_unwind(AssertUnwindSafe(|| self.run(py, task))).unwrap_or_else(|_| {
            note_bug();
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
        self.log_untrusted(&told);
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
        let outcome = environ.and_then(|environ| {
            let result = self.site.application.bind(py).call1((environ, &start))?;
            respond(py, start.get(), &result)?;
            let framed = |reply: &mut Reply| reply.head.started().then(|| reply.frame(Some(0)));
            match start.get().with(framed)? {
                Some(framed) => Ok(framed.map(drop)?),
                None => Err(not_started()),
            }
        });
        match start.get().take() {
            Ok(reply) if reply.home.is_left() => {
                std::mem::forget(reply);
                return Served::ByChild(outcome);
            }
            Ok(reply) => self.end(py, reply, outcome, &date),
            Err(error) => error.write_unraisable(py, Some(start.as_any())),
        }
        Served::ByUs
    }

    fn end(&mut self, py: Python<'_>, mut reply: Reply, outcome: PyResult<()>, date: &[u8; 29]) {
        let finished = match outcome {
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
        };
        self.complete(finished);
    }

    fn complete(&mut self, finished: Finished) {
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
        self.tasks.complete(task);
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

    fn log_untrusted(&self, told: &ProxyOutcome) {
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

fn note_bug() {
    failure::note(
        log::Level::Error,
        "a bug in headwaiter lost one reply; please report it",
    );
}
