//! What the collector promises, part by part.

mod collecting;
#[cfg(feature = "nats")]
mod jetstream;
mod queue;
mod sending;
