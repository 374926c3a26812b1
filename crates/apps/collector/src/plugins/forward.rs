//! Another collector, which knows by numbers what it has already.

use std::time::{Duration, Instant};

use spanlake_core::{Category, Error, Stage};
use spanlake_wire::batch::{self, BatchWriter};
use spanlake_wire::client::{Address, Client, Uri};
use spanlake_wire::exchange::{self, Reply, Stream, Undelivered};
use spanlake_wire::{ForeignRecord, segments};

use super::pause::Pause;
use super::{Given, Plugin, Portion};

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// Bytes of segments that are sent at once, unless one has more. Where that is too much for the other side it is half as much, and
/// grows again from there.
const BATCH_BYTES: usize = 4 << 20;

/// An entry may become so many segments where only some of its records are for the other side: more than fit into memory, for each
/// describes its tasks anew, and a context that was there once may be in every one of them.
const PARTS: u64 = 1 << 20;

/// As whom it asks whether the other side is there.
const ASKING: &str = "spanlaked/reach";

const SERVICE: &str = "ForwardPlugin";

/// Sends segments on to the endpoint of another collector, which acknowledges them when they are synced to its disk.
///
/// They are numbered anew, by their place in this collector's queue, as a stream of this queue and plugin: what is sent again
/// after a crash is known there and stored once, as long as that collector remembers the stream. An entry of which all records are
/// wanted goes as it came; of others, segments are made with those that are.
///
/// Where the other side asks to be left alone for a while, nothing is sent meanwhile. What it can make nothing of goes to the dead
/// letters. The levels that it asks for are not passed on to those who send to this one.
#[derive(Debug)]
pub struct ForwardPlugin {
    client: Client,
    uri: Uri,
    batch_bytes: usize,
    pause: Pause,
}

/// Segments of one service that are sent at once.
struct Load<'a> {
    service: &'a str,
    segments: Vec<(u64, Vec<u8>)>,
    bytes: usize,
}

// === impl ForwardPlugin ===

impl ForwardPlugin {
    /// To the collector there. Fails when the URL is none, or has a path, and when certificates cannot be read.
    pub fn new(address: Address) -> Result<Self, Error> {
        let client = address.client(SERVICE, "collector")?;
        let uri = client.below(exchange::PATH)?;
        if uri.path() != exchange::PATH {
            let why = "the collector's address has no path";
            return Err(Error::new(Stage::Configuration, SERVICE, Category::Validation, why));
        }
        Ok(Self { client, uri, batch_bytes: BATCH_BYTES, pause: Pause::default() })
    }

    fn send(&mut self, stream: &Stream, floor: u64, load: &Load<'_>) -> Result<(), Error> {
        match self.post(stream, floor, load) {
            Ok(refused) if refused.is_empty() => Ok(()),
            Ok(refused) => {
                let error = self.client.failed("the other collector can make nothing of some segments");
                Err(error.with("numbers", format!("{refused:?}")))
            }
            Err(Undelivered::NotNow(error, after)) => {
                self.pause.begin(after);
                Err(error)
            }
            Err(Undelivered::TooMany(error)) if load.segments.len() > 1 => {
                self.batch_bytes = (load.bytes / 2).max(1);
                Err(error.recoverable())
            }
            Err(Undelivered::TooMany(error) | Undelivered::Never(error)) => Err(error),
        }
    }

    /// Gives the numbers of segments that the other side can make nothing of.
    fn post(&self, stream: &Stream, floor: u64, load: &Load<'_>) -> Result<Vec<u64>, Undelivered> {
        let mut batch = BatchWriter::new();
        load.segments.iter().for_each(|(number, segment)| batch.push(batch::Entry { number: *number, segment }));
        let body = batch.compress().map_err(|error| self.client.not_now("cannot compress a batch", error))?;
        let (epoch, sequence) = (stream.epoch.to_string(), floor.to_string());
        let headers = [
            ("content-type", exchange::CONTENT_TYPE),
            ("content-encoding", "zstd"),
            (exchange::SENDER, &stream.sender),
            (exchange::EPOCH, &epoch),
            (exchange::SEQUENCE, &sequence),
            (exchange::SERVICE, &exchange::escaped(load.service)),
        ];
        let answer = self.client.post(&self.uri, &headers, &body, Instant::now() + PATIENCE)?;
        let text = self.client.understand(answer)?;
        let reply: Reply = serde_json::from_slice(&text)
            .map_err(|error| self.client.not_now("the other collector's reply makes no sense", error))?;
        Ok(reply.refused)
    }
}

