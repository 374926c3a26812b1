//! Records made by hand, without `tracing`, and sinks that remember what they got.

use std::collections::BTreeMap;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use spanlake_core::buffer::{Admission, Offer, Shard};
use spanlake_core::segment::{
    CallsiteDefinition, CallsiteRef, Decoded, EndHead, Message, RecordHead, Segment, SegmentWriter, TaskDefinition,
    TaskOrigin, TaskRef, merge,
};
use spanlake_core::spool::SpoolOptions;
use spanlake_core::value::{BodyWriter, Name};
use spanlake_core::{
    Batch, Buffer, BufferOptions, Error, Kind, Level, LevelFilter, Losses, Outcome, OwnedRecord, Policy, Pump,
    PumpBuilder, Recipe, Record, Report, Sink, SinkReport, Source,
};
use uuid::Uuid;

/// Longer than anything here takes, so that a test that hangs fails instead.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A moment in 2026, in nanoseconds.
pub(crate) const MOMENT_NS: i64 = 1_795_180_450_123_456_789;

pub(crate) const LEVELS: [Level; 5] = [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR];

pub(crate) fn source() -> Source {
    let mut source = Source::this_process("service").with_thread("main");
    (source.host, source.pid, source.started_us) = ("host".into(), 4711, MOMENT_NS / 1000);
    source
}

pub(crate) fn buffer(policy: Policy) -> Buffer {
    Buffer::new(&BufferOptions { policy, ..BufferOptions::default() }, Source::this_process("test"))
}

pub(crate) fn buffer_of_bytes(policy: Policy, bytes: usize) -> Buffer {
    let capacity_bytes = NonZeroUsize::new(bytes).expect("a capacity");
    let options = BufferOptions { capacity_bytes, policy, ..BufferOptions::default() };
    Buffer::new(&options, Source::this_process("test"))
}

pub(crate) fn buffer_of_records(policy: Policy, records: u64) -> Buffer {
    let options = BufferOptions { capacity_records: NonZeroU64::new(records), policy, ..BufferOptions::default() };
    Buffer::new(&options, Source::this_process("test"))
}

pub(crate) fn spooled(folder: &Path, policy: Policy, bytes: usize, sinks: Vec<Recipe>) -> Buffer {
    let capacity_bytes = NonZeroUsize::new(bytes).expect("a capacity");
    let options = BufferOptions { capacity_bytes, policy, ..BufferOptions::default() };
    Buffer::with_spool(&options, Source::this_process("test"), &SpoolOptions::new(folder), sinks).expect("a spool")
}

/// A callsite of the given name; its number is its name's hash, as a segment needs one.
pub(crate) fn callsite(writer: &mut SegmentWriter, name: &str, fields: &[&str]) -> CallsiteRef {
    callsite_of(writer, "core::it", name, fields)
}

fn callsite_of(writer: &mut SegmentWriter, target: &str, name: &str, fields: &[&str]) -> CallsiteRef {
    let id = xxhash_rust::xxh3::xxh3_64(format!("{target} {name}").as_bytes()).max(1);
    writer.callsite(id).unwrap_or_else(|| {
        let definition = CallsiteDefinition {
            name,
            target,
            module: Some("core::it::support"),
            file: Some("support.rs"),
            line: Some(7),
            level: Level::INFO,
        };
        writer.define_callsite(id, &definition, fields.iter().copied())
    })
}

pub(crate) fn message(text: &str) -> Message {
    let mut message = Message::default();
    message.set(text);
    message
}

/// Text that would act on a terminal, reorder what a person reads, or end the line, if it were let.
pub(crate) const HOSTILE: &str =
    "a\"b\\c\nd\re\tf\u{0}g\u{1b}[31mh\u{7f}i\u{9b}j\u{202e}k\u{2066}l\u{2028}m\u{2029}n\u{feff}\",\"context\":{}o🦀";

