//! The admin endpoint: what a person or a monitor sees of the server, answered by I/O thread 0.
//!
//! It has listeners of its own. Their channels go the way of all others up to a complete request, which
//! [`Admin`] answers. Rules: it never touches the interpreter, so it answers while every worker is stuck;
//! its requests are in no figure and in no log; it only shows, and changes nothing. Deadlines of channels
//! hold here, too; `connection_limit` and draining do not. It takes no bodies and judges a request by its
//! head. Another thread makes the pages that take work (`pages.rs`). The loop keeps the number of its
//! channels small: the oldest makes room for a newcomer (`io/evict.rs`).

pub(in crate::observe) mod folded;
mod formats;
pub(in crate::observe) mod metrics;
pub(in crate::observe) mod pages;
pub(crate) mod show;
mod status;

use crate::sys::instant::Instant;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use headwaiter_http::{Framing, Head};

use self::pages::{Page, Pages};
use crate::exchange::answer::Answer;
use crate::io::health::readiness;
use crate::io::inline::{Answered, Inline, InlineRequest, Later};
use crate::net::address::Peer;
use crate::observe::Observatory;

pub(crate) use status::status;

/// Answers the requests of the admin endpoint.
#[derive(Debug)]
pub(crate) struct Admin {
    observatory: Arc<Observatory>,
    /// Requests that wait for stacks: all of them get the next ones.
    stacks: Arc<Mutex<Vec<Later>>>,
    pages: Pages,
}

impl Admin {
    pub(crate) fn new(observatory: &Arc<Observatory>) -> Self {
        Self {
            observatory: Arc::clone(observatory),
            stacks: Arc::default(),
            pages: Pages::new(observatory),
        }
    }

    /// Stacks are the interpreter's: the thread that probes it collects them, and may have to wait.
    fn ask_for_stacks(&mut self, request: &InlineRequest<'_>) -> Answered {
        let waiting = Arc::clone(&self.stacks);
        let deliver = move |text: String| {
            let waiting = std::mem::take(&mut *lock(&waiting));
            for request in waiting {
                request.answer(shown(Answer::text(200, text.clone())));
            }
        };
        // First in line, then the order: the stacks may be there at once.
        let mut stacks = lock(&self.stacks);
        if stacks.len() == MOST_WAITING {
            stacks.remove(0);
        }
        stacks.push(request.later());
        drop(stacks);
        if !self
            .observatory
            .watch
            .ask_for_stacks(&self.observatory.shared, Box::new(deliver))
        {
            return Answered::Now(self.late(request.token, request.now));
        }
        Answered::Later {
            due: Some(request.now + STACKS_PATIENCE),
        }
    }
}

impl Inline for Admin {
    fn takes(&self, _head: &Head) -> bool {
        true
    }

    fn refuse(&self, head: &Head, peer: Peer) -> Option<Answer> {
        refuse(head, peer, self.observatory.shared.settings.admin_public)
    }

    fn answer(&mut self, request: &InlineRequest<'_>) -> Answered {
        let answer = match request.head.path() {
            b"/live" => Answer::text(200, "ok\n"),
            b"/ready" => readiness(&self.observatory.shared, request.now),
            b"/" => dashboard(),
            b"/stacks" => return self.ask_for_stacks(request),
            _ => match Page::at(request.head) {
                Some(page) => return self.pages.answer(request, page),
                None => not_found(),
            },
        };
        Answered::Now(shown(answer))
    }

    /// Only stacks have a deadline. Says which requests may be the reason.
    fn late(&mut self, token: usize, now: Instant) -> Answer {
        lock(&self.stacks).retain(|request| !request.is_for(token));
        shown(Answer::text(
            200,
            show::instead_of_stacks(&self.observatory.shared, now),
        ))
    }
}

