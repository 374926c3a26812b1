//! Any bytes as a collector's queue that was left behind.

#![no_main]

#[path = "../../crates/testkit/tests/fuzz/memory.rs"]
mod memory;
#[path = "../../crates/testkit/tests/fuzz/queue.rs"]
mod queue;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use spanlake_fuzz::{Files, Random};

fuzz_target!(|bytes: &[u8]| queue::check(bytes));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut random = Random::new(seed);
    if random.one_in(8) {
        return fuzzer_mutate(data, size, max_size);
    }
    Files::read(&data[..size]).mutate(&mut random, fuzzer_mutate).write(&mut data[..max_size])
});
