//! The admin endpoint: what a person or a monitor sees of the server, answered by I/O thread 0.
//!
//! It has listeners of its own; their channels go the way of all others up to a complete request and
//! are answered at once. Rules: it never touches the interpreter, so it answers while every worker is
//! stuck; its requests are in no figure and in no log; it only shows, and changes nothing. Deadlines of
//! channels hold here, too; `connection_limit` and draining do not. It has channels of its own, the oldest
//! of which makes room for a newcomer, takes no bodies, and judges a request by its head. Pages that take
//! work are made on another thread (`pages.rs`).

mod metrics;
mod pages;
mod show;
mod status;

use std::time::Duration;

use headwaiter_http::Framing;

use self::pages::{Page, Pages};
use crate::exchange::Exchange;
use crate::exchange::answer::Answer;
use crate::io::IoLoop;
use crate::io::channel::State;
use crate::net::{address::Peer, listener::Listener};

pub(crate) use status::status;

/// What I/O thread 0 has of it.
#[derive(Debug, Default)]
pub(crate) struct Admin {
    pub(crate) listeners: Vec<Listener>,
    /// Tokens of its channels, oldest first.
    pub(crate) open: Vec<usize>,
    /// Tokens of channels that wait for stacks.
    asking: Vec<usize>,
    pages: Pages,
}

impl Admin {
    pub(crate) fn new(listeners: Vec<Listener>) -> Self {
        Self {
            listeners,
            ..Self::default()
        }
    }
}

impl IoLoop {
    /// Judges a request by its head, before a byte of a body is taken. `false`: it is refused.
    pub(crate) fn admit_admin(&mut self, index: usize) -> bool {
        let Some(exchange) = self.channels[index].exchange.as_ref() else {
            return false;
        };
        let head = &exchange.head;
        let answer = if !head.is_head() && head.method() != b"GET" {
            let mut answer = Answer::text(405, "GET only\n");
            answer.fields = b"Allow: GET, HEAD\r\n";
            answer
        } else if !self.admin_host(index, exchange) {
            let text = "The Host header names a host that this endpoint does not go by; \
                see admin_public.\n";
            Answer::text(403, text)
        } else if !matches!(head.framing(), Framing::None | Framing::Length(0)) {
            Answer::text(413, "No bodies\n")
        } else {
            return true;
        };
        self.channels.arm(index, None);
        let channel = &mut self.channels[index];
        channel.inbuf = Vec::new();
        if let Some(exchange) = channel.exchange.take() {
            self.answer_here(index, exchange, &answer, State::Refusing);
        }
        false
    }

    /// Answers a request that came in by the admin endpoint.
    pub(crate) fn answer_admin(&mut self, index: usize, exchange: Box<Exchange>) {
        let mut answer = match exchange.head.path() {
            b"/live" => Answer::text(200, "ok\n"),
            b"/ready" => self.readiness(),
            b"/" => Answer::new(200, "text/html; charset=utf-8", DASHBOARD),
            b"/stacks" => return self.ask_for_stacks(index, exchange),
            path => match Page::at(path) {
                Some(page) => return self.ask_for_page(index, exchange, page),
                None => Answer::text(404, PAGES),
            },
        };
        answer.fields = FIELDS;
        self.reply_here(index, exchange, &answer);
    }

    fn ask_for_page(&mut self, index: usize, exchange: Box<Exchange>, page: Page) {
        let channel = &mut self.channels[index];
        channel.exchange = Some(exchange);
        channel.state = State::Asking;
        let token = channel.link.token;
        if !self
            .admin
            .pages
            .ask(&self.shared, &self.mailbox, token, page)
        {
            // The system refuses a thread: better late for others than not at all.
            let answer = page.make(&self.shared);
            self.page_made(token, answer);
        }
    }

    /// The page that the channel `token` asked for is there.
    pub(crate) fn page_made(&mut self, token: usize, answer: Answer) {
        if let Some(index) = self.find(token) {
            self.answer_asked(index, answer);
        }
    }

    /// Whether the endpoint may answer to the name it was called by. A page in the browser of somebody
    /// on this machine can make its own name resolve to 127.0.0.1 and read what it gets (DNS
    /// rebinding); it cannot make its name an address.
    fn admin_host(&self, index: usize, exchange: &Exchange) -> bool {
        if self.shared.settings.admin_public || self.channels[index].link.peer == Peer::Unix {
            return true;
        }
        let Some(host) = exchange.head.host() else {
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

    /// Stacks are the interpreter's: somebody else collects them, and may have to wait for it.
    fn ask_for_stacks(&mut self, index: usize, exchange: Box<Exchange>) {
        let channel = &mut self.channels[index];
        channel.exchange = Some(exchange);
        channel.state = State::Asking;
        if !self.shared.watch.ask_for_stacks(&self.mailbox) {
            return self.no_stacks(index);
        }
        self.admin.asking.push(channel.link.token);
        self.channels.arm(index, Some(self.now + STACKS_PATIENCE));
    }

    /// The stacks are there.
    pub(crate) fn stacks_collected(&mut self, text: &str) {
        for token in std::mem::take(&mut self.admin.asking) {
            if let Some(index) = self.find(token) {
                self.answer_asked(index, Answer::text(200, text.to_owned()));
            }
        }
    }

    /// They did not come in time: says who may be the reason.
    pub(crate) fn no_stacks(&mut self, index: usize) {
        let text = show::instead_of_stacks(&self.shared, self.now);
        self.answer_asked(index, Answer::text(200, text));
    }

    fn answer_asked(&mut self, index: usize, mut answer: Answer) {
        if self.channels[index].state != State::Asking {
            return;
        }
        self.channels.arm(index, None);
        if let Some(exchange) = self.channels[index].exchange.take() {
            answer.fields = FIELDS;
            self.reply_here(index, exchange, &answer);
        }
    }
}

const DASHBOARD: &str = include_str!("dashboard.html");
const PAGES: &str = "There are / /status.json /metrics /requests /stacks /advice /live /ready\n";
/// Figures are of now, and the page is nobody's to frame or to extend.
const FIELDS: &[u8] = b"Cache-Control: no-store\r\n\
    X-Content-Type-Options: nosniff\r\n\
    Content-Security-Policy: default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
    img-src data:; connect-src 'self'; frame-ancestors 'none'\r\n";
/// How long `/stacks` waits for the interpreter.
const STACKS_PATIENCE: Duration = Duration::from_secs(1);