/// Judges a request by its head. `public`: the endpoint answers for any `Host`.
pub(in crate::observe) fn refuse(head: &Head, peer: Peer, public: bool) -> Option<Answer> {
    if !head.is_head() && head.method() != b"GET" {
        let mut answer = Answer::text(405, "GET only\n");
        answer.fields = b"Allow: GET, HEAD\r\n";
        return Some(answer);
    }
    if !public && peer != Peer::Unix && !goes_by(head.host()) {
        let text = "The Host header names a host that this endpoint does not go by; \
            see admin_public.\n";
        return Some(Answer::text(403, text));
    }
    let bodiless = matches!(head.framing(), Framing::None | Framing::Length(0));
    (!bodiless).then(|| Answer::text(413, "No bodies\n"))
}

pub(in crate::observe) fn dashboard() -> Answer {
    Answer::new(200, "text/html; charset=utf-8", DASHBOARD)
}

pub(in crate::observe) fn not_found() -> Answer {
    Answer::text(404, PAGES)
}

/// Whether the endpoint answers when it is called `host`. A page in the browser of somebody on this
/// machine can make its own name resolve to 127.0.0.1 and read what it gets (DNS rebinding); it cannot
/// make its name an address.
fn goes_by(host: Option<&[u8]>) -> bool {
    let Some(host) = host else {
        return true;
    };
    let host = String::from_utf8_lossy(host);
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => &host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok()
}

/// `answer` with the fields that all pages have.
pub(in crate::observe) fn shown(mut answer: Answer) -> Answer {
    answer.fields = FIELDS;
    answer
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const DASHBOARD: &str = include_str!("dashboard.html");
const PAGES: &str =
    "There are / /status.json /metrics /requests /stacks /profile /advice /live /ready\n";
/// Figures are of now. The page is nobody's to extend, and only a page of this machine may frame it: nothing in it
/// changes the server.
const FIELDS: &[u8] = b"Cache-Control: no-store\r\n\
    X-Content-Type-Options: nosniff\r\n\
    Content-Security-Policy: default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
    img-src data:; connect-src 'self'; frame-ancestors http://127.0.0.1:* http://localhost:*\r\n";
/// Requests that wait for stacks. Clients that left are among them, so the oldest gives way.
const MOST_WAITING: usize = 64;
/// How long `/stacks` waits for the interpreter.
const STACKS_PATIENCE: Duration = Duration::from_secs(1);

#[cfg(all(test, unix, not(shuttle)))]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use crate::io::tests::{answer_by, connect, pending, with_idle};
    use crate::observe::watch::Watcher;

    #[test]
    fn stacks_go_to_all_who_wait_for_them() {
        let (shared, mut io, _) = with_idle(0);
        let observatory = Arc::new(Observatory::new(&shared));
        answer_by(&mut io, Box::new(Admin::new(&observatory)));
        let mut clients = [0, 1, 2].map(|_| connect(&mut io, None));
        for client in &mut clients {
            client.write_all(b"GET /stacks HTTP/1.0\r\n\r\n").unwrap();
        }
        while pending(&io) < 3 {
            io.turn().unwrap();
        }
        let watcher = Watcher::new(&observatory);
        let mut probe = watcher.wait().unwrap();
        watcher.attached(&mut probe);
        assert!(probe.wants_stacks());
        watcher.stacks(probe, "the stacks".into());
        io.turn().unwrap();
        for client in &mut clients {
            // The turn has sent the reply.
            client.set_nonblocking(true).unwrap();
            let mut reply = [0; 1024];
            let len = client.read(&mut reply).unwrap();
            assert!(reply[..len].ends_with(b"\r\n\r\nthe stacks"));
        }
    }

    #[test]
    fn a_request_that_was_answered_late_waits_no_more() {
        let (shared, io, _) = with_idle(0);
        let head = Head::new();
        let mut admin = Admin::new(&Arc::new(Observatory::new(&shared)));
        let waiting = Arc::clone(&admin.stacks);
        let now = shared.now();
        for token in 0..MOST_WAITING + 3 {
            let request = InlineRequest::for_tests(io.mailbox(), &head, token, now);
            admin.ask_for_stacks(&request);
        }
        assert_eq!(lock(&waiting).len(), MOST_WAITING);
        admin.late(MOST_WAITING, now);
        assert_eq!(lock(&waiting).len(), MOST_WAITING - 1);
        assert!(
            !lock(&waiting)
                .iter()
                .any(|request| request.is_for(MOST_WAITING))
        );
    }
}
