//! Any bytes as a ledger.

#![no_main]

#[path = "../../crates/testkit/tests/fuzz/ledger.rs"]
mod ledger;
#[path = "../../crates/testkit/tests/fuzz/memory.rs"]
mod memory;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| ledger::check(bytes));