/// One event, all of whose texts are [`HOSTILE`].
pub(crate) fn hostile_segment() -> Segment {
    let mut source = source().with_thread(HOSTILE);
    (source.host, source.service) = (HOSTILE.into(), HOSTILE.into());
    let mut writer = SegmentWriter::new(&source);
    let definition = CallsiteDefinition {
        name: HOSTILE,
        target: HOSTILE,
        module: Some(HOSTILE),
        file: Some(HOSTILE),
        line: None,
        level: Level::INFO,
    };
    let callsite = writer.define_callsite(1, &definition, [HOSTILE, "dataflow_id"].into_iter());
    let mut body = BodyWriter::default();
    body.text(Name::Index(0), HOSTILE);
    let fields = body.bytes().to_vec();
    body.text(Name::Index(1), HOSTILE);
    let task = TaskDefinition {
        origin: TaskOrigin::Root(Uuid::from_u128(1)),
        callsite,
        started_ns: MOMENT_NS,
        own_context: false,
        foreign_parent: None,
        context: body.bytes(),
        begins: false,
    };
    let task = Some(writer.define_task(1, 0, 0, &task));
    let head = RecordHead { level: Level::INFO, callsite: Some(callsite), task, seq: 1, ts_ns: MOMENT_NS };
    writer.event(&head, &message(HOSTILE), &fields);
    writer.take()
}

pub(crate) fn owned(decoded: &Decoded<'_>) -> Vec<OwnedRecord> {
    decoded.records().map(|record| OwnedRecord::from(&record)).collect()
}

// === a thread that records ===

/// A thread's hand on a buffer: offers records with a clock that advances by one microsecond each.
pub(crate) struct Hand {
    pub(crate) shard: Shard,
    now_ns: i64,
}

/// A root task that a [`Hand`] began.
#[derive(Clone, Debug)]
pub(crate) struct HandTask {
    pub(crate) root: Uuid,
    serial: u64,
    next_seq: u64,
    pub(crate) begin_kept: bool,
}

impl Hand {
    pub(crate) fn new(buffer: &Buffer) -> Self {
        Self { shard: buffer.shard(), now_ns: MOMENT_NS }
    }

    pub(crate) fn set_time_ns(&mut self, now_ns: i64) {
        self.now_ns = now_ns;
    }

    /// An event outside any task.
    pub(crate) fn event(&mut self, level: Level, text: &str) -> bool {
        self.event_at("event", level, text)
    }

    /// An event of this target.
    pub(crate) fn event_of(&mut self, target: &str, level: Level, text: &str) -> bool {
        let offer = self.offer(level, text, Admission::Event);
        self.shard.offer(&offer, |writer, _| {
            let callsite = Some(callsite_of(writer, target, "event", &[]));
            let head = RecordHead { level, callsite, task: None, seq: 0, ts_ns: offer.ts_ns };
            writer.event(&head, &message(text), &[]);
        })
    }

    /// An event from a place of its own.
    pub(crate) fn event_at(&mut self, place: &str, level: Level, text: &str) -> bool {
        let offer = self.offer(level, text, Admission::Event);
        self.shard.offer(&offer, |writer, _| {
            let callsite = Some(callsite(writer, place, &[]));
            let head = RecordHead { level, callsite, task: None, seq: 0, ts_ns: offer.ts_ns };
            writer.event(&head, &message(text), &[]);
        })
    }

    pub(crate) fn begin(&mut self) -> HandTask {
        let mut task = HandTask { root: Uuid::new_v4(), serial: self.now_ns as u64, next_seq: 1, begin_kept: false };
        let offer = self.offer(Level::INFO, "", Admission::Begin);
        task.begin_kept = self.shard.offer(&offer, |writer, _| {
            let callsite = Some(callsite(writer, "work", &[]));
            let described = Some(task.describe(writer));
            let head = RecordHead { level: Level::INFO, callsite, task: described, seq: 0, ts_ns: offer.ts_ns };
            writer.begin(&head, &Message::default(), &[]);
        });
        task
    }

    pub(crate) fn event_in(&mut self, task: &mut HandTask, level: Level, text: &str) -> bool {
        let seq = task.take_seq();
        let offer = self.offer(level, text, Admission::Event);
        self.shard.offer(&offer, |writer, _| {
            let callsite = Some(callsite(writer, "event", &[]));
            let described = Some(task.describe(writer));
            let head = RecordHead { level, callsite, task: described, seq, ts_ns: offer.ts_ns };
            writer.event(&head, &message(text), &[]);
        })
    }

