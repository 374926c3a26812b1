//! Any bytes as what a peer says by ZMTP.

#![no_main]

#[path = "../../crates/testkit/tests/fuzz/zmtp.rs"]
mod zmtp;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| zmtp::check(bytes));
