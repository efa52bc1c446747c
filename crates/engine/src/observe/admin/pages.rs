//! The pages that take work, made on a thread of their own.
//!
//! What they cost grows with connections, threads, descriptors and requests. An I/O thread gives them its
//! count of channels, a slice in each turn, and nothing else of its time. The thread begins with the first
//! page that is asked for and ends with the loop.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use super::{metrics, show, status};
use crate::exchange::answer::Answer;
use crate::exchange::message::{Mailbox, Message};
use crate::shared::Shared;

/// A page that shows figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    Status,
    Metrics,
    Requests,
    Advice,
}

impl Page {
    pub(super) fn at(path: &[u8]) -> Option<Self> {
        match path {
            b"/status.json" => Some(Self::Status),
            b"/metrics" => Some(Self::Metrics),
            b"/requests" => Some(Self::Requests),
            b"/advice" => Some(Self::Advice),
            _ => None,
        }
    }

    /// The page as of now.
    pub(super) fn make(self, shared: &Shared) -> Answer {
        match self {
            Self::Status => Answer::new(200, JSON, format!("{}\n", status::status(shared))),
            Self::Metrics => Answer::new(200, metrics::CONTENT_TYPE, metrics::page(shared)),
            Self::Requests => {
                let requests = show::requests(shared, shared.now());
                Answer::new(200, JSON, format!("{requests}\n"))
            }
            Self::Advice => Answer::text(200, format!("{}\n", shared.advice().text)),
        }
    }
}

/// The way to the thread that makes pages.
#[derive(Debug, Default)]
pub(super) struct Pages(Option<Sender<(usize, Page)>>);

impl Pages {
    /// Has `page` made and sent to `mailbox`, for the channel `token`. `false`: nobody can make it.
    pub(super) fn ask(
        &mut self,
        shared: &Arc<Shared>,
        mailbox: &Arc<Mailbox>,
        token: usize,
        page: Page,
    ) -> bool {
        if self.0.is_none() {
            let (sender, asked) = channel();
            let (shared, mailbox) = (Arc::clone(shared), Arc::clone(mailbox));
            let started = std::thread::Builder::new()
                .name("headwaiter-admin".into())
                .spawn(move || {
                    crate::sys::mask::block_signals();
                    serve(&shared, &mailbox, &asked);
                });
            self.0 = started.ok().map(|_| sender);
        }
        self.0
            .as_ref()
            .is_some_and(|thread| thread.send((token, page)).is_ok())
    }
}

/// At most one question comes from each channel of the endpoint, so what waits here is bounded.
fn serve(shared: &Shared, mailbox: &Mailbox, asked: &Receiver<(usize, Page)>) {
    while let Ok(first) = asked.recv() {
        // Whoever has asked meanwhile is shown the same count.
        let all: Vec<_> = std::iter::once(first).chain(asked.try_iter()).collect();
        if all.iter().any(|(_, page)| *page != Page::Requests) {
            shared.new_census(PATIENCE);
        }
        for (token, page) in all {
            let made = catch_unwind(AssertUnwindSafe(|| {
                shared.watch.sample(shared, shared.now());
                page.make(shared)
            }));
            let answer = made.unwrap_or_else(|panic| {
                shared.note_panic(&*panic);
                Answer::text(500, "A bug in headwaiter; its log says more.\n")
            });
            mailbox.post(Message::Page(token, answer), true);
        }
    }
}

const JSON: &str = "application/json";
/// How long a count may take: where an I/O thread is held up, the last one is shown.
const PATIENCE: Duration = Duration::from_millis(500);
