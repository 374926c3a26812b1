//! What is known of every stream, so that a segment that comes again is not stored again.

use std::collections::HashMap;

use spanlake_core::segment::cursor::{Cursor, put_varint};
use spanlake_wire::exchange::Stream;

use crate::queue::delivery::{Delivery, Refusal};
use crate::queue::entry::{Entry, put_text, text};
use crate::queue::numbers::Numbers;

/// Most ranges of numbers that are remembered of a stream.
pub const MAX_RANGES: usize = 65_536;

/// Most ranges that are remembered of all streams, 16 bytes each.
pub const MAX_RANGES_IN_ALL: usize = 1 << 20;

/// Most streams that are remembered.
pub const MAX_STREAMS: usize = 65_536;

/// The streams that sent something lately.
#[derive(Debug, Default)]
pub(super) struct Streams {
    known: HashMap<Stream, Known>,
    ranges: usize,
    /// Counts the changes.
    pub(super) version: u64,
}

#[derive(Clone, Debug, Default)]
struct Known {
    numbers: Numbers,
    /// When it sent something last, UTC microseconds since the Unix epoch.
    heard_us: i64,
}

/// What becomes of the streams when a group of deliveries is durable.
#[derive(Debug, Default)]
pub(super) struct Draft {
    changed: HashMap<Stream, Known>,
    /// Streams among them that were not known.
    new: usize,
    /// Ranges among them, and how many those streams had before.
    ranges: (usize, usize),
}

// === impl Draft ===

impl Draft {
    /// Takes a delivery into the draft: which of its segments are to be stored. All of it is refused, or nothing.
    pub(super) fn take(&mut self, streams: &Streams, delivery: &Delivery, now_us: i64) -> Result<Vec<bool>, Refusal> {
        let Some(stream) = &delivery.stream else {
            return Ok(vec![true; delivery.entries.len()]);
        };
        let before = self.changed.get(stream);
        let stored = streams.known.get(stream);
        let is_new = before.is_none() && stored.is_none();
        if is_new && streams.known.len() + self.new >= MAX_STREAMS {
            return Err(Refusal::TooManyStreams);
        }
        let mut after = before.or(stored).cloned().unwrap_or_default();
        after.heard_us = now_us;
        after.numbers.raise(delivery.floor);
        let numbers = delivery.entries.iter().map(|(number, _)| *number);
        let are_new = numbers.map(|number| number.is_none_or(|number| after.numbers.insert(number))).collect();
        let drafted = before.map_or(0, |before| before.numbers.ranges());
        let replaced = if before.is_none() { stored.map_or(0, |stored| stored.numbers.ranges()) } else { 0 };
        let ranges = (self.ranges.0 - drafted + after.numbers.ranges(), self.ranges.1 + replaced);
        if after.numbers.ranges() > MAX_RANGES || streams.ranges + ranges.0 > MAX_RANGES_IN_ALL + ranges.1 {
            return Err(Refusal::TooManyGaps);
        }
        self.ranges = ranges;
        self.new += usize::from(is_new);
        self.changed.insert(stream.clone(), after);
        Ok(are_new)
    }
}

// === impl Streams ===

impl Streams {
    /// What is in the draft is durable.
    pub(super) fn keep(&mut self, draft: Draft) {
        self.version += u64::from(!draft.changed.is_empty());
        for (stream, known) in draft.changed {
            self.ranges += known.numbers.ranges();
            let before = self.known.insert(stream, known);
            self.ranges -= before.map_or(0, |before| before.numbers.ranges());
        }
    }

    /// An entry was found in a file.
    pub(super) fn found(&mut self, entry: &Entry<'_>) {
        let Some(stream) = entry.owned_stream() else {
            return;
        };
        let known = self.known.entry(stream).or_default();
        let before = known.numbers.ranges();
        known.heard_us = known.heard_us.max(entry.received_us);
        entry.number.map(|number| known.numbers.insert(number));
        self.ranges = self.ranges + known.numbers.ranges() - before;
    }

    /// Adds what others know.
    pub(super) fn join(&mut self, others: Self) {
        for (stream, other) in others.known {
            let known = self.known.entry(stream).or_default();
            known.heard_us = known.heard_us.max(other.heard_us);
            known.numbers.join(&other.numbers);
        }
        self.ranges = self.known.values().map(|known| known.numbers.ranges()).sum();
    }

