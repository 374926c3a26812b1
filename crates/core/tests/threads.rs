//! Eight threads and two million records through each policy: every record is written or counted as lost, exactly.
//!
//! A binary of its own, because it wants the machine for itself.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use spanlake_core::buffer::{Admission, Offer, Shard};
use spanlake_core::segment::{
    CallsiteDefinition, CallsiteRef, EndHead, Message, RecordHead, SegmentWriter, TaskDefinition, TaskOrigin, TaskRef,
};
use spanlake_core::{
    Batch, Buffer, BufferOptions, Cause, Error, Kind, Level, Outcome, Policy, PumpBuilder, Record, Sink, Source,
};
use uuid::Uuid;

const THREADS: u64 = 8;
const EVENTS: u64 = 250_000;

/// Of each thread's task its begin, its events and its end.
const RECORDS: u64 = THREADS * (EVENTS + 2);

const LONG: Duration = Duration::from_secs(120);

// === what arrives ===

/// What arrived of one task.
#[derive(Clone, Debug, Default)]
struct Arrived {
    records: u64,
    /// The number that comes next when nothing is missing.
    next_seq: u64,
    missing: u64,
    begun: bool,
    ended: bool,
}

/// Checks the order of what arrives and counts it.
#[derive(Clone, Default)]
struct Checker(Arc<Mutex<Checked>>);

#[derive(Default)]
struct Checked {
    tasks: BTreeMap<u128, Arrived>,
    lost: BTreeMap<(Cause, Level), u64>,
}

impl Checked {
    fn check(&mut self, record: &Record<'_>) {
        if let Some(loss) = record.loss() {
            for (code, count) in loss.levels.into_iter().enumerate().filter(|(_, count)| *count > 0) {
                *self.lost.entry((loss.cause, spanlake_core::record::level_from_code(code as u8))).or_default() +=
                    count;
            }
            return;
        }
        let task = record.task.as_deref().expect("every record here is in a task").key.uuid().as_u128();
        let arrived = self.tasks.entry(task).or_default();
        assert!(record.seq >= arrived.next_seq, "in order and once");
        assert!(!arrived.ended, "nothing comes after the end");
        arrived.missing += record.seq - arrived.next_seq;
        arrived.next_seq = record.seq + 1;
        arrived.records += 1;
        arrived.begun |= record.kind == Kind::Begin;
        arrived.ended = record.kind == Kind::End;
    }
}

impl Sink for Checker {
    fn name(&self) -> &str {
        "checker"
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        let mut checked = self.0.lock().expect("no panic before");
        batch.records().for_each(|record| checked.check(record));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

// === what is sent ===

fn callsite(writer: &mut SegmentWriter) -> CallsiteRef {
    let definition = CallsiteDefinition {
        name: "work",
        target: "threads",
        module: None,
        file: None,
        line: None,
        level: Level::INFO,
    };
    writer.callsite(1).unwrap_or_else(|| writer.define_callsite(1, &definition, std::iter::empty()))
}

fn describe(writer: &mut SegmentWriter, number: u64) -> TaskRef {
    if let Some(known) = writer.task(number) {
        return known.task;
    }
    let definition = TaskDefinition {
        origin: TaskOrigin::Root(Uuid::from_u128(number.into())),
        callsite: callsite(writer),
        started_ns: 0,
        own_context: false,
        foreign_parent: None,
        context: &[],
        begins: false,
    };
    writer.define_task(number, 0, 0, &definition)
}

/// One thread's work; gives how many of its events were kept.
fn send(shard: &Shard, number: u64) -> u64 {
    const LEVELS: [Level; 5] = [Level::INFO, Level::DEBUG, Level::TRACE, Level::WARN, Level::ERROR];
    let mut text = Message::default();
    text.set("an event of a task with a text of some length");
    let quiet = Message::default();
    let put = |seq: u64, level, admission| {
        let offer = Offer { level, ts_ns: seq as i64, need: 96, admission };
        shard.offer(&offer, |writer, _| {
            let (callsite, task) = (Some(callsite(writer)), Some(describe(writer, number)));
            let head = RecordHead { level, callsite, task, seq, ts_ns: seq as i64 };
            let end = EndHead { outcome: Outcome::Succeeded, duration_ns: 1, busy_ns: 1, error: &[], quiet: false };
            match admission {
                Admission::Event => writer.event(&head, &text, &[]),
                Admission::Begin => writer.begin(&head, &quiet, &[]),
                Admission::End { .. } => writer.end(&head, &end, &quiet, &[]),
            }
        })
    };
    let begin_kept = put(0, Level::INFO, Admission::Begin);
    let kept = (1..=EVENTS).filter(|seq| put(*seq, LEVELS[(seq % 5) as usize], Admission::Event)).count();
    let end_kept = put(EVENTS + 1, Level::INFO, Admission::End { begin_kept });
    assert!(end_kept || !begin_kept, "an end is kept when its begin was");
    kept as u64
}

/// All threads' work.
fn send_all(buffer: &Buffer) {
    let start = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for number in 1..=THREADS {
            let start = &start;
            scope.spawn(move || {
                let shard = buffer.shard();
                start.wait();
                send(&shard, number)
            });
        }
    });
}

