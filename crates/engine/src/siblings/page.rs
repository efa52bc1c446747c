//! The page of figures: a line for each process, which its siblings and its parent read.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;

use super::map::{Map, Slot};
use super::placement::Figures;
use super::running::{self, Running};

/// Figures of all processes of a server, in memory that they share.
///
/// A process writes its own slot only, apart from `pending`, which senders add to.
#[derive(Debug)]
pub struct Page(Map);

/// The figures of one process at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// How far the process is in its life.
    pub state: State,
    /// Workers that could take a task now; 0 while tasks wait.
    pub idle: u32,
    /// Tasks that wait for a worker.
    pub waiting: u32,
    /// Open connections.
    pub connections: u32,
    /// Connections on their way to the process.
    pub pending: u32,
    /// Turns of the I/O thread: a sign of life.
    pub turns: u64,
}

/// How far a process is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// The slot is not in use.
    #[default]
    Free,
    /// The process has not made a turn of its loop.
    Starting,
    /// It serves.
    Ready,
    /// It takes no more connections.
    Leaving,
}

impl Line {
    /// Whether a further connection would find an idle worker.
    pub(crate) fn is_free(&self) -> bool {
        self.idle > self.pending
    }

    /// Connections that the process has or is about to have.
    pub(crate) fn load(&self) -> u32 {
        self.connections.saturating_add(self.pending)
    }
}

impl Page {
    /// A new page for `slots` processes.
    ///
    /// # Errors
    ///
    /// The system has no room for it.
    pub fn create(slots: usize) -> io::Result<Self> {
        Map::create(slots).map(Self)
    }

    /// The page that the parent process has made, by its descriptor.
    ///
    /// # Errors
    ///
    /// The descriptor is not that of a page, or the system cannot map it.
    pub fn open(file: OwnedFd) -> io::Result<Self> {
        Map::open(file).map(Self)
    }

