//! What the collector promises, part by part.

mod collecting;
mod queue;
