//! The pages that take work, made on a thread of their own.
//!
//! Their cost grows with connections, threads, descriptors and requests. The I/O thread spends no time on
//! them but to count its channels, a slice in each turn. The first request for such a page starts the
//! thread; the thread ends with the loop.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use headwaiter_http::Head;
use serde_json::Value;

use super::formats::Format;
use super::shown;
use super::{folded, metrics, show, status};
use crate::exchange::answer::Answer;
use crate::io::inline::{Answered, InlineRequest, Later};
use crate::observe::advice::expect::MOST_THREADS;
use crate::observe::snapshot::Snapshot;
use crate::observe::{Observatory, PATIENCE};

/// A page that shows figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::observe) enum Page {
    Status,
    Metrics(Format),
    Requests,
    Advice,
    Profile,
    /// What so many threads would give; `None`: the question has another form.
    Expected(Option<usize>),
}

impl Page {
    pub(in crate::observe) fn at(head: &Head) -> Option<Self> {
        match head.path() {
            b"/status.json" => Some(Self::Status),
            b"/metrics" => Some(Self::Metrics(Format::accepted(head))),
            b"/requests" => Some(Self::Requests),
            b"/advice" if head.query().is_empty() => Some(Self::Advice),
            b"/advice" => Some(Self::Expected(threads(head.query()))),
            b"/profile" => Some(Self::Profile),
            _ => None,
        }
    }

    /// The page as of now.
    pub(super) fn make(self, observatory: &Observatory) -> Answer {
        match self {
            Self::Status => json(&status::status(&Snapshot::take(observatory))),
            Self::Metrics(format) => format.answer(metrics::page(Snapshot::take(observatory))),
            Self::Requests => json(&show::requests(
                &observatory.shared,
                observatory.shared.now(),
            )),
            Self::Advice => Answer::text(200, format!("{}\n", observatory.advice().text)),
            Self::Expected(threads) => expected(threads, &Snapshot::take(observatory)),
            Self::Profile => folded::page(&observatory.profile.places(observatory.shared.now())),
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

/// `/advice?threads=N`.
pub(in crate::observe) fn expected(threads: Option<usize>, snapshot: &Snapshot) -> Answer {
    let Some(threads) = threads else {
        let text = format!("Ask for threads=N, from 1 to {MOST_THREADS}.\n");
        return Answer::text(400, text);
    };
    match snapshot.expect(threads) {
        Some(expected) => Answer::text(200, format!("{}\n", expected.said(&snapshot.window))),
        None => Answer::text(200, "No request has run: nothing is known.\n"),
    }
}

fn threads(query: &[u8]) -> Option<usize> {
    let number = query.strip_prefix(b"threads=")?;
    let number = number.iter().all(u8::is_ascii_digit).then_some(number)?;
    let number = std::str::from_utf8(number).ok()?.parse().ok()?;
    (1..=MOST_THREADS).contains(&number).then_some(number)
}

pub(in crate::observe) fn json(value: &Value) -> Answer {
    Answer::new(200, "application/json", format!("{value}\n"))
}
