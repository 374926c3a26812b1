//! Models of the hand-over between the threads that record and the pump, played in many orders of their steps.
//!
//! Only with `--cfg shuttle`: `./test models`. In a model no time passes: a wait ends when somebody ends it, or never,
//! which is a deadlock. So a wake-up that came too early, and in a program costs the time until the next drain, fails
//! here.

#![cfg(shuttle)]

/// Records made by hand, and a sink that counts.
mod hand;

/// Shards, the drain, room and its end.
mod buffer;

/// The pump, flush, shutdown and reports.
mod pump;

use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::{Config, Runner};

/// How many orders each model is played in, by each way of choosing them.
const ORDERS: usize = 1_000;

/// At most so many changes to another thread where none was forced: most faults need few.
const PREEMPTIONS: usize = 3;

/// Plays a model in orders chosen at random, step by step, and in orders with few changes of the thread. A failure
/// prints its order; `shuttle::replay` plays it again.
fn explore(model: impl Fn() + Clone + Send + Sync + 'static) {
    let orders = std::env::var("SPANLAKE_ORDERS").ok().and_then(|text| text.parse().ok()).unwrap_or(ORDERS);
    Runner::new(RandomScheduler::new(orders), Config::new()).run(model.clone());
    Runner::new(PctScheduler::new(PREEMPTIONS, orders), Config::new()).run(model);
}
