//! The hand-off under a scheduler that tries interleavings (`make model`).
//!
//! `sync.rs` hands the engine primitives that yield to shuttle at every step; clients, applications
//! and the interpreter lock are played here. Sockets and the poll are real ones that never block.
//!
//! What each model shows: a state in which every thread waits is a deadlock, and fails it, so no
//! wake-up is lost; a run that goes on for ever fails it, so nothing starves; and each counts what it
//! gets, so nothing is lost, doubled or out of order. A failing run prints its schedule, which
//! `MODEL_SCHEDULE=<it>` runs again.
//!
//! `MODEL_ROUNDS` multiplies how many interleavings are tried.

mod client;
mod lane;
mod mailbox;
mod queue;
mod server;
pub(crate) mod shared;
mod siblings;
pub(crate) mod sync;

use std::sync::Arc;

use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler, Scheduler};
use shuttle::{Config, MaxSteps, Runner};

/// Runs `model` under `runs` random schedules, and as many with few but surprising preemptions.
fn check(runs: usize, model: impl Fn() + Send + Sync + 'static) {
    let model = Arc::new(move || {
        let world = sync::World::begin();
        model();
        world.end();
    });
    if let Ok(schedule) = std::env::var("MODEL_SCHEDULE") {
        return run(ReplayScheduler::new_from_encoded(&schedule), &model);
    }
    let rounds = std::env::var("MODEL_ROUNDS").map_or(1, |n| n.parse().expect("a number"));
    run(RandomScheduler::new(runs * rounds), &model);
    run(PctScheduler::new(DEPTH, runs * rounds), &model);
}

fn run(scheduler: impl Scheduler + 'static, model: &Arc<impl Fn() + Send + Sync + 'static>) {
    let mut config = Config::new();
    config.stack_size = STACK;
    config.max_steps = MaxSteps::FailAfter(MOST_STEPS);
    let model = Arc::clone(model);
    Runner::new(scheduler, config).run(move || model());
}

/// Preemptions that the second scheduler places at surprising points.
const DEPTH: usize = 3;
/// The engine's buffers on the stack are larger than shuttle expects.
const STACK: usize = 256 * 1024;
/// A model that takes more steps than this goes on for ever.
const MOST_STEPS: usize = 100_000;