    /// Forgets streams that have sent nothing since.
    pub(super) fn forget(&mut self, since_us: i64) {
        self.known.retain(|_, known| known.heard_us >= since_us);
        self.ranges = self.known.values().map(|known| known.numbers.ranges()).sum();
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.known.len() as u64);
        for (stream, known) in &self.known {
            put_text(out, &stream.sender);
            put_varint(out, stream.epoch);
            out.extend_from_slice(&known.heard_us.to_le_bytes());
            known.numbers.put(out);
        }
    }

    pub(super) fn read(cursor: &mut Cursor<'_>) -> Option<Self> {
        let mut streams = Self::default();
        for _ in 0..cursor.varint()? {
            let stream = Stream { sender: text(cursor)?.to_owned(), epoch: cursor.varint()? };
            let known = Known { heard_us: cursor.i64()?, numbers: Numbers::read(cursor)? };
            streams.ranges += known.numbers.ranges();
            streams.known.insert(stream, known);
        }
        Some(streams)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delivery(sender: &str, floor: u64, numbers: impl IntoIterator<Item = u64>) -> Delivery {
        let stream = Some(Stream { sender: sender.to_owned(), epoch: 1 });
        let entries = numbers.into_iter().map(|number| (Some(number), vec![])).collect();
        Delivery { stream, floor, entries, ..Delivery::default() }
    }

    #[test]
    fn a_draft_that_is_dropped_changes_nothing() {
        let mut streams = Streams::default();
        let mut draft = Draft::default();
        assert_eq!(draft.take(&streams, &delivery("a", 0, [1, 2, 2]), 5).unwrap(), [true, true, false]);
        assert_eq!(draft.take(&streams, &delivery("a", 0, [2, 3]), 5).unwrap(), [false, true]);
        drop(draft);
        let mut draft = Draft::default();
        assert_eq!(draft.take(&streams, &delivery("a", 0, [1]), 5).unwrap(), [true]);
        streams.keep(draft);
        let taken = Draft::default().take(&streams, &delivery("a", 9, [1, 8, 9]), 5).unwrap();
        assert_eq!(taken, [false, false, true], "what is below the floor is settled");
        streams.forget(6);
        assert_eq!((streams.len(), streams.ranges), (0, 0));
    }

    #[test]
    fn a_stream_that_leaves_too_much_out_is_refused_as_a_whole() {
        let mut streams = Streams::default();
        let mut draft = Draft::default();
        let most = MAX_RANGES as u64;
        assert!(draft.take(&streams, &delivery("a", 0, (0..most).map(|at| 2 * at + 1)), 5).is_ok());
        let more = delivery("a", 0, [2 * most + 1]);
        assert!(matches!(draft.take(&streams, &more, 5), Err(Refusal::TooManyGaps)));
        assert!(draft.take(&streams, &delivery("a", 0, [2]), 5).is_ok(), "it closes a gap");
        streams.keep(draft);
        assert_eq!(streams.ranges, MAX_RANGES - 1);
        let mut draft = Draft::default();
        assert!(draft.take(&streams, &more, 5).is_ok());
        assert!(draft.take(&streams, &delivery("a", 2 * most, [2 * most + 7]), 5).is_ok(), "what is settled is no gap");
        streams.keep(draft);
        assert_eq!(streams.ranges, 2);
    }

    #[test]
    fn all_streams_together_leave_out_so_much_and_no_more() {
        let streams = Streams::default();
        let mut draft = Draft::default();
        for sender in 0..MAX_RANGES_IN_ALL / MAX_RANGES {
            let gaps = (0..MAX_RANGES as u64).map(|at| 2 * at + 1);
            assert!(draft.take(&streams, &delivery(&sender.to_string(), 0, gaps), 5).is_ok());
        }
        assert!(matches!(draft.take(&streams, &delivery("z", 0, [1]), 5), Err(Refusal::TooManyGaps)));
        assert!(draft.take(&streams, &delivery("z", 0, [0]), 5).is_ok());
    }

    #[test]
    fn it_comes_back_as_it_was_written() {
        let mut streams = Streams::default();
        let mut draft = Draft::default();
        draft.take(&streams, &delivery("a", 3, [5, 9]), 5).unwrap();
        draft.take(&streams, &delivery("b", 0, [u64::MAX]), 6).unwrap();
        streams.keep(draft);
        let mut bytes = Vec::new();
        streams.put(&mut bytes);
        let mut read = Streams::read(&mut Cursor::new(&bytes)).unwrap();
        assert_eq!((read.len(), read.ranges), (2, 3));
        read.join(streams);
        let taken = Draft::default().take(&read, &delivery("a", 0, [2, 4, 5, 9]), 5).unwrap();
        assert_eq!(taken, [false, true, false, false]);
    }
}
