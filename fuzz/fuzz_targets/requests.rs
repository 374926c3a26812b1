//! Any bytes as what somebody says to a collector's endpoint.

#![no_main]

#[path = "../../crates/testkit/tests/fuzz/requests.rs"]
mod requests;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| requests::check(bytes));