    pub(crate) fn end(&mut self, mut task: HandTask, outcome: Outcome) -> bool {
        let seq = task.take_seq();
        let offer = self.offer(Level::INFO, "", Admission::End { begin_kept: task.begin_kept });
        self.shard.offer(&offer, |writer, _| {
            let callsite = Some(callsite(writer, "work", &[]));
            let described = Some(task.describe(writer));
            let head = RecordHead { level: Level::INFO, callsite, task: described, seq, ts_ns: offer.ts_ns };
            let end = EndHead { outcome, duration_ns: 1_000, busy_ns: 500, error: &[], quiet: false };
            writer.end(&head, &end, &Message::default(), &[]);
        })
    }

    fn offer(&mut self, level: Level, text: &str, admission: Admission) -> Offer {
        self.now_ns += 1_000;
        Offer { level, ts_ns: self.now_ns, need: 40 + text.len(), admission }
    }
}

impl HandTask {
    fn take_seq(&mut self) -> u64 {
        self.next_seq += 1;
        self.next_seq - 1
    }

    fn describe(&self, writer: &mut SegmentWriter) -> TaskRef {
        if let Some(known) = writer.task(self.serial) {
            return known.task;
        }
        let callsite = callsite(writer, "work", &[]);
        let definition = TaskDefinition {
            origin: TaskOrigin::Root(self.root),
            callsite,
            started_ns: MOMENT_NS,
            own_context: false,
            foreign_parent: None,
            context: &[],
            begins: false,
        };
        writer.define_task(self.serial, 0, 0, &definition)
    }
}

// === what came out ===

/// Everything that was drained, and what the statements of loss in it say.
#[derive(Debug, Default)]
pub(crate) struct Drained {
    pub(crate) records: Vec<OwnedRecord>,
    /// By cause and level.
    pub(crate) stated: BTreeMap<(String, String), u64>,
}

impl Drained {
    pub(crate) fn messages(&self) -> Vec<&str> {
        self.records.iter().map(|record| &*record.message).collect()
    }

    /// Takes what is in the buffer now and gives its room back.
    pub(crate) fn take(&mut self, buffer: &Buffer) {
        let segments = buffer.drain();
        let decoded: Vec<_> = segments.iter().map(|segment| segment.decode().expect("a segment")).collect();
        merge(&decoded).for_each(|record| self.add(&record));
        drop(decoded);
        segments.into_iter().for_each(|segment| buffer.release(segment));
    }

    pub(crate) fn add(&mut self, record: &Record<'_>) {
        let Some(loss) = record.loss() else {
            return self.records.push(OwnedRecord::from(record));
        };
        for (level, count) in LEVELS.into_iter().zip(loss.levels).filter(|(_, count)| *count > 0) {
            *self.stated.entry((loss.cause.to_string(), level.to_string())).or_default() += count;
        }
    }

    /// The statements of loss in the stream must add up to the counters.
    pub(crate) fn assert_states(&self, losses: &Losses) {
        let mut counted = BTreeMap::new();
        for cause in spanlake_core::Cause::ALL {
            for level in LEVELS {
                let count = losses.at(cause, level);
                if count > 0 {
                    counted.insert((cause.to_string(), level.to_string()), count);
                }
            }
        }
        assert_eq!(self.stated, counted, "stated in the stream, and counted on the handle");
    }
}

pub(crate) fn drain(buffer: &Buffer) -> Drained {
    let mut drained = Drained::default();
    drained.take(buffer);
    drained
}

/// Every record has become something, for the whole and for each sink.
#[track_caller]
pub(crate) fn assert_adds_up(report: &Report) {
    let Report { recorded, written, filtered, lost, pending, .. } = *report;
    assert_eq!(recorded, written + filtered + lost + pending, "{report:#?}");
    let handed = |sink: &SinkReport| sink.written + sink.filtered + sink.lost + sink.pending;
    for sink in &report.sinks {
        assert!(handed(sink) <= recorded - report.losses.total(), "{report:#?}");
        assert_eq!(handed(sink), handed(&report.sinks[0]), "all sinks are handed all records: {report:#?}");
    }
}

