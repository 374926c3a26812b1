//! Any bytes as messages of scoped tasks.

#![no_main]

#[path = "../../crates/testkit/tests/fuzz/scoped.rs"]
mod scoped;
#[path = "../../crates/testkit/tests/fuzz/trip.rs"]
mod trip;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| scoped::check(bytes));
