//! The limit of bytes per hour: what is dropped, what is said of it, and that no task stays open.

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::path::Path;

use proptest::prelude::*;
use spanlake_core::segment::Segment;
use spanlake_core::{Batch, Cause, Kind, Level, LevelFilter, Processor, Record, Sink, Source};
use spanlake_lake::{JsonlSink, Keeper, Limits, SystemLogSink};
use spanlake_testkit::{NO_TASK, Script};

use crate::support::NOON_US;

const LEVELS: [Level; 5] = [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR];

fn keeper(lake: &Path, bytes_per_hour: u64) -> Keeper {
    Keeper::new(lake, Limits::new().max_bytes_per_hour(NonZeroU64::new(bytes_per_hour).unwrap()))
}

fn script() -> Script {
    Script::new(Source::this_process("test"), NOON_US)
}

/// What a pump does: each batch through the processor and into the sink. Gives what was written, and what was lost.
struct Pumped {
    written: Vec<(Kind, Level, Option<String>)>,
    lost: [u64; 5],
    /// How many bytes the losses are said to have taken.
    lost_bytes: u64,
}

fn pump(segment: &Segment, batch: usize, sink: &mut JsonlSink, gate: &mut dyn Processor) -> Pumped {
    let decoded = segment.decode().unwrap();
    let all: Vec<Record<'_>> = decoded.records().collect();
    let mut pumped = Pumped { written: Vec::new(), lost: [0; 5], lost_bytes: 0 };
    for records in all.chunks(batch) {
        let mut records = records.to_vec();
        gate.process(&mut records);
        sink.write(&Batch::new(&records, LevelFilter::TRACE)).unwrap();
        let told =
            |record: &Record<'_>| (record.kind, record.level, record.task.as_deref().map(|task| task.key.to_string()));
        pumped.written.extend(records.iter().map(told));
        for loss in gate.take_losses() {
            assert_eq!(loss.cause, Cause::Budget);
            pumped.lost.iter_mut().zip(loss.levels).for_each(|(lost, more)| *lost += more);
            pumped.lost_bytes += loss.bytes;
        }
    }
    assert_eq!(pumped.written.len() as u64 + pumped.lost.iter().sum::<u64>(), all.len() as u64);
    pumped
}

/// The hour of the clock may turn at the wrong moment: then the work is done once more.
fn within_an_hour<T>(mut work: impl FnMut() -> T) -> T {
    let hour = || spanlake_core::clock::utc_now_ns() / 3_600_000_000_000;
    loop {
        let (before, result) = (hour(), work());
        if before == hour() {
            return result;
        }
    }
}

#[test]
fn the_least_severe_go_first() {
    let pumped = within_an_hour(|| {
        let lake = tempfile::tempdir().unwrap();
        let mut sink = JsonlSink::new(lake.path()).keeper(&keeper(lake.path(), 100_000));
        let mut script = script();
        (0..2_000).for_each(|_| LEVELS.into_iter().for_each(|level| script.event(NO_TASK, level, "text", &[])));
        let mut gate = sink.processor().unwrap();
        let pumped = pump(&script.into_segment(), 50, &mut sink, &mut *gate);
        let bytes: u64 = crate::support::files(lake.path()).iter().map(|path| path.metadata().unwrap().len()).sum();
        assert!((100_000..100_000 + 50 * 500).contains(&bytes), "{bytes} bytes: all of it, and a batch at most");
        pumped
    });
    assert!(pumped.lost.is_sorted_by(|less_severe, more| less_severe >= more), "{:?}", pumped.lost);
    assert!(pumped.lost[0] > pumped.lost[4] && pumped.lost[4] > 1_000, "in the end not even an error passes");
    let lost: u64 = pumped.lost.iter().sum();
    assert_eq!(pumped.lost_bytes, 4 * lost, "the text of each");
}

#[test]
fn one_sink_of_a_keeper_brings_the_processor() {
    let lake = tempfile::tempdir().unwrap();
    let limited = keeper(lake.path(), 1);
    let mut sinks = [(); 2].map(|()| JsonlSink::new(lake.path()).keeper(&limited));
    assert_eq!(sinks.each_mut().map(|sink| sink.processor().is_some()), [true, false]);
    let unlimited = Keeper::new(lake.path(), Limits::new());
    assert!(JsonlSink::new(lake.path()).keeper(&unlimited).processor().is_none());
    assert!(JsonlSink::new(lake.path()).processor().is_none());
}

