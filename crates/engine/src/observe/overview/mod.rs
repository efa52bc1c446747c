//! The admin endpoint of a parent process, for all its children.
//!
//! An [`Overview`] has no thread. It owns a loop with the listeners of the admin endpoint and nothing else, and
//! whoever has it makes its turns. A request becomes a question, which the owner passes on to the children; their
//! answers become the page. So the endpoint answers while the GIL of every child is held: a child answers on a
//! thread that does not need it. A child that is silent counts with what it told last.

pub(crate) mod fleet;
mod pages;
mod questions;
#[cfg(test)]
mod tests;

use crate::sys::instant::Instant;
use std::io;
use std::os::fd::RawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use headwaiter_http::Head;

use self::fleet::{Fleet, Member};
pub use self::questions::Topic;
use self::questions::{Question, Questions};
use crate::exchange::answer::Answer;
use crate::io::IoLoop;
use crate::io::inline::{Answered, Endpoint, Inline, InlineRequest, Later};
use crate::net::address::{Listening, Peer};
use crate::net::listener::{Listeners, addresses};
use crate::observe::admin::pages::Page;
use crate::observe::admin::{dashboard, not_found, refuse, shown};
use crate::observe::snapshot::url;
use crate::settings::Settings;
use crate::shared::Shared;

/// The admin endpoint of a parent process.
///
/// The owner polls [`Overview::fileno`] for [`Overview::timeout`] at most, calls [`Overview::turn`], asks the
/// children what it returns, and brings their answers by [`Overview::supply`] and [`Overview::done`].
#[derive(Debug)]
pub struct Overview {
    io: IoLoop,
    shared: Arc<Shared>,
    listening: Vec<Listening>,
    state: Arc<Mutex<State>>,
}

/// What the loop's [`Inline`] and the owner share.
#[derive(Debug)]
struct State {
    fleet: Fleet,
    questions: Questions<Waiting>,
}

/// A request that waits for a page.
#[derive(Debug)]
struct Waiting {
    later: Later,
    page: Wanted,
}

#[derive(Clone, Copy, Debug)]
enum Wanted {
    Figures(Page),
    Stacks,
}

impl Overview {
    /// Takes the listeners of the admin endpoint out of `listeners`. The others serve no request here.
    ///
    /// # Errors
    ///
    /// The system has no room for another poll.
    pub fn new(settings: Settings, listeners: &mut Listeners) -> io::Result<Self> {
        let serving = addresses(&listeners.serving);
        let admin = std::mem::take(&mut listeners.admin);
        let listening = addresses(&admin);
        let urls = serving.iter().map(url).collect();
        let public = settings.admin_public;
        let shared = Arc::new(Shared::new(settings, serving, None));
        let state = Arc::new(Mutex::new(State {
            fleet: Fleet::new(shared.now(), urls),
            questions: Questions::default(),
        }));
        let inline = Box::new(Answers {
            state: Arc::clone(&state),
            public,
        });
        let io = IoLoop::new(&shared, Vec::new(), Endpoint::new(admin, inline))?;
        Ok(Self {
            io,
            shared,
            listening,
            state,
        })
    }

    /// Where it listens.
    pub fn listening(&self) -> &[Listening] {
        &self.listening
    }

    /// A descriptor that is readable when a turn has something to do.
    pub fn fileno(&self) -> RawFd {
        self.io.poll_fd()
    }

    /// How long nothing is to be done but what the descriptor tells; `None` is for ever.
    pub fn timeout(&mut self) -> Option<Duration> {
        if !self.io.mailbox().is_empty() {
            return Some(Duration::ZERO);
        }
        self.io.look_at_clock();
        self.io.poll_timeout()
    }

    /// Does what there is to do, without waiting. Returns the new questions, with their numbers.
    pub fn turn(&mut self) -> Vec<(Topic, u64)> {
        // A loop with news does not sleep in its turn.
        self.io.mailbox().wake();
        self.io.turn_or_end();
        let mut state = lock(&self.state);
        state.questions.prune(self.io.now());
        state.questions.tell()
    }

    /// The processes there are. One that is not among them any more counts as ended with what it told last.
    pub fn set_children(&mut self, children: Vec<Member>) {
        let now = self.shared.now();
        let mut state = lock(&self.state);
        let before = state.fleet.slots();
        state.fleet.set(children, now);
        for slot in before.difference(&state.fleet.slots().clone()) {
            state.forget(*slot, now);
        }
    }

    /// How many processes have died, and whether the server is stopping.
    pub fn set_server(&mut self, restarts: u64, draining: bool) {
        let mut state = lock(&self.state);
        state.fleet.restarts = restarts;
        state.fleet.draining = draining;
    }

    /// The process in `slot` answers question `n`.
    pub fn supply(&mut self, n: u64, slot: usize, text: &str) {
        let now = self.shared.now();
        let mut state = lock(&self.state);
        let State { fleet, questions } = &mut *state;
        let Some(question) = questions.get(n) else {
            return;
        };
        let topic = question.topic();
        let good = topic == Topic::Stacks || fleet.tell(slot, topic, text);
        if good && question.answer(slot, text) {
            state.publish(n, now);
        }
    }

