//! The wire formats, written and read.

mod batch;
mod foreign;
mod round_trip;
mod script;