#[test]
fn all_sinks_of_a_keeper_spend() {
    within_an_hour(|| {
        let lake = tempfile::tempdir().unwrap();
        let keeper = keeper(lake.path(), 10_000);
        let mut lines = JsonlSink::new(lake.path()).keeper(&keeper);
        let mut text = SystemLogSink::new(lake.path()).keeper(&keeper);
        let mut gate = lines.processor().unwrap();
        let mut script = script();
        (0..200).for_each(|_| script.event(NO_TASK, Level::INFO, "text of a certain length, for there is room", &[]));
        let segment = script.into_segment();
        spanlake_testkit::give(&segment, &mut text).unwrap();
        let pumped = pump(&segment, 200, &mut lines, &mut *gate);
        assert_eq!(pumped.lost[2], 200, "the other one spent it all");
    });
}

#[test]
fn statements_of_loss_and_ends_of_begun_tasks_pass() {
    within_an_hour(|| {
        let lake = tempfile::tempdir().unwrap();
        let mut sink = JsonlSink::new(lake.path()).keeper(&keeper(lake.path(), 2_000));
        let mut gate = sink.processor().unwrap();
        let mut script = script();
        let early = script.begin("early", "early");
        (0..20).for_each(|_| script.event(NO_TASK, Level::ERROR, "bad", &[]));
        let late = script.begin_in(early, "late", "late");
        script.event(late, Level::ERROR, "bad", &[]);
        script.end(late, "late", &[]);
        script.loss(&spanlake_core::Loss::one(Cause::Full, Level::TRACE, 1, NOON_US * 1_000));
        script.end(early, "early", &[]);
        let pumped = pump(&script.into_segment(), 1, &mut sink, &mut *gate);
        let kinds: Vec<Kind> =
            pumped.written.iter().map(|(kind, ..)| *kind).filter(|kind| *kind != Kind::Event).collect();
        assert_eq!(kinds, [Kind::Begin, Kind::Loss, Kind::End], "of the late task nothing");
    });
}

/// A step of a program: which task, and what it does.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A root, or below the task that began last.
    Begin(bool),
    Event(usize, usize),
    End,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => any::<bool>().prop_map(Step::Begin),
        6 => (0usize..8, 0usize..5).prop_map(|(task, level)| Step::Event(task, level)),
        3 => Just(Step::End),
    ];
    proptest::collection::vec(step, 1..120)
}

/// Tasks within each other, as spans are: a task ends after those below it.
fn play(steps: &[Step]) -> Segment {
    let mut script = script();
    let mut open = Vec::new();
    // A segment without a record is none.
    script.event(NO_TASK, Level::INFO, "event", &[]);
    for step in steps {
        match *step {
            Step::Begin(as_root) => {
                let parent = open.last().copied().filter(|_| !as_root);
                open.push(script.begin_in(parent.unwrap_or(NO_TASK), "task", "begin"));
            }
            Step::Event(task, level) => {
                script.event(open.get(task).copied().unwrap_or(NO_TASK), LEVELS[level], "event", &[]);
            }
            Step::End => open.pop().into_iter().for_each(|task| script.end(task, "end", &[])),
        }
    }
    open.into_iter().rev().for_each(|task| script.end(task, "end", &[]));
    script.into_segment()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever a reader sees of a task, or of one below it, it sees its end.
    #[test]
    fn no_task_stays_open(steps in steps(), bytes in 500u64..20_000, batch in 1usize..20) {
        let written = within_an_hour(|| {
            let lake = tempfile::tempdir().unwrap();
            let mut sink = JsonlSink::new(lake.path()).keeper(&keeper(lake.path(), bytes));
            let mut gate = sink.processor().unwrap();
            pump(&play(&steps), batch, &mut sink, &mut *gate).written
        });
        let mut seen = BTreeSet::new();
        let mut ended = BTreeSet::new();
        for (kind, _, task) in &written {
            let Some(task) = task else { continue };
            seen.extend(std::iter::successors(Some(task.as_str()), |key| key.rsplit_once('/').map(|(above, _)| above)));
            if *kind == Kind::End {
                ended.insert(task.as_str());
            }
        }
        prop_assert_eq!(seen, ended);
    }
}
