//! Models of the hand-over between the threads that record and the pump, played in many orders of their steps.
//!
//! With `--cfg shuttle` (`./test models`) no time passes: a wait ends when somebody ends it, or never, which is a
//! deadlock. So a wake-up that came too early, and in a program costs the time until the next drain, fails here.
//!
//! Miri plays each model once, in an order and with values of the atomics that its seed decides: those that only weak
//! memory makes are among them.

#![cfg(any(shuttle, miri))]

/// Records made by hand, and a sink that counts.
mod hand;

/// Shards, the drain, room and its end.
mod buffer;

/// The pump, flush, shutdown and reports.
mod pump;

/// How many orders each model is played in, by each way of choosing them.
#[cfg(shuttle)]
const ORDERS: usize = 1_000;

/// At most so many changes to another thread where none was forced: most faults need few.
#[cfg(shuttle)]
const PREEMPTIONS: usize = 3;

/// Plays a model in orders chosen at random, step by step, and in orders with few changes of the thread. A failure
/// prints its order; `shuttle::replay` plays it again. `SPANLAKE_ORDERS` asks for more of them.
#[cfg(shuttle)]
fn explore(model: impl Fn() + Clone + Send + Sync + 'static) {
    use shuttle::scheduler::{PctScheduler, RandomScheduler};
    use shuttle::{Config, Runner};

    let orders = std::env::var("SPANLAKE_ORDERS").ok().and_then(|text| text.parse().ok()).unwrap_or(ORDERS);
    Runner::new(RandomScheduler::new(orders), Config::new()).run(model.clone());
    Runner::new(PctScheduler::new(PREEMPTIONS, orders), Config::new()).run(model);
}

#[cfg(miri)]
fn explore(model: impl Fn()) {
    model();
}
