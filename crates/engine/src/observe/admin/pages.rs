//! The pages that take work, made on a thread of their own.
//!
//! Their cost grows with connections, threads, descriptors and requests. An I/O thread spends no time on
//! them but to count its channels, a slice in each turn. The first request for such a page starts the
//! thread; the thread ends with the loop.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use serde_json::Value;

use super::shown;
use super::{metrics, show, status};
use crate::exchange::answer::Answer;
use crate::io::inline::{Answered, InlineRequest, Later};
use crate::observe::snapshot::Snapshot;
use crate::observe::{Observatory, PATIENCE};

/// A page that shows figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::observe) enum Page {
    Status,
    Metrics,
    Requests,
    Advice,
}

impl Page {
    pub(in crate::observe) fn at(path: &[u8]) -> Option<Self> {
        match path {
            b"/status.json" => Some(Self::Status),
            b"/metrics" => Some(Self::Metrics),
            b"/requests" => Some(Self::Requests),
            b"/advice" => Some(Self::Advice),
            _ => None,
        }
    }

    /// The page as of now.
    pub(super) fn make(self, observatory: &Observatory) -> Answer {
        match self {
            Self::Status => json(&status::status(&Snapshot::take(observatory))),
            Self::Metrics => Answer::new(
                200,
                metrics::CONTENT_TYPE,
                metrics::page(Snapshot::take(observatory)),
            ),
            Self::Requests => json(&show::requests(
                &observatory.shared,
                observatory.shared.now(),
            )),
            Self::Advice => Answer::text(200, format!("{}\n", observatory.advice().text)),
        }
    }
}

/// The way to the thread that makes pages.
#[derive(Debug)]
pub(super) struct Pages {
    observatory: Arc<Observatory>,
    /// `None` until the thread has started.
    thread: Option<Sender<(Later, Page)>>,
}

impl Pages {
    pub(super) fn new(observatory: &Arc<Observatory>) -> Self {
        Self {
            observatory: Arc::clone(observatory),
            thread: None,
        }
    }

    /// Has `page` made and sent, or makes it here where the system refuses a thread.
    pub(super) fn answer(&mut self, request: &InlineRequest<'_>, page: Page) -> Answered {
        if self.thread.is_none() {
            self.thread = self.start();
        }
        let order = (request.later(), page);
        match &self.thread {
            Some(thread) if thread.send(order).is_ok() => Answered::Later { due: None },
            _ => Answered::Now(shown(page.make(&self.observatory))),
        }
    }

    fn start(&self) -> Option<Sender<(Later, Page)>> {
        let (sender, orders) = channel();
        let observatory = Arc::clone(&self.observatory);
        let started = std::thread::Builder::new()
            .name("headwaiter-admin".into())
            .spawn(move || {
                crate::sys::mask::block_signals();
                serve(&observatory, &orders);
            });
        started.ok().map(|_| sender)
    }
}

/// Makes pages until the loop ends. Each channel of the endpoint has at most one request here.
fn serve(observatory: &Observatory, orders: &Receiver<(Later, Page)>) {
    let shared = &observatory.shared;
    while let Ok(first) = orders.recv() {
        // All who have asked by now are shown the same count.
        let all: Vec<_> = std::iter::once(first).chain(orders.try_iter()).collect();
        if all.iter().any(|(_, page)| *page != Page::Requests) {
            shared.new_census(PATIENCE);
        }
        for (request, page) in all {
            let made = catch_unwind(AssertUnwindSafe(|| {
                observatory.sample(shared.now());
                page.make(observatory)
            }));
            let answer = made.unwrap_or_else(|panic| {
                shared.note_panic(&*panic);
                Answer::text(500, "A bug in headwaiter; its log says more.\n")
            });
            request.answer(shown(answer));
        }
    }
}

pub(in crate::observe) fn json(value: &Value) -> Answer {
    Answer::new(200, "application/json", format!("{value}\n"))
}
