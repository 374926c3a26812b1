//! Records made by hand, and a sink that counts.

use std::num::{NonZeroU64, NonZeroUsize};
use std::time::Duration;

use spanlake_core::buffer::{Admission, Offer, Shard};
use spanlake_core::segment::{Message, RecordHead, Segment};
use spanlake_core::sync::{Arc, Condvar, Mutex, lock};
use spanlake_core::{Batch, Buffer, BufferOptions, Error, Level, Policy, Sink, Source};

/// Longer than any model takes.
pub(crate) const LONG: Duration = Duration::from_secs(600);

/// What is more than a segment holds.
const SEGMENT_BYTES: usize = 256 << 10;

/// About what one record of these takes.
pub(crate) const RECORD_BYTES: usize = 40;

/// A buffer with room for so many records of these, and not one more.
pub(crate) fn buffer(policy: Policy, records: u64) -> Buffer {
    let options = BufferOptions {
        policy,
        capacity_records: NonZeroU64::new(records),
        capacity_bytes: NonZeroUsize::new(1 << 20).expect("more than 0"),
    };
    let mut source = Source::default();
    source.pid = std::process::id();
    Buffer::new(&options, source)
}

/// Offers events `0..count` of a thread; gives how many were kept.
pub(crate) fn offer(shard: &Shard, thread: &str, count: u64) -> u64 {
    (0..count).map(|number| u64::from(offer_one(shard, Level::INFO, thread, number))).sum()
}

pub(crate) fn offer_one(shard: &Shard, level: Level, thread: &str, number: u64) -> bool {
    let mut message = Message::default();
    message.set(thread);
    let ts_ns = number as i64;
    let offer = Offer { level, ts_ns, need: RECORD_BYTES, admission: Admission::Event };
    let head = RecordHead { level, callsite: None, task: None, seq: number, ts_ns };
    shard.offer(&offer, |writer, _| writer.event(&head, &message, &[]))
}

/// Offers a record that fills a segment.
pub(crate) fn offer_segment(shard: &Shard) -> bool {
    let offer = Offer { level: Level::INFO, ts_ns: 0, need: RECORD_BYTES, admission: Admission::Event };
    let head = RecordHead { level: Level::INFO, callsite: None, task: None, seq: 0, ts_ns: 0 };
    shard.offer(&offer, |writer, _| writer.event(&head, &Message::default(), &[0; SEGMENT_BYTES]))
}

/// What came out: thread and number of each event, and how many are stated as lost.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drained {
    pub(crate) events: Vec<(String, u64)>,
    pub(crate) stated: u64,
}

impl Drained {
    pub(crate) fn take_in(&mut self, segment: &Segment) {
        for record in segment.decode().expect("a segment").records() {
            match record.loss() {
                Some(loss) => self.stated += loss.count(),
                None => self.events.push((record.message.to_string(), record.seq)),
            }
        }
    }

    /// Drains once, and gives the room back.
    pub(crate) fn drain(&mut self, buffer: &Buffer) {
        for segment in buffer.drain() {
            self.take_in(&segment);
            buffer.release(segment);
        }
    }

    /// Whether every event came once, and those of each thread in their order.
    #[track_caller]
    pub(crate) fn assert_in_order(&self) {
        for (at, (thread, number)) in self.events.iter().enumerate() {
            let mut before = self.events[..at].iter().filter(|(other, _)| other == thread);
            assert!(before.all(|(_, earlier)| earlier < number), "{:?}", self.events);
        }
    }
}

/// Counts the records that it was given.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<(Mutex<u64>, Condvar)>);

impl Seen {
    pub(crate) fn count(&self) -> u64 {
        *lock(&self.0.0)
    }

    pub(crate) fn wait_for(&self, count: u64) {
        let mut seen = lock(&self.0.0);
        while *seen < count {
            seen = self.0.1.wait(seen).expect("nobody panics");
        }
    }
}

impl Sink for Seen {
    fn name(&self) -> &str {
        "seen"
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        *lock(&self.0.0) += batch.records().filter(|record| record.loss().is_none()).count() as u64;
        self.0.1.notify_all();
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
