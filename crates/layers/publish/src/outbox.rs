//! What was drained and is not acknowledged yet, with the numbers it is sent under.

use std::collections::VecDeque;

use spanlake_core::segment::Segment;

/// Where the numbers of segments begin that are in memory although there is a spool, because the disk refused a file: beyond those
/// of all files.
const BESIDE_FILES: u64 = 1 << 62;

/// A segment and the number it is sent under.
#[derive(Debug)]
pub(crate) struct Numbered {
    pub(crate) number: u64,
    pub(crate) segment: Segment,
}

/// Segments that wait for their turn, the oldest first.
#[derive(Debug)]
pub(crate) struct Outbox {
    waiting: VecDeque<Numbered>,
    next: u64,
}

impl Outbox {
    /// For segments in memory, or of a spool, whose files have numbers.
    pub(crate) fn new(is_spooled: bool) -> Self {
        Self { waiting: VecDeque::new(), next: if is_spooled { BESIDE_FILES } else { 1 } }
    }

    pub(crate) fn push(&mut self, mut segment: Segment) {
        segment.sum();
        let number = segment.number().unwrap_or_else(|| {
            self.next += 1;
            self.next - 1
        });
        self.push_as(number, segment);
    }

    /// Adds a segment that has its checksums and its number.
    pub(crate) fn push_as(&mut self, number: u64, segment: Segment) {
        self.waiting.push_back(Numbered { number, segment });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// The lowest number that is not acknowledged, of those that it gives itself.
    pub(crate) fn lowest_number(&self) -> u64 {
        self.waiting.front().map_or(self.next, |numbered| numbered.number)
    }

    /// The oldest ones that have at most so many bytes together, one at least.
    pub(crate) fn first(&mut self, most_bytes: usize) -> &[Numbered] {
        let mut bytes = 0;
        let fits = |numbered: &&Numbered| {
            bytes += numbered.segment.bytes().len();
            bytes <= most_bytes
        };
        let waiting = self.waiting.make_contiguous();
        let count = waiting.iter().take_while(fits).count().max(1).min(waiting.len());
        waiting.get(..count).unwrap_or_default()
    }

    /// Takes the oldest ones out.
    pub(crate) fn take(&mut self, count: usize) -> impl Iterator<Item = Numbered> {
        self.waiting.drain(..count.min(self.waiting.len()))
    }
}
