//! The wire formats, written and read.

mod batch;
mod foreign;
mod notification;
#[cfg(feature = "otlp")]
mod otlp;
mod round_trip;
mod scoped;
mod script;
