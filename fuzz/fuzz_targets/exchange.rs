//! Any bytes as what goes beside a batch.

#![no_main]

#[path = "../../crates/testkit/tests/fuzz/exchange.rs"]
mod exchange;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| exchange::check(bytes));
