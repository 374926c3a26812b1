//! The wire formats, written and read.

mod batch;
