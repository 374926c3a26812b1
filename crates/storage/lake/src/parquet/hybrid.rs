//! Parquet's hybrid of runs and bit-packed groups, in which levels and dictionary indexes are stored.
//!
//! ```text
//! run    = varint(count << 1)       value in whole bytes
//! groups = varint(groups << 1 | 1)  8 values a group, `width` bits each, low bits first
//! ```

/// The same value several times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) value: u32,
    pub(super) count: u32,
}

/// Writes values of `width` bits.
struct Hybrid<'a> {
    out: &'a mut Vec<u8>,
    width: u32,
    packed: Vec<u32>,
}

/// Shorter runs are packed: a run costs a header and a value, a group only its values.
const MIN_RUN: u32 = 8;

const GROUP: usize = 8;

/// Most values packed behind one header, so that it is a single byte.
const MAX_PACKED: usize = 63 * GROUP;

/// Appends `runs`, whose values have at most `width` bits.
pub(super) fn put_hybrid(out: &mut Vec<u8>, width: u32, runs: impl Iterator<Item = Run>) {
    let mut hybrid = Hybrid { out, width, packed: Vec::with_capacity(MAX_PACKED) };
    runs.for_each(|run| hybrid.put(run));
    hybrid.pack();
}

/// How many bits the numbers below `count` need; one at least, because not every reader knows how to read none.
pub(super) fn width_of(count: usize) -> u32 {
    let largest = count.saturating_sub(1);
    (usize::BITS - largest.leading_zeros()).max(1)
}

impl Hybrid<'_> {
    #[inline]
    fn put(&mut self, Run { value, count }: Run) {
        // Only whole groups can stand before a run, so an open one takes its missing values from it.
        let missing = (GROUP - self.packed.len() % GROUP) % GROUP;
        let filled = count.min(missing as u32);
        self.packed.extend((0..filled).map(|_| value));
        if self.packed.len() == MAX_PACKED {
            self.pack();
        }
        let count = count - filled;
        if count < MIN_RUN {
            self.packed.extend((0..count).map(|_| value));
        } else {
            self.pack();
            self.put_run(Run { value, count });
        }
    }

    fn put_run(&mut self, run: Run) {
        put_varint(self.out, run.count << 1);
        let len = self.width.div_ceil(8) as usize;
        self.out.extend(run.value.to_le_bytes().into_iter().take(len));
    }

    /// Writes the open groups; the last one of all is filled up with zeros.
    fn pack(&mut self) {
        if self.packed.is_empty() {
            return;
        }
        self.packed.resize(self.packed.len().next_multiple_of(GROUP), 0);
        let groups = (self.packed.len() / GROUP) as u32;
        put_varint(self.out, (groups << 1) | 1);
        let (mut bits, mut filled) = (0u64, 0);
        for value in self.packed.drain(..) {
            bits |= u64::from(value) << filled;
            filled += self.width;
            while filled >= 8 {
                self.out.push(bits as u8);
                bits >>= 8;
                filled -= 8;
            }
        }
    }
}

fn put_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(width: u32, runs: &[(u32, u32)]) -> Vec<u8> {
        let mut out = Vec::new();
        put_hybrid(&mut out, width, runs.iter().map(|(value, count)| Run { value: *value, count: *count }));
        out
    }

    /// The example of the format's specification: the numbers 0 to 7 in three bits each.
    #[test]
    fn a_group_is_packed_as_the_specification_shows() {
        let runs: Vec<(u32, u32)> = (0..8).map(|value| (value, 1)).collect();
        assert_eq!(encode(3, &runs), [0b11, 0b1000_1000, 0b1100_0110, 0b1111_1010]);
    }

    #[test]
    fn a_long_run_is_a_header_and_a_value() {
        assert_eq!(encode(1, &[(1, 100)]), [0xc8, 0x01, 1]);
        assert_eq!(encode(12, &[(0x345, 8)]), [0x10, 0x45, 0x03]);
    }

    #[test]
    fn an_open_group_is_filled_from_the_run_behind_it() {
        assert_eq!(encode(1, &[(0, 1), (1, 20)]), [0b11, 0b1111_1110, 26, 1]);
        assert_eq!(encode(1, &[(0, 1), (1, 10)]), [0b101, 0b1111_1110, 0b0000_0111]);
    }

    #[test]
    fn a_header_of_groups_is_one_byte() {
        let runs: Vec<(u32, u32)> = (0..1024).map(|at| (at % 2, 1)).collect();
        let out = encode(1, &runs);
        assert_eq!((out[0], out[64], out[128]), (127, 127, 5));
        assert_eq!(out.len(), 1024 / 8 + 3);
    }

    #[test]
    fn widths_have_room_for_the_largest_index() {
        assert_eq!([0, 1, 2, 3, 256, 257].map(width_of), [1, 1, 1, 2, 8, 9]);
    }
}
