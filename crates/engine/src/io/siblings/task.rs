//! A complete request that waits in a process without an idle worker moves to a sibling that has one, with its
//! connection.
//!
//! It travels as the bytes it came as, so the sibling receives it like any other. A turn looks at the oldest tasks only.

use std::time::Duration;

use headwaiter_http::Framing;

use crate::exchange::Exchange;
use crate::exchange::lane::Lane;
use crate::exchange::link::MARKED;
use crate::io::siblings::leave::Departures;
use crate::siblings::{Frame, MOST_BYTES};

impl Departures<'_> {
    /// Moves tasks that wait, while a sibling can run them at once.
    pub(super) fn move_tasks(&mut self) {
        let Some(siblings) = self.desk.shared.siblings.clone() else {
            return;
        };
        let limit = self.desk.shared.settings.connection_limit;
        if self.desk.shared.queue.waiting() == 0 || !siblings.defers(limit, self.desk.now) {
            return;
        }
        let now = self.desk.now;
        // A worker of this process may be on its way to a task that has just come.
        let waited = |task: &Exchange| {
            now.saturating_duration_since(task.record.waiting_since()) >= PATIENCE
        };
        let oldest = self.desk.shared.queue.oldest(LOOKS, |task| {
            let lane = task.lane.as_ref();
            lane.filter(|_| waited(task) && is_movable(task))
                .map(Lane::token)
        });
        for token in oldest.into_iter().flatten() {
            let Some(index) = self.desk.find(token) else {
                continue;
            };
            let channel = &self.desk.channels[index];
            let (link, lane) = (&channel.link, &channel.lane);
            let same = |task: &Exchange| task.lane.as_ref().is_some_and(|own| own.is(lane));
            let fits = |task: &Exchange| size(task) + channel.input().len() <= MOST_BYTES;
            if channel.sends() || !siblings.defers(limit, self.desk.now) {
                continue;
            }
            let wanted = |task: &Exchange| same(task) && is_movable(task) && fits(task);
            let Some(task) = self.desk.shared.queue.remove_if(lane.place(), wanted) else {
                continue;
            };
            let bytes = [task.head.text(), task.body.in_memory(), channel.input()].concat();
            let frame = Frame {
                connection: link.stream.fd(),
                listener: link.listener,
                marked: link.has(MARKED),
                bytes: &bytes,
            };
            if siblings.hand_over_to_idle(limit, &frame, now) {
                self.desk.shared.counters.handed_over.add(1);
                self.desk.in_flight.note_back();
                self.forget(index);
                self.desk.keep(task);
            } else {
                // The sibling has just left, or its inbox is full.
                return self.desk.shared.queue.push(&mut vec![task]);
            }
        }
    }
}

/// Whether the bytes of a task are all here, as they came.
fn is_movable(task: &Exchange) -> bool {
    task.place == 0
        && task.behind.is_none()
        && task.head.framing() != Framing::Chunked
        && !task.body.has_file()
        && size(task) <= MOST_BYTES
}

fn size(task: &Exchange) -> usize {
    task.head.text().len() + task.body.in_memory().len()
}

/// How long a task waits for a worker of its own process.
const PATIENCE: Duration = Duration::from_millis(1);
/// Most tasks that a turn looks at.
const LOOKS: usize = 8;
