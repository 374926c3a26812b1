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

/// Longer than a sender that is still there is silent: a try takes up to 20 s, and the pause behind it up to 30 s.
const PAUSE_US: i64 = 60_000_000;

/// The streams that sent something lately.
#[derive(Debug, Default)]
pub(super) struct Streams {
    known: HashMap<Stream, Known>,
    ranges: usize,
    /// Counts the changes.
    pub(super) version: u64,
    /// Streams that were forgotten before their time, for want of room.
    pub(super) forgotten: u64,
    /// When one of them was forgotten that may well have been there, UTC microseconds since the Unix epoch.
    crowded_us: Option<i64>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    numbers: Numbers,
    /// The highest floor that its sender gave since the queue was opened; that of the numbers may be higher.
    said: u64,
    /// When it sent something last, UTC microseconds since the Unix epoch.
    heard_us: i64,
}

/// What becomes of the streams when a group of deliveries is durable.
#[derive(Debug, Default)]
pub(super) struct Draft {
    changed: HashMap<Stream, Known>,
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
        let mut after = before.or(stored).cloned().unwrap_or_default();
        after.heard_us = now_us;
        after.said = after.said.max(delivery.floor);
        after.numbers.raise(delivery.floor);
        let numbers = delivery.entries.iter().map(|(number, _)| *number);
        let are_new: Vec<_> = numbers.map(|number| number.is_none_or(|number| after.numbers.insert(number))).collect();
        if before.or(stored).is_none() && after.is_settled() {
            // There is nothing to know: it comes with its floor again, and of nothing a second time.
            return Ok(are_new);
        }
        let drafted = before.map_or(0, |before| before.numbers.ranges());
        let replaced = if before.is_none() { stored.map_or(0, |stored| stored.numbers.ranges()) } else { 0 };
        let ranges = (self.ranges.0 - drafted + after.numbers.ranges(), self.ranges.1 + replaced);
        if after.numbers.ranges() > MAX_RANGES || streams.ranges + ranges.0 > MAX_RANGES_IN_ALL + ranges.1 {
            return Err(Refusal::TooManyGaps);
        }
        self.ranges = ranges;
        self.changed.insert(stream.clone(), after);
        Ok(are_new)
    }
}

// === impl Known ===

impl Known {
    /// Whether its sender has said that everything of it is acknowledged. All that it may send has a higher number, and is new
    /// also to who has forgotten it, but for a request that is still on its way although nobody waits for it.
    fn is_settled(&self) -> bool {
        self.numbers.end_at(self.said)
    }

