//! Any bytes as a file of JSON lines.

#![no_main]

#[path = "../../crates/testkit/tests/fuzz/jsonl.rs"]
mod jsonl;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| jsonl::check(bytes));
