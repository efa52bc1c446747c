//! The tasks that wait, in order of arrival. Any of them can be removed.
//!
//! A doubly linked list in a slab: each step touches a few entries, however many tasks wait, and a removed
//! task keeps no entry. The sum of all waits is known without visiting the tasks.

use crate::sys::instant::Instant;
use std::time::Duration;

use slab::Slab;

use crate::exchange::Exchange;

/// Waiting tasks.
#[derive(Debug)]
pub(super) struct Line {
    places: Slab<Place>,
    first: u32,
    last: u32,
    /// What [`Place::since`] counts from.
    start: Instant,
    /// The sum of every `since`. It may wrap around: only differences are used.
    since: u64,
}

#[derive(Debug)]
struct Place {
    exchange: Box<Exchange>,
    /// When the task began to wait, in nanoseconds after [`Line::start`].
    since: u64,
    before: u32,
    behind: u32,
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            places: Slab::new(),
            first: NOBODY,
            last: NOBODY,
            start: crate::sys::sync::now(),
            since: 0,
        }
    }

    /// Tasks that wait.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Appends `exchange`; returns its place.
    pub(super) fn push(&mut self, exchange: Box<Exchange>) -> usize {
        let since = self.nanos(exchange.record.waiting_since());
        self.since = self.since.wrapping_add(since);
        let place = self.places.insert(Place {
            exchange,
            since,
            before: self.last,
            behind: NOBODY,
        });
        match self.places.get_mut(self.last as usize) {
            Some(last) => last.behind = place as u32,
            None => self.first = place as u32,
        }
        self.last = place as u32;
        place
    }

    /// Removes the first task.
    pub(super) fn pop(&mut self) -> Option<Box<Exchange>> {
        self.take(self.first as usize)
    }

    /// The task at `place`. Places are reused: it may be another task than the one pushed there.
    pub(super) fn get(&self, place: usize) -> Option<&Exchange> {
        self.places.get(place).map(|place| &*place.exchange)
    }

    /// Removes the task at `place`.
    pub(super) fn take(&mut self, place: usize) -> Option<Box<Exchange>> {
        let gone = self.places.try_remove(place)?;
        self.since = self.since.wrapping_sub(gone.since);
        match self.places.get_mut(gone.before as usize) {
            Some(before) => before.behind = gone.behind,
            None => self.first = gone.behind,
        }
        match self.places.get_mut(gone.behind as usize) {
            Some(behind) => behind.before = gone.before,
            None => self.last = gone.before,
        }
        if self.places.is_empty() && self.places.capacity() > KEPT {
            self.places = Slab::new();
        }
        Some(gone.exchange)
    }

    /// The tasks in order of arrival.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Exchange> {
        let first = self.places.get(self.first as usize);
        let next = |place: &&Place| self.places.get(place.behind as usize);
        std::iter::successors(first, next).map(|place| &*place.exchange)
    }

    /// How long the first task has waited.
    pub(super) fn oldest_wait(&self, now: Instant) -> Option<Duration> {
        let first = self.places.get(self.first as usize)?;
        Some(Duration::from_nanos(
            self.nanos(now).saturating_sub(first.since),
        ))
    }

    /// The sum of the waits of all tasks.
    pub(super) fn waited(&self, now: Instant) -> Duration {
        let now = self.nanos(now).wrapping_mul(self.len() as u64);
        // `now` may be older than the last arrival.
        let waited = now.wrapping_sub(self.since).cast_signed();
        Duration::from_nanos(u64::try_from(waited).unwrap_or_default())
    }

    fn nanos(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.start).as_nanos() as u64
    }
}

/// Not a place: memory ends long before there are so many tasks.
const NOBODY: u32 = u32::MAX;
/// How many places an empty line keeps allocated.
const KEPT: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn task(number: u64, since: Instant) -> Box<Exchange> {
        let mut exchange = Exchange::new(since);
        exchange.record.bytes_in = number;
        Box::new(exchange)
    }

    fn numbers(line: &Line) -> Vec<u64> {
        line.iter().map(|task| task.record.bytes_in).collect()
    }

    /// Every way to leave, against a list that does it the slow way.
    #[test]
    fn order_and_waits_are_those_of_a_plain_list() {
        let start = Instant::now();
        let (mut line, mut plain) = (Line::new(), Vec::<(u64, usize, Instant)>::new());
        let mut seed = 1_u64;
        for number in 0..5000 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1);
            let now = start + Duration::from_millis(number);
            match (seed >> 33) % 5 {
                0 => {
                    let taken = line.pop().map(|task| task.record.bytes_in);
                    let first = (!plain.is_empty()).then(|| plain.remove(0));
                    assert_eq!(taken, first.map(|(number, ..)| number));
                }
                1 if !plain.is_empty() => {
                    let (number, place, _) = plain.remove((seed >> 40) as usize % plain.len());
                    assert_eq!(line.take(place).unwrap().record.bytes_in, number);
                    assert!(line.get(place).is_none());
                }
                _ => plain.push((number, line.push(task(number, now)), now)),
            }
            let sum: Duration = plain.iter().map(|(.., since)| now - *since).sum();
            let oldest = plain.first().map(|(.., since)| now - *since);
            assert_eq!((line.waited(now), line.oldest_wait(now)), (sum, oldest));
        }
        assert!(plain.len() > 100);
        assert_eq!(
            numbers(&line),
            plain.iter().map(|task| task.0).collect::<Vec<_>>()
        );
    }

    #[test]
    fn tasks_that_left_keep_no_places_behind_one_that_stays() {
        let now = Instant::now();
        let mut line = Line::new();
        line.push(task(0, now));
        let mut before = line.push(task(1, now));
        for number in 2..100_000 {
            let place = line.push(task(number, now));
            line.take(before).unwrap();
            before = place;
        }
        assert_eq!(numbers(&line), [0, 99_999]);
        assert!(line.places.capacity() < 16, "{}", line.places.capacity());
    }

    #[test]
    fn an_empty_line_gives_back_what_a_crowd_took() {
        let now = Instant::now();
        let mut line = Line::new();
        for number in 0..10_000 {
            line.push(task(number, now));
        }
        for left in (0..10_000).rev() {
            line.pop().unwrap();
            assert_eq!(line.len(), left);
        }
        assert!(line.places.capacity() <= KEPT);
        assert_eq!(line.waited(now), Duration::ZERO);
    }

    #[test]
    fn a_look_that_is_older_than_the_tasks_sees_no_wait() {
        let now = Instant::now() + Duration::from_secs(1);
        let mut line = Line::new();
        line.push(task(0, now));
        let earlier = now - Duration::from_millis(5);
        assert_eq!(
            (line.waited(earlier), line.oldest_wait(earlier)),
            (Duration::ZERO, Some(Duration::ZERO))
        );
    }
}
