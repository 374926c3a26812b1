//! Repeats are left out, and the last of them says how many.

use std::num::NonZeroU64;
use std::time::Duration;

use spanlake_capture::{CaptureLayer, Guard};
use spanlake_core::fold::{FOLDED, FoldRepeats};
use spanlake_core::{FlightRecorder, LevelFilter, OwnedRecord, Report};
use spanlake_scope::Task;
use tracing::{debug, error, info, info_span};
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{LONG, Memory};

const NEVER: Duration = Duration::from_secs(3_600);

fn fold(first: u64) -> FoldRepeats {
    FoldRepeats::new().first(NonZeroU64::new(first).expect("a count")).every(NEVER)
}

/// Plays `work` and gives the events as `<seq> <message> [+<folded>]`, and the last report.
fn played(fold: FoldRepeats, work: impl FnOnce(&Guard)) -> (Vec<String>, Report) {
    let sink = Memory::default();
    let builder = CaptureLayer::builder().level(LevelFilter::TRACE).drain_every(NEVER);
    let (capture, guard) = builder.processor(fold).sink(sink.clone()).build().expect("a thread");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), || work(&guard));
    let report = guard.shutdown(LONG).expect("in time");
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(report.recorded, report.written + report.filtered, "{report:?}");
    assert_eq!(report.filtered, report.folded);
    (sink.records().iter().map(told).collect(), report)
}

fn told(record: &OwnedRecord) -> String {
    let fields: serde_json::Value = serde_json::from_str(&record.fields).expect("JSON");
    let seq = record.key.as_ref().map_or(0, |key| key.seq);
    let folded = fields[FOLDED].as_u64().map_or_else(String::new, |others| format!(" +{others}"));
    format!("{seq} {}{folded}", record.message)
}

#[test]
fn the_first_pass_and_the_last_stands_for_the_others() {
    for every in [1, 3, 100] {
        let (told, report) = played(fold(2), |guard| {
            let _poll = info_span!("poll").entered();
            for number in 0..10 {
                info!("try {number}");
                if number % every == every - 1 {
                    guard.flush(LONG);
                }
            }
            info!("done");
        });
        let mut sorted = told.clone();
        sorted.sort_by_key(|text| text.split(' ').next().and_then(|seq| seq.parse::<u64>().ok()));
        assert_eq!(sorted, ["0 poll", "1 try 0", "2 try 1", "10 try 9 +7", "11 done", "12 poll"]);
        assert_eq!(told.last().expect("records"), "12 poll", "before the end of its task");
        assert_eq!(report.folded, 7);
    }
}

#[test]
fn places_and_tasks_are_counted_apart() {
    let (told, report) = played(fold(1), |_| {
        for task in 0..2 {
            let _task = info_span!("task").entered();
            (0..3).for_each(|number| info!("a{task}{number}"));
            (0..3).for_each(|number| info!("b{task}{number}"));
        }
        (0..3).for_each(|number| info!("outside {number}"));
    });
    let one = |task: u8| {
        let of = [format!("1 a{task}0"), format!("3 a{task}2 +1"), format!("4 b{task}0"), format!("6 b{task}2 +1")];
        [&["0 task".to_owned()][..], &of, &["7 task".to_owned()]].concat()
    };
    let outside = ["0 outside 0".to_owned(), "0 outside 2 +1".to_owned()].to_vec();
    assert_eq!((told, report.folded), ([one(0), one(1), outside].concat(), 5));
}

#[test]
fn a_single_repeat_is_late_and_nothing_else() {
    let (told, report) = played(fold(1), |_| (0..2).for_each(|number| info!("{number}")));
    assert_eq!((told, report.folded), (vec!["0 0".to_owned(), "0 1".to_owned()], 0));
}

#[test]
fn lifecycles_and_errors_are_never_left_out_unless_errors_are_asked_for() {
    let work = |_: &Guard| {
        (0..3).for_each(|_| info_span!("task").in_scope(|| ()));
        (0..4).for_each(|number| error!("e{number}"));
    };
    let (told, _) = played(fold(1), work);
    assert_eq!(told.len(), 3 * 2 + 4);
    let (told, _) = played(fold(1).fold_errors(), work);
    assert_eq!(told[6..], ["0 e0", "0 e3 +2"]);
}

#[test]
fn when_the_time_is_over_the_count_begins_anew() {
    let (told, _) = played(fold(1).every(Duration::ZERO), |_| (0..3).for_each(|number| info!("{number}")));
    assert_eq!(told, ["0 0", "0 1", "0 2"]);
}

#[test]
fn what_stands_for_others_goes_through_the_processors_behind() {
    let sink = Memory::default();
    let builder = CaptureLayer::builder().level(LevelFilter::TRACE).drain_every(NEVER);
    let builder = builder.processor(fold(1)).processor(FlightRecorder::new());
    let (capture, guard) = builder.sink(sink.clone()).build().expect("a thread");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), || {
        for fails in [false, true] {
            let _task = info_span!("task", fails).entered();
            for number in 0..5 {
                debug!("{number}");
                guard.flush(LONG);
            }
            if fails {
                Task::current().expect("a task").fail(&std::io::Error::other("no luck"));
            }
        }
    });
    let report = guard.shutdown(LONG).expect("in time");
    let told: Vec<_> = sink.records().iter().map(told).collect();
    assert_eq!(told, ["0 task", "6 task", "0 task", "1 0", "5 4 +3", "6 FAILED task"]);
    assert_eq!((report.folded, report.held_back, report.filtered), (6, 2, 8));
}