    /// Nobody else will answer question `n`.
    pub fn done(&mut self, n: u64) {
        let now = self.shared.now();
        lock(&self.state).publish(n, now);
    }

    /// The process in `slot` has ended, with these figures or those that it told last. To be called before
    /// [`Overview::set_children`] leaves it out.
    pub fn retire(&mut self, slot: usize, figures: Option<&str>) {
        let now = self.shared.now();
        let mut state = lock(&self.state);
        state.fleet.retire(slot, figures);
        state.forget(slot, now);
    }

    /// All figures that were told, as text for [`Overview::resume`].
    pub fn remember(&self) -> String {
        let memory = lock(&self.state).fleet.remember(self.shared.now());
        serde_json::to_string(&memory).unwrap_or_default()
    }

    /// Goes on with the figures of an overview in this process before it executed its program anew.
    ///
    /// # Errors
    ///
    /// The text is not what [`Overview::remember`] returns.
    pub fn resume(&mut self, memory: &str) -> io::Result<()> {
        let memory = serde_json::from_str(memory)?;
        let now = self.shared.now();
        lock(&self.state).fleet.resume(memory, now);
        Ok(())
    }

    /// Leaves new connections in the backlog until [`Overview::go_on`].
    pub fn pause(&mut self) {
        self.io.pause_admin();
    }

    /// Accepts connections again.
    ///
    /// # Errors
    ///
    /// The system has no room to watch a listener.
    pub fn go_on(&mut self) -> io::Result<()> {
        self.io.resume_admin()
    }

    /// Whether no connection has a request that has not been answered.
    pub fn is_quiet(&self) -> bool {
        self.io.is_admin_quiet()
    }

    /// Moves the clock that deadlines count from, so that tests need not wait.
    #[doc(hidden)]
    pub fn move_clock(&mut self, by: Duration) {
        self.shared.move_clock(by);
    }
}

impl State {
    /// Nobody in `slot` will answer any more.
    fn forget(&mut self, slot: usize, now: Instant) {
        for over in self.questions.forget(slot) {
            self.publish(over, now);
        }
    }

    /// Sends all who wait for question `n` their pages.
    fn publish(&mut self, n: u64, now: Instant) {
        let Some(question) = self.questions.get(n) else {
            return;
        };
        for waiting in std::mem::take(&mut question.waiting) {
            let page = page(waiting.page, &self.fleet, question, now);
            waiting.later.answer(page);
        }
    }

    fn readiness(&self) -> Answer {
        if self.fleet.draining {
            Answer::text(503, "draining\n")
        } else if self.fleet.is_ready() {
            Answer::text(200, "ok\n")
        } else {
            Answer::text(503, "no process is ready\n")
        }
    }
}

/// Answers the requests.
#[derive(Debug)]
struct Answers {
    state: Arc<Mutex<State>>,
    public: bool,
}

impl Inline for Answers {
    fn takes(&self, _head: &Head) -> bool {
        true
    }

    fn refuse(&self, head: &Head, peer: Peer) -> Option<Answer> {
        refuse(head, peer, self.public)
    }

    fn answer(&mut self, request: &InlineRequest<'_>) -> Answered {
        let mut state = lock(&self.state);
        let (page, topic) = match request.head.path() {
            b"/live" => return Answered::Now(shown(Answer::text(200, "ok\n"))),
            b"/ready" => return Answered::Now(shown(state.readiness())),
            b"/" => return Answered::Now(shown(dashboard())),
            b"/stacks" => (Wanted::Stacks, Topic::Stacks),
            _ => match Page::at(request.head) {
                Some(page @ Page::Metrics(_)) => (Wanted::Figures(page), Topic::Counts),
                Some(page) => (Wanted::Figures(page), Topic::Figures),
                None => return Answered::Now(shown(not_found())),
            },
        };
        let waiting = Waiting {
            later: request.later(),
            page,
        };
        let slots = state.fleet.slots();
        let due = state.questions.ask(topic, slots, waiting, request.now);
        Answered::Later { due: Some(due) }
    }

    fn late(&mut self, token: usize, now: Instant) -> Answer {
        let mut state = lock(&self.state);
        let State { fleet, questions } = &mut *state;
        let Some((question, at)) = questions.find(|waiting| waiting.later.is_for(token)) else {
            return shown(Answer::text(503, "Nobody has answered in time.\n"));
        };
        let waiting = question.waiting.swap_remove(at);
        page(waiting.page, fleet, question, now)
    }
}

fn page(wanted: Wanted, fleet: &Fleet, question: &Question<Waiting>, now: Instant) -> Answer {
    shown(match wanted {
        Wanted::Figures(page) => pages::figures(page, fleet, &question.silent, now),
        Wanted::Stacks => pages::stacks(fleet, question),
    })
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
