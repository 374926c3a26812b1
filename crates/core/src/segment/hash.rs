//! A hasher for keys that are already numbers: addresses, serial numbers, hashes.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map from such a number.
pub(crate) type NumberMap<V> = HashMap<u64, V, BuildHasherDefault<NumberHasher>>;

/// One multiplication, its high half folded in.
#[derive(Default)]
pub(crate) struct NumberHasher(u64);

impl Hasher for NumberHasher {
    #[inline]
    fn write_u64(&mut self, number: u64) {
        let product = u128::from(number) * 0x9e37_79b9_7f4a_7c15_u128;
        self.0 = (product as u64) ^ ((product >> 64) as u64);
    }

    fn write(&mut self, bytes: &[u8]) {
        self.write_u64(xxhash_rust::xxh3::xxh3_64(bytes));
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
