//! Any bytes as a batch.

#![no_main]

#[path = "../../crates/testkit/tests/fuzz/batch.rs"]
mod batch;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| batch::check(bytes));
