//! What the collector promises, part by part.

mod queue;
