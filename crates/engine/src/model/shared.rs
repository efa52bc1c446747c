//! Atomics in memory that processes share, where those of shuttle cannot lie. The scheduler runs before each step.

use std::sync::atomic::{self, Ordering};

use super::sync::World;

macro_rules! atomics {
    ($($name:ident: $number:ty),*) => {$(
        #[derive(Debug)]
        #[repr(transparent)]
        pub(crate) struct $name(atomic::$name);

        #[allow(dead_code, reason = "each type is used in its own way")]
        impl $name {
            pub(crate) fn load(&self, order: Ordering) -> $number {
                World::get().step();
                self.0.load(order)
            }

            pub(crate) fn store(&self, value: $number, order: Ordering) {
                World::get().step();
                self.0.store(value, order);
            }

            pub(crate) fn fetch_add(&self, value: $number, order: Ordering) -> $number {
                World::get().step();
                self.0.fetch_add(value, order)
            }

            pub(crate) fn fetch_update(
                &self,
                set: Ordering,
                fetch: Ordering,
                update: impl FnMut($number) -> Option<$number>,
            ) -> Result<$number, $number> {
                World::get().step();
                self.0.fetch_update(set, fetch, update)
            }

            pub(crate) fn compare_exchange(
                &self,
                old: $number,
                new: $number,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$number, $number> {
                World::get().step();
                self.0.compare_exchange(old, new, success, failure)
            }
        }
    )*};
}

atomics!(AtomicU32: u32, AtomicU64: u64);