impl Plugin for ForwardPlugin {
    fn write(&mut self, portion: &Portion<'_>) -> Result<(), Error> {
        self.pause.check(|| self.client.failed("the other collector asked to be left alone"))?;
        let stream = stream(portion);
        for load in loads(portion, self.batch_bytes) {
            // All with a lower number is there, for what went before was acknowledged.
            let floor = load.segments.first().map_or(0, |(number, _)| *number);
            self.send(&stream, floor, &load)?;
        }
        // Once a portion, for each failure costs a pause.
        self.batch_bytes = (self.batch_bytes + self.batch_bytes / 8 + 1).min(BATCH_BYTES);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn reach(&mut self) -> Result<(), Error> {
        self.pause.check(|| self.client.failed("the other collector asked to be left alone"))?;
        let stream = Stream { sender: ASKING.to_owned(), epoch: 0 };
        self.send(&stream, 0, &Load { service: "", segments: Vec::new(), bytes: 0 })
    }
}

/// Numbers begin anew with another queue or another plugin, and so does the stream.
fn stream(portion: &Portion<'_>) -> Stream {
    let plugin = exchange::escaped(portion.plugin());
    let room = exchange::MAX_SENDER_BYTES - 32;
    Stream { sender: format!("spanlaked/{:016x}/{}", portion.queue(), plugin.get(..room).unwrap_or(&plugin)), epoch: 0 }
}

/// What is sent at once: entries of one service in a row, of about so many bytes.
fn loads<'a>(portion: &Portion<'a>, most_bytes: usize) -> Vec<Load<'a>> {
    let mut loads: Vec<Load<'a>> = Vec::new();
    for given in portion.entries() {
        for (part, segment) in (0..PARTS).zip(parts(portion, given)) {
            let number = given.entry.index * PARTS + part;
            let bytes = segment.len();
            match loads.last_mut() {
                Some(load) if load.service == given.entry.service && load.bytes + bytes <= most_bytes => {
                    load.segments.push((number, segment));
                    load.bytes += bytes;
                }
                _ => loads.push(Load { service: given.entry.service, segments: vec![(number, segment)], bytes }),
            }
        }
    }
    loads
}

/// The segments of an entry that are for the other side, the same at every try.
fn parts(portion: &Portion<'_>, given: &Given<'_>) -> Vec<Vec<u8>> {
    if given.is_whole {
        return vec![given.entry.segment.to_vec()];
    }
    let own = portion.records().filter(|(place, _)| place.entry == given.entry.index);
    let records: Vec<_> = own.map(|(_, record)| ForeignRecord::from(record)).collect();
    segments(&records).iter().map(|segment| segment.bytes().to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use spanlake_core::segment::{
        CallsiteDefinition, Decoded, Message, RecordHead, SegmentWriter, TaskDefinition, TaskOrigin,
    };
    use spanlake_core::value::{BodyWriter, Name};
    use spanlake_core::{Level, Source, TaskKey, Value};

    use super::*;
    use crate::plugins::Selection;
    use crate::queue::Entry;

    /// A segment of tasks below one with a long context, each with an event that is wanted and one that is not.
    fn segment(tasks: u32) -> Vec<u8> {
        let mut writer = SegmentWriter::new(&Source::this_process("orders"));
        let (name, target, level) = ("load", "orders", Level::INFO);
        let place = CallsiteDefinition { name, target, module: None, file: None, line: None, level };
        let callsite = writer.define_callsite(1, &place, std::iter::empty());
        let mut context = BodyWriter::default();
        let text = "x".repeat(44_000);
        (0..6).for_each(|at| context.value(Name::Text(&format!("text {at}")), &Value::from(text.as_str())));
        context.finish();
        let mut none = BodyWriter::default();
        none.finish();
        let key = TaskKey::random();
        let mut define = |serial, origin, context| {
            let (started_ns, own_context, foreign_parent) = (1, false, None);
            let begins = false;
            let task = TaskDefinition { origin, callsite, started_ns, own_context, foreign_parent, context, begins };
            let task = Some(writer.define_task(serial, 0, 0, &task));
            for (seq, level) in [(1, Level::WARN), (2, Level::INFO)] {
                let head = RecordHead { level, callsite: Some(callsite), task, seq, ts_ns: 1 };
                writer.event(&head, &Message::default(), none.bytes());
            }
            task
        };
        let parent = define(2, TaskOrigin::Continued(&key), context.bytes()).expect("a task");
        for number in 1..=tasks {
            define(2 + u64::from(number), TaskOrigin::Child { parent, number }, none.bytes());
        }
        writer.take().bytes().to_vec()
    }

    #[test]
    fn however_many_segments_an_entry_becomes_all_are_sent_and_no_two_have_one_number() {
        let segments = [segment(260), segment(1)];
        let entry = |index: usize| {
            let (index, segment) = (index as u64, &*segments[index]);
            Entry { index, received_us: 0, stream: None, number: None, service: "", segment }
        };
        let entries = [entry(0), entry(1)];
        let decoded = entries.map(|entry| Decoded::read(entry.segment).expect("a segment"));
        let selection = Selection::of(&entries, &decoded, |record| record.level == Level::WARN);
        let loads = loads(&selection.portion(1, "far"), BATCH_BYTES);
        let segments: Vec<_> = loads.iter().flat_map(|load| &load.segments).collect();
        let records: usize = segments.iter().map(|(_, bytes)| Decoded::read(bytes).expect("a segment").len()).sum();
        assert_eq!(records, 263, "in {} segments", segments.len());
        let numbers: BTreeSet<_> = segments.iter().map(|(number, _)| number).collect();
        assert_eq!(numbers.len(), segments.len());
        assert!(segments.is_sorted_by_key(|(number, _)| number));
    }
}
