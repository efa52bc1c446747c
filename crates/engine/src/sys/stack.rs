//! A list without a lock: any thread adds an item, and any thread takes all items at once.
//!
//! The I/O thread leaves references to Python objects here, which only a thread attached to the interpreter may drop. A
//! fork copies a lock in the state it is in, so that a child would wait for ever for a lock that the I/O thread held.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A stack that has no other operations than [`Stack::push`] and [`Stack::take_all`]. So no thread reads an item that
/// another thread may take.
#[derive(Debug)]
pub struct Stack<T> {
    top: AtomicPtr<Node<T>>,
}

#[derive(Debug)]
struct Node<T> {
    item: T,
    below: *mut Node<T>,
}

impl<T> Default for Stack<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Stack<T> {
    /// An empty stack.
    pub const fn new() -> Self {
        Self {
            top: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// Adds `item`. Retries only when another thread has changed the stack in the same instant.
    #[expect(
        unsafe_code,
        reason = "a lock would be copied, locked, into forked children"
    )]
    pub fn push(&self, item: T) {
        let node = Box::into_raw(Box::new(Node {
            item,
            below: self.top.load(Ordering::Relaxed),
        }));
        let push = |top| {
            // SAFETY: no other thread knows the node until the exchange below succeeds.
            unsafe { (*node).below = top };
            Some(node)
        };
        // Always succeeds in the end, since `push` never returns `None`.
        let _ = self
            .top
            .fetch_update(Ordering::Release, Ordering::Relaxed, push);
    }

    /// Whether the stack has no items.
    pub fn is_empty(&self) -> bool {
        self.top.load(Ordering::Relaxed).is_null()
    }

    /// Takes all items, the newest first.
    pub fn take_all(&self) -> Taken<T> {
        Taken {
            next: self.top.swap(ptr::null_mut(), Ordering::Acquire),
        }
    }
}

/// The items of [`Stack::take_all`].
#[derive(Debug)]
pub struct Taken<T> {
    next: *mut Node<T>,
}

impl<T> Iterator for Taken<T> {
    type Item = T;

    #[expect(unsafe_code, reason = "see Stack::push")]
    fn next(&mut self) -> Option<T> {
        if self.next.is_null() {
            return None;
        }
        // SAFETY: `push` made the node by `Box::into_raw`, and one swap took it out of the stack, so no other thread
        // has it.
        let node = unsafe { Box::from_raw(self.next) };
        self.next = node.below;
        Some(node.item)
    }
}

impl<T> Drop for Taken<T> {
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

impl<T> Drop for Stack<T> {
    fn drop(&mut self) {
        drop(self.take_all());
    }
}

#[expect(
    unsafe_code,
    reason = "a raw pointer is neither Send nor Sync by default"
)]
// SAFETY: an item moves from the thread that pushes it to the thread that takes it, and threads never share one.
unsafe impl<T: Send> Send for Stack<T> {}
#[expect(unsafe_code, reason = "see Send")]
// SAFETY: as for `Send`.
unsafe impl<T: Send> Sync for Stack<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_taken_once_whoever_pushes() {
        const EACH: usize = if cfg!(miri) { 50 } else { 20_000 };
        let stack = Stack::new();
        let mut seen = vec![0; 4 * EACH];
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let stack = &stack;
                scope.spawn(move || {
                    (0..EACH).for_each(|n| stack.push(Box::new(thread * EACH + n)));
                });
            }
            while seen.iter().sum::<usize>() < seen.len() {
                stack.take_all().for_each(|n| seen[*n] += 1);
            }
        });
        assert!(seen.iter().all(|times| *times == 1));
        assert!(stack.is_empty());
    }

    #[test]
    fn what_is_not_taken_is_dropped_with_it() {
        let item = std::sync::Arc::new(());
        let stack = Stack::new();
        (0..3).for_each(|_| stack.push(std::sync::Arc::clone(&item)));
        let mut taken = stack.take_all();
        assert!(taken.next().is_some());
        stack.push(std::sync::Arc::clone(&item));
        drop((taken, stack));
        assert_eq!(std::sync::Arc::strong_count(&item), 1);
    }
}