// === the trial ===

fn buffer(policy: Policy, capacity_bytes: usize) -> Buffer {
    let capacity_bytes = NonZeroUsize::new(capacity_bytes).expect("a capacity");
    let options = BufferOptions { capacity_bytes, policy, ..BufferOptions::default() };
    Buffer::new(&options, Source::this_process("threads"))
}

fn account_for_every_record(policy: Policy, capacity_bytes: usize) {
    let buffer = buffer(policy, capacity_bytes);
    let checker = Checker::default();
    let pump = PumpBuilder::new().sink(checker.clone()).spawn(buffer.clone()).expect("a thread");
    send_all(&buffer);
    let report = pump.shutdown(LONG);
    assert!(!report.timed_out && report.pending == 0, "{report}");
    assert_eq!(report.recorded, RECORDS);
    assert_eq!(report.recorded, report.written + report.lost, "recorded = written + lost");

    let checked = checker.0.lock().expect("no panic before");
    let arrived: u64 = checked.tasks.values().map(|task| task.records).sum();
    assert_eq!(report.written, arrived);
    for ((cause, level), count) in &checked.lost {
        assert_eq!(report.losses.at(*cause, *level), *count, "stated in the stream as counted: {cause} {level}");
    }
    assert_eq!(checked.lost.values().sum::<u64>(), report.lost);
    let task = |number: u64| checked.tasks.get(&number.into()).cloned().unwrap_or_default();
    let missing: u64 = (1..=THREADS).map(task).map(|task| task.missing + (EVENTS + 2 - task.next_seq)).sum();
    assert_eq!(missing, report.lost, "what is missing in the tasks is what was lost");
    assert!(checked.tasks.values().all(|task| task.ended || !task.begun), "no task that began runs for ever");
    assert_eq!(buffer.used_bytes(), 0);
    let losses = &report.losses;
    match policy {
        Policy::Block(_) => assert_eq!((report.lost, missing), (0, 0), "nothing lost, no gap"),
        Policy::DropNewest => assert_eq!(report.lost, losses.of(Cause::Full)),
        // How often all that the buffer holds is on its way to the sinks is up to the scheduler.
        Policy::DropOldest => assert!(losses.of(Cause::Evicted) > 0, "{report:?}"),
        Policy::DropLowest => {
            let evicted = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE]
                .map(|level| losses.at(Cause::Evicted, level));
            assert!(evicted.is_sorted() && evicted[0] == 0, "the least severe first: {report:?}");
        }
    }
}

#[test]
fn block_loses_nothing() {
    account_for_every_record(Policy::Block(LONG), 4 << 20);
}

#[test]
fn drop_newest_accounts_for_every_record() {
    account_for_every_record(Policy::DropNewest, 256 << 10);
}

#[test]
fn drop_oldest_accounts_for_every_record() {
    account_for_every_record(Policy::DropOldest, 256 << 10);
}

#[test]
fn drop_lowest_accounts_for_every_record() {
    account_for_every_record(Policy::DropLowest, 256 << 10);
}

#[test]
fn drop_oldest_refuses_nothing_while_nothing_is_on_its_way() {
    let buffer = buffer(Policy::DropOldest, 256 << 10);
    send_all(&buffer);
    let losses = buffer.losses();
    assert!(losses.of(Cause::Evicted) > RECORDS / 2, "{losses:?}");
    assert_eq!(losses.of(Cause::Evicted), losses.total(), "{losses:?}");
}
