//! Any bytes as an OTLP request.

#![no_main]

#[path = "../../crates/testkit/tests/fuzz/otlp.rs"]
mod otlp;
#[path = "../../crates/testkit/tests/fuzz/trip.rs"]
mod trip;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| otlp::check(bytes));
