//! Any bytes as a CBOR notification.

#![no_main]

#[path = "../../crates/testkit/tests/fuzz/notification.rs"]
mod notification;
#[path = "../../crates/testkit/tests/fuzz/trip.rs"]
mod trip;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| notification::check(bytes));