    /// What is forgotten first has the lowest.
    fn rank(&self) -> (bool, i64) {
        (!self.is_settled(), self.heard_us)
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

    /// An entry was found in a file. Of all that files may hold, little more is kept at a time than there is room for.
    pub(super) fn found(&mut self, entry: &Entry<'_>, most: usize) {
        let Some(stream) = entry.owned_stream() else {
            return;
        };
        let known = self.known.entry(stream).or_default();
        let before = known.numbers.ranges();
        known.heard_us = known.heard_us.max(entry.received_us);
        entry.number.map(|number| known.numbers.insert(number));
        self.ranges = self.ranges + known.numbers.ranges() - before;
        if self.known.len() > most.saturating_mul(2) || self.ranges > 2 * MAX_RANGES_IN_ALL {
            self.make_room(most, entry.received_us);
        }
    }

    /// Adds what others know.
    pub(super) fn join(&mut self, others: Self) {
        for (stream, other) in others.known {
            let known = self.known.entry(stream).or_default();
            known.heard_us = known.heard_us.max(other.heard_us);
            known.said = known.said.max(other.said);
            known.numbers.join(&other.numbers);
        }
        self.ranges = self.known.values().map(|known| known.numbers.ranges()).sum();
    }

    /// Forgets streams that have sent nothing since, and those that are settled with another time.
    pub(super) fn forget(&mut self, since_us: i64, settled_since_us: i64) {
        let since_us = |known: &Known| if known.is_settled() { settled_since_us.max(since_us) } else { since_us };
        self.retain(|known| known.heard_us >= since_us(known));
    }

    /// Forgets streams where there are more than `most`, or too many ranges: those that were silent for the longest time, and
    /// settled ones before all others. Some more go with them, for each time all are looked at.
    pub(super) fn make_room(&mut self, most: usize, now_us: i64) {
        while self.known.len() > most || self.ranges > MAX_RANGES_IN_ALL {
            self.forget_first(self.known.len().saturating_sub(most) + most / 16, now_us);
        }
    }

    fn forget_first(&mut self, count: usize, now_us: i64) {
        let mut ranks: Vec<_> = self.known.values().map(Known::rank).collect();
        let last = count.clamp(1, ranks.len()) - 1;
        let (before, last, _) = ranks.select_nth_unstable(last);
        let last = *last;
        // As many as are to go, also where several were heard at the same time.
        let mut equals = 1 + before.iter().filter(|rank| **rank == last).count();
        let (mut forgotten, mut heard_us) = (0, i64::MIN);
        self.retain(|known| {
            let rank = known.rank();
            let goes = rank < last || rank == last && equals > 0;
            equals -= usize::from(goes && rank == last);
            if goes && !known.is_settled() {
                (forgotten, heard_us) = (forgotten + 1, heard_us.max(known.heard_us));
            }
            !goes
        });
        self.forgotten += forgotten;
        if heard_us > now_us.saturating_sub(PAUSE_US) {
            self.crowded_us = Some(now_us);
        }
    }

    fn retain(&mut self, mut keeps: impl FnMut(&Known) -> bool) {
        self.known.retain(|_, known| keeps(known));
        self.ranges = self.known.values().map(|known| known.numbers.ranges()).sum();
    }

    /// Whether streams are forgotten that may well be there.
    pub(super) fn is_crowded(&self, now_us: i64) -> bool {
        self.crowded_us.is_some_and(|at| at > now_us.saturating_sub(PAUSE_US))
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
            let known = Known { heard_us: cursor.i64()?, numbers: Numbers::read(cursor)?, said: 0 };
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
        streams.forget(6, 6);
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

    /// Streams of which each sent a segment at a time, and those who are named said that all is acknowledged.
    fn heard(senders: &[(&str, i64)], settled: &[&str]) -> Streams {
        let mut streams = Streams::default();
        let mut draft = Draft::default();
        for (sender, at) in senders {
            draft.take(&streams, &delivery(sender, 1, [1]), *at).unwrap();
            if settled.contains(sender) {
                draft.take(&streams, &delivery(sender, 2, []), *at).unwrap();
            }
        }
        streams.keep(draft);
        streams
    }

    fn senders(streams: &Streams) -> Vec<&str> {
        let mut senders: Vec<_> = streams.known.keys().map(|stream| &*stream.sender).collect();
        senders.sort_unstable();
        senders
    }

    #[test]
    fn what_was_silent_for_the_longest_time_goes_first_and_what_is_settled_before_it() {
        let now_us = 10 * PAUSE_US;
        let all = [("a", 3), ("b", 1), ("c", 2), ("d", 5), ("e", 4)];
        let mut streams = heard(&all, &["d", "e"]);
        streams.make_room(4, now_us);
        assert_eq!((senders(&streams), streams.forgotten), (vec!["a", "b", "c", "d"], 0));
        streams.make_room(2, now_us);
        assert_eq!((senders(&streams), streams.forgotten), (vec!["a", "c"], 1));
        assert!(!streams.is_crowded(now_us), "they were silent for long");
        streams.make_room(1, PAUSE_US);
        assert_eq!((senders(&streams), streams.forgotten), (vec!["a"], 2));
        assert!(streams.is_crowded(PAUSE_US) && !streams.is_crowded(2 * PAUSE_US));
        assert_eq!(streams.ranges, 0);
    }

    #[test]
    fn as_many_go_as_have_to_also_where_all_were_heard_at_once() {
        let mut streams = heard(&["a", "b", "c", "d", "e"].map(|sender| (sender, 7)), &[]);
        streams.make_room(3, 8);
        assert_eq!((streams.len(), streams.forgotten), (3, 2));
    }

    #[test]
    fn a_stream_is_settled_by_its_sender_alone() {
        let mut streams = heard(&[("a", 5), ("b", 5)], &["b"]);
        streams.forget(0, 6);
        assert_eq!(senders(&streams), ["a"], "that its numbers have no gap says nothing");
        let mut draft = Draft::default();
        draft.take(&streams, &delivery("a", 5, []), 5).unwrap();
        draft.take(&streams, &delivery("a", 1, [7]), 5).unwrap();
        streams.keep(draft);
        streams.forget(0, 6);
        assert_eq!(senders(&streams), ["a"], "something came after it was said");
        let mut draft = Draft::default();
        draft.take(&streams, &delivery("a", 8, []), 5).unwrap();
        draft.take(&streams, &delivery("a", 1, [1, 7]), 5).unwrap();
        streams.keep(draft);
        streams.forget(0, 6);
        assert!(senders(&streams).is_empty(), "a late repeat changes nothing");
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