    /// The descriptor, for another process to inherit. It is closed on exec.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.0.file()
    }

    /// How many processes the page has room for.
    pub fn slots(&self) -> usize {
        self.0.slots().len()
    }

    /// The figures of the process in `slot`.
    pub fn line(&self, slot: usize) -> Line {
        let Some(slot) = self.slot(slot) else {
            return Line::default();
        };
        Line {
            state: match slot.state.load(Ordering::SeqCst) {
                1 => State::Starting,
                2 => State::Ready,
                3 => State::Leaving,
                _ => State::Free,
            },
            idle: slot.idle.load(Ordering::Relaxed),
            waiting: slot.waiting.load(Ordering::Relaxed),
            connections: slot.connections.load(Ordering::Relaxed),
            pending: slot.pending.load(Ordering::SeqCst),
            turns: slot.turns.load(Ordering::Relaxed),
        }
    }

    /// The requests that the process in `slot` runs, also after its death; longest first.
    pub fn running(&self, slot: usize) -> Vec<Running> {
        let entries = self.slot(slot).map_or(&[][..], |slot| &slot.running[..]);
        let now = running::monotonic();
        let read = entries.iter().filter_map(|entry| running::read(entry, now));
        let mut all: Vec<_> = read.collect();
        all.sort_by_key(|request| std::cmp::Reverse(request.age));
        all
    }

    /// Makes `slot` free for another process.
    pub fn clear(&self, slot: usize) {
        let Some(slot) = self.slot(slot) else { return };
        slot.state.store(State::Free as u32, Ordering::SeqCst);
        for figure in [&slot.idle, &slot.waiting, &slot.connections, &slot.pending] {
            figure.store(0, Ordering::SeqCst);
        }
        slot.turns.store(0, Ordering::Relaxed);
        slot.running.iter().for_each(running::clear);
    }

    /// The whole server stops: from now on no process hands connections over.
    pub fn set_stopping(&self) {
        self.0.header().stopping.store(1, Ordering::SeqCst);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.0.header().stopping.load(Ordering::SeqCst) != 0
    }

    pub(super) fn set_state(&self, slot: usize, state: State) {
        if let Some(slot) = self.slot(slot) {
            slot.state.store(state as u32, Ordering::SeqCst);
        }
    }

    pub(super) fn publish(&self, slot: usize, figures: Figures) {
        let Some(slot) = self.slot(slot) else { return };
        slot.idle.store(figures.idle, Ordering::Relaxed);
        slot.waiting.store(figures.waiting, Ordering::Relaxed);
        slot.connections
            .store(figures.connections, Ordering::Relaxed);
        if figures.turn {
            let turns = slot.turns.load(Ordering::Relaxed);
            slot.turns.store(turns + 1, Ordering::Relaxed);
            if turns == 0 {
                // Not if the process leaves already.
                let (from, to) = (State::Starting as u32, State::Ready as u32);
                let order = Ordering::SeqCst;
                let _ = slot.state.compare_exchange(from, to, order, order);
            }
        }
    }

    pub(super) fn set_connections(&self, slot: usize, connections: u32) {
        if let Some(slot) = self.slot(slot) {
            slot.connections.store(connections, Ordering::Relaxed);
        }
    }

    /// Counts a connection that is about to be sent to the process in `slot`.
    pub(super) fn announce(&self, slot: usize) {
        if let Some(slot) = self.slot(slot) {
            slot.pending.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// A connection on its way to the process in `slot` has arrived, or was not sent.
    pub(super) fn withdraw(&self, slot: usize) {
        if let Some(slot) = self.slot(slot) {
            let order = Ordering::SeqCst;
            // Cleared meanwhile, it is 0.
            let _ = slot
                .pending
                .fetch_update(order, order, |n| n.checked_sub(1));
        }
    }

    pub(super) fn note_running(&self, slot: usize, worker: usize, method: &[u8], path: &[u8]) {
        if let Some(entry) = self.slot(slot).and_then(|slot| slot.running.get(worker)) {
            running::write(entry, method, path);
        }
    }

    pub(super) fn note_free(&self, slot: usize, worker: usize) {
        if let Some(entry) = self.slot(slot).and_then(|slot| slot.running.get(worker)) {
            running::clear(entry);
        }
    }

    fn slot(&self, slot: usize) -> Option<&Slot> {
        self.0.slots().get(slot)
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use std::fs::File;
    use std::os::unix::fs::FileExt;

    use super::*;

    fn busy(turn: bool) -> Figures {
        Figures {
            idle: 1,
            waiting: 2,
            connections: 3,
            turn,
        }
    }

    #[test]
    fn both_ends_of_a_page_see_the_same_figures() {
        let ours = Page::create(3).unwrap();
        let theirs = Page::open(ours.fd().try_clone_to_owned().unwrap()).unwrap();
        assert_eq!((theirs.slots(), theirs.line(2)), (3, Line::default()));
        ours.set_state(2, State::Starting);
        ours.publish(2, busy(false));
        assert_eq!(theirs.line(2).state, State::Starting);
        ours.publish(2, busy(true));
        theirs.announce(2);
        let line = Line {
            state: State::Ready,
            idle: 1,
            waiting: 2,
            connections: 3,
            pending: 1,
            turns: 1,
        };
        assert_eq!((ours.line(2), theirs.line(2)), (line, line));
        assert_eq!(ours.line(1), Line::default());
        assert!(!ours.is_stopping());
        theirs.set_stopping();
        assert!(ours.is_stopping());
    }

    #[test]
    fn a_process_that_leaves_before_its_first_turn_never_gets_ready() {
        let page = Page::create(1).unwrap();
        page.set_state(0, State::Leaving);
        page.publish(0, busy(true));
        assert_eq!(page.line(0).state, State::Leaving);
    }

    #[test]
    fn what_a_process_ran_is_known_after_its_death() {
        let page = Page::create(1).unwrap();
        page.note_running(0, 0, b"GET", b"/first");
        page.note_running(0, 1, b"POST", &[b'x'; 1000]);
        page.note_running(0, usize::MAX, b"GET", b"/of a worker without an entry");
        page.note_free(0, 5);
        let running = page.running(0);
        let shown = running.iter().map(|r| (&r.method[..], r.path.len()));
        let shown: Vec<_> = shown.collect();
        assert_eq!(shown, [(&b"GET"[..], 6), (&b"POST"[..], 112)]);
        assert_eq!(running[0].path, b"/first");
        page.note_free(0, 0);
        assert_eq!(page.running(0)[0].method, b"POST");
        page.publish(0, busy(true));
        page.announce(0);
        page.clear(0);
        assert!(page.running(0).is_empty());
        page.withdraw(0);
        assert_eq!(page.line(0), Line::default());
    }

    #[test]
    fn another_file_is_not_a_page() {
        for size in [0, 64, 100] {
            let file = tempfile::tempfile().unwrap();
            file.set_len(size).unwrap();
            assert!(Page::open(file.into()).is_err(), "{size}");
        }
        // A page of another layout, as a newer version may make it.
        let page = Page::create(2).unwrap();
        let memory = File::from(page.fd().try_clone_to_owned().unwrap());
        memory.write_all_at(&[!0], 0).unwrap();
        // It would end every process that reads beyond the end.
        #[cfg(target_os = "linux")]
        memory.set_len(0).unwrap_err();
        assert!(Page::open(memory.into()).is_err());
    }
}