/// So rarely that in a test only a flush makes the pump drain.
pub(crate) const NEVER: Duration = Duration::from_secs(3_600);

/// A pump that drains when it is told to.
pub(crate) fn start(build: impl FnOnce(PumpBuilder) -> PumpBuilder) -> (Buffer, Hand, Pump) {
    let buffer = buffer(Policy::DropLowest);
    let pump = build(PumpBuilder::new().drain_every(NEVER)).spawn(buffer.clone()).expect("a thread");
    let hand = Hand::new(&buffer);
    (buffer, hand, pump)
}

// === sinks ===

/// A sink that remembers, and does as it is told.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    shared: Arc<(Mutex<Remembered>, Condvar)>,
    name: &'static str,
    level: Option<LevelFilter>,
}

#[derive(Default)]
pub(crate) struct Remembered {
    pub(crate) records: Vec<OwnedRecord>,
    /// Of each written batch, how many records it had.
    pub(crate) batches: Vec<usize>,
    /// When it was asked to write, whether it did or not.
    pub(crate) tries: Vec<std::time::Instant>,
    pub(crate) flushes: usize,
    pub(crate) ticks: usize,
    /// How many of the next writes fail.
    pub(crate) failures_left: usize,
    /// How many of the next flushes fail.
    pub(crate) flush_failures_left: usize,
    pub(crate) panics: bool,
    /// Whether the next write waits until this is taken back.
    pub(crate) blocked: bool,
    /// Whether a write is waiting.
    pub(crate) waiting: bool,
}

impl Memory {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, ..Self::default() }
    }

    pub(crate) fn at_level(mut self, level: LevelFilter) -> Self {
        self.level = Some(level);
        self
    }

    pub(crate) fn failing(self, times: usize) -> Self {
        self.change(|state| state.failures_left = times);
        self
    }

    /// Changes what it does, and wakes whoever waits for it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Remembered) -> T) -> T {
        let changed = change(&mut self.shared.0.lock().expect("no test panics here"));
        self.shared.1.notify_all();
        changed
    }

    /// Waits until what it remembers is as wanted.
    pub(crate) fn wait(&self, wanted: impl Fn(&Remembered) -> bool) {
        let state = self.shared.0.lock().expect("no test panics here");
        let waited = self.shared.1.wait_timeout_while(state, LONG, |state| !wanted(state));
        assert!(!waited.expect("no test panics here").1.timed_out(), "the sink never came so far");
    }

    pub(crate) fn messages(&self) -> Vec<String> {
        self.change(|state| state.records.iter().map(|record| record.message.clone()).collect())
    }

    /// How many records, statements of loss left out.
    pub(crate) fn count(&self) -> u64 {
        self.change(|state| state.records.iter().filter(|record| record.kind != Kind::Loss).count() as u64)
    }
}

impl Sink for Memory {
    fn name(&self) -> &str {
        self.name
    }

    fn level(&self) -> LevelFilter {
        self.level.unwrap_or(LevelFilter::TRACE)
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        let mut state = self.shared.0.lock().expect("no test panics here");
        state.tries.push(std::time::Instant::now());
        while state.blocked {
            state.waiting = true;
            self.shared.1.notify_all();
            state = self.shared.1.wait(state).expect("no test panics here");
        }
        state.waiting = false;
        self.shared.1.notify_all();
        if state.panics {
            drop(state);
            panic!("the sink's own defect");
        }
        if state.failures_left > 0 {
            state.failures_left -= 1;
            let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
            return Err(Error::io("Memory", "cannot write the batch", full));
        }
        state.batches.push(batch.records().count());
        state.records.extend(batch.records().map(OwnedRecord::from));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.change(|state| {
            state.flushes += 1;
            if state.flush_failures_left == 0 {
                return Ok(());
            }
            state.flush_failures_left -= 1;
            Err(Error::io("Memory", "cannot flush", std::io::Error::from(std::io::ErrorKind::StorageFull)))
        })
    }

    fn tick(&mut self) -> Result<(), Error> {
        self.change(|state| state.ticks += 1);
        Ok(())
    }
}
