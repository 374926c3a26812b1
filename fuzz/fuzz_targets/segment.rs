//! Any bytes as a segment.

#![no_main]

#[path = "../../crates/testkit/tests/fuzz/segment.rs"]
mod segment;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use spanlake_fuzz::{Frames, Random};

fuzz_target!(|bytes: &[u8]| segment::check(bytes));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut random = Random::new(seed);
    match Frames::read(&data[..size]) {
        Some(frames) if !random.one_in(8) => frames.mutate(&mut random, fuzzer_mutate).write(&mut data[..max_size]),
        _ => fuzzer_mutate(data, size, max_size),
    }
});
