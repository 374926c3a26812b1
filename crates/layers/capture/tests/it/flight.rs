//! Details are held, and written only when something makes them worth it.

use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

use spanlake_capture::{CaptureLayer, Guard};
use spanlake_core::flight::{FlightRecorder, HELD_BACK};
use spanlake_core::{Kind, Level, LevelFilter, OwnedRecord, Plan, Report};
use spanlake_scope::{Task, spawn_thread};
use tracing::{debug, debug_span, error, info, info_span, trace, warn};
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{LONG, Memory, said};

/// So rarely that in a test only a flush makes the pump drain.
const NEVER: Duration = Duration::from_secs(3_600);

/// Plays `work` with a recorder in front of a sink, and gives what the sink got and the last report. The guard that `work`
/// gets makes batches by flushing.
fn played(recorder: FlightRecorder, work: impl FnOnce(&Guard, &Memory)) -> (Vec<OwnedRecord>, Report) {
    let sink = Memory::default();
    let builder = CaptureLayer::builder().level(LevelFilter::TRACE).drain_every(NEVER);
    let (capture, guard) = builder.processor(recorder).sink(sink.clone()).build().expect("a thread");
    let stack = tracing_subscriber::registry().with(capture);
    tracing::subscriber::with_default(stack, || work(&guard, &sink));
    let report = guard.shutdown(LONG).expect("in time");
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(report.recorded, report.written + report.filtered, "{report:?}");
    (sink.records(), report)
}

/// How many records each end says were held back, by the task's name.
fn stated(records: &[OwnedRecord]) -> Vec<(String, u64)> {
    let stated = |record: &OwnedRecord| {
        let fields: serde_json::Value = serde_json::from_str(&record.fields).expect("JSON");
        Some((record.task.clone()?, fields[HELD_BACK].as_u64()?))
    };
    records.iter().filter_map(stated).collect()
}

fn fail() {
    Task::current().expect("a task").fail(&std::io::Error::other("no luck"));
}

#[test]
fn details_of_a_task_that_fails_are_written_in_order_with_their_keys() {
    for flushes in [false, true] {
        let (records, report) = played(FlightRecorder::new(), |guard, sink| {
            let _load = info_span!("load").entered();
            for step in 0..3 {
                debug!("d{step}");
                trace!("t{step}");
                info!("i{step}");
                if flushes {
                    let report = guard.flush(LONG);
                    assert_eq!(report.pending, 2 * (step + 1), "{report:?}");
                    assert_eq!(sink.said().len() as u64, step + 2, "nothing but the begin and what is no detail");
                }
            }
            fail();
        });
        let mut said = said(&records);
        if flushes {
            // What was no detail went ahead.
            assert_eq!(said[..4], ["0@ begin load", "3@ event i0", "6@ event i1", "9@ event i2"]);
            assert_eq!(said.last().expect("records"), "10@ end FAILED load");
            said.sort_by_key(|text| text.split('@').next().and_then(|seq| seq.parse::<u64>().ok()));
        }
        let whole = ["begin load", "event d0", "event t0", "event i0", "event d1", "event t1", "event i1", "event d2"];
        let whole = whole.iter().chain(&["event t2", "event i2", "end FAILED load"]);
        assert_eq!(said, whole.enumerate().map(|(seq, text)| format!("{seq}@ {text}")).collect::<Vec<_>>());
        assert_eq!((report.held_back, stated(&records)), (0, vec![]));
    }
}

#[test]
fn details_of_a_task_that_succeeds_are_held_back_and_its_end_says_so() {
    let (records, report) = played(FlightRecorder::new(), |guard, _| {
        for flushes in [false, true] {
            let load = info_span!("load").entered();
            debug!("d");
            debug_span!("inner").in_scope(|| debug!("below"));
            if flushes {
                guard.flush(LONG);
            }
            trace!("t");
            drop(load);
        }
    });
    let one = ["0@ begin load", "0@1 begin inner", "2@1 end inner", "3@ end load"];
    assert_eq!(said(&records), [one, one].concat());
    assert_eq!(stated(&records), [("load".to_owned(), 3), ("load".to_owned(), 3)]);
    assert_eq!((report.held_back, report.filtered), (6, 6));
    assert_eq!(report.to_string(), "14 recorded, 8 written, 0 lost, 6 filtered (6 held back, 0 folded)");
}

#[test]
fn a_subtask_that_fails_brings_what_led_there_and_not_its_siblings() {
    let (records, _) = played(FlightRecorder::new(), |guard, _| {
        let _job = info_span!("job").entered();
        debug!("of the job");
        info_span!("well").in_scope(|| debug!("of its sibling"));
        let bad = info_span!("bad").entered();
        debug!("of its own");
        info_span!("step").in_scope(|| debug!("of a step that went well"));
        guard.flush(LONG);
        fail();
        drop(bad);
        debug!("of the job, afterwards");
    });
    let details: Vec<_> = said(&records).into_iter().filter(|text| text.contains("event")).collect();
    assert_eq!(details, ["1@ event of the job", "1@2 event of its own", "1@2/1 event of a step that went well"]);
    assert_eq!(stated(&records), [("job".to_owned(), 2)]);
}

#[test]
fn a_task_that_fails_brings_what_ended_well_below_it() {
    for flushes in [false, true] {
        let (records, report) = played(FlightRecorder::new(), |guard, _| {
            let _request = info_span!("request").entered();
            info_span!("query").in_scope(|| debug!("rows: 0"));
            if flushes {
                guard.flush(LONG);
            }
            fail();
        });
        let details: Vec<_> = said(&records).into_iter().filter(|text| text.contains("event")).collect();
        assert_eq!((details, report.held_back), (vec!["1@1 event rows: 0".to_owned()], 0));
    }
}

#[test]
fn rules_fire_by_level_field_closure_and_time() {
    let one = |recorder: FlightRecorder, work: fn()| {
        let (records, report) = played(recorder, |_, _| {
            let _task = info_span!("task").entered();
            debug!("detail");
            work();
        });
        assert_eq!(records.iter().any(|record| record.message == "detail"), report.held_back == 0);
        report.held_back == 0
    };
    let never = || FlightRecorder::new().trigger_level(LevelFilter::OFF);
    assert!(one(FlightRecorder::new(), || warn!("hm")));
    assert!(!one(FlightRecorder::new(), || info!("fine")));
    assert!(one(FlightRecorder::new().trigger_level(LevelFilter::INFO), || info!("fine")));
    assert!(!one(never(), || error!("bad, and nobody asked")));
    assert!(one(never(), fail), "failing is no matter of levels");
    assert!(one(never().trigger_field("rejected", true), || info!(rejected = true, "no")));
    assert!(!one(never().trigger_field("rejected", true), || info!(rejected = false, "yes")));
    assert!(one(never().trigger(|record| record.message.contains("odd")), || info!("how odd")));
    assert!(one(never().slow(Duration::ZERO), || ()));
    assert!(!one(never().slow(NEVER), || ()));
    assert!(one(FlightRecorder::new(), || Task::current().expect("a task").cancel()), "a cancelled end is a warning");
}

#[test]
fn after_a_rule_has_fired_details_are_held_again() {
    let (records, report) = played(FlightRecorder::new(), |guard, _| {
        let _task = info_span!("task").entered();
        debug!("before");
        warn!("hm");
        debug!("after");
        guard.flush(LONG);
        debug!("later");
        warn!("hm again");
        guard.flush(LONG);
        debug!("at last");
    });
    let events: Vec<_> = said(&records).into_iter().filter(|text| text.contains("event")).collect();
    let whole = ["1@ event before", "2@ event hm", "3@ event after", "4@ event later", "5@ event hm again"];
    assert_eq!((events, report.held_back), (whole.map(str::to_owned).to_vec(), 1));
}

#[test]
fn what_is_said_outside_any_task_passes() {
    let (records, _) = played(FlightRecorder::new(), |_, _| debug!("on my own"));
    assert_eq!(said(&records), ["- event on my own"]);
}

#[test]
fn a_task_that_is_open_at_the_end_did_not_succeed() {
    let (records, report) = played(FlightRecorder::new(), |guard, _| {
        let open = info_span!("open").entered();
        info_span!("inner").in_scope(|| debug!("below"));
        guard.flush(LONG);
        debug!("and then");
        std::mem::forget(open);
    });
    let details: Vec<_> = said(&records).into_iter().filter(|text| text.contains("event")).collect();
    assert_eq!((details.len(), report.held_back), (2, 0), "{details:?}");
}

#[test]
fn another_plan_writes_what_is_held_of_open_tasks_and_its_own_recorder_goes_on() {
    let (old, new) = (Memory::default(), Memory::default());
    let builder = CaptureLayer::builder().level(LevelFilter::TRACE).drain_every(NEVER);
    let (capture, guard) = builder.processor(FlightRecorder::new()).sink(old.clone()).build().expect("a thread");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), || {
        let (fails, succeeds) = (info_span!("fails"), info_span!("succeeds"));
        info_span!("over").in_scope(|| debug!("of a task that is over"));
        [&fails, &succeeds].iter().for_each(|task| task.in_scope(|| debug!("before")));
        guard.flush(LONG);
        let plan = Plan::new().processor(FlightRecorder::new()).sink(new.clone());
        guard.handle().reconfigure(plan, LONG).expect("a plan");
        [&fails, &succeeds].iter().for_each(|task| task.in_scope(|| debug!("after")));
        fails.in_scope(fail);
    });
    let report = guard.shutdown(LONG).expect("in time");
    let details = |sink: &Memory| {
        let records = sink.records().into_iter().filter(|record| record.level == Level::DEBUG);
        let mut details: Vec<_> = records.map(|record| (record.task.unwrap_or_default(), record.message)).collect();
        details.sort();
        details
    };
    let told = |task: &str, text: &str| (task.to_owned(), text.to_owned());
    // Nobody knows yet how they end, and the new recorder will not have these.
    assert_eq!(details(&old), [told("fails", "before"), told("succeeds", "before")]);
    assert_eq!(details(&new), [told("fails", "after")]);
    assert_eq!((report.held_back, report.lost, report.pending), (2, 0, 0), "{report:?}");
    assert_eq!(report.recorded, report.written + report.filtered, "{report:?}");
}

#[test]
fn details_of_several_threads_come_in_the_order_of_their_numbers() {
    let (records, _) = played(FlightRecorder::new(), |guard, _| {
        let load = info_span!("load");
        for round in 0..20 {
            let (here, there) = (load.clone(), load.clone());
            here.in_scope(|| debug!("here {round}"));
            let dispatch = tracing::dispatcher::get_default(Clone::clone);
            let other =
                move || tracing::dispatcher::with_default(&dispatch, || there.in_scope(|| debug!("there {round}")));
            thread::spawn(other).join().expect("no panic");
            if round % 7 == 0 {
                guard.flush(LONG);
            }
        }
        guard.flush(LONG);
        load.in_scope(fail);
        // From a thread that the pump meets first, whatever happened before.
        spawn_thread(info_span!("other"), move || drop(load)).join().expect("no panic");
    });
    let events = records.iter().filter(|record| record.kind == Kind::Event);
    let seqs: Vec<u64> = events.filter_map(|record| Some(record.key.as_ref()?.seq)).collect();
    assert_eq!(seqs, (1..=40).collect::<Vec<_>>());
}

// === bounds ===

/// Two hundred details of some fifty bytes in batches of ten.
fn talk(guard: &Guard) {
    for batch in 0..20 {
        (0..10).for_each(|number| debug!("detail {batch} {number}"));
        guard.flush(LONG);
    }
}

#[test]
fn the_oldest_details_of_a_task_give_way_and_its_end_says_how_many() {
    let recorder = FlightRecorder::new().task_bytes(NonZeroUsize::new(4 << 10).expect("a size"));
    let (records, report) = played(recorder, |guard, _| {
        let _task = info_span!("task").entered();
        talk(guard);
        fail();
    });
    let events: Vec<_> = records.iter().filter(|record| record.message.starts_with("detail")).collect();
    assert!(!events.is_empty() && events.len() < 100, "{}", events.len());
    assert_eq!(events.last().expect("events").message, "detail 19 9");
    assert_eq!(report.held_back, 200 - events.len() as u64);
    assert_eq!(stated(&records), [("task".to_owned(), report.held_back)]);
}

#[test]
fn in_all_what_has_ended_gives_way_before_what_is_open() {
    let recorder = FlightRecorder::new().total_bytes(NonZeroUsize::new(16 << 10).expect("a size"));
    let (records, report) = played(recorder, |guard, _| {
        let _job = info_span!("job").entered();
        debug!("of the job");
        guard.flush(LONG);
        info_span!("first").in_scope(|| talk(guard));
        let second = info_span!("second").entered();
        talk(guard);
        fail();
        drop(second);
        guard.flush(LONG);
        fail();
    });
    let of = |task: &str| {
        let events = records.iter().filter(|record| record.task.as_deref() == Some(task) && record.fields == "{}");
        events.filter(|record| record.message.contains("detail") || record.message.contains("of the")).count()
    };
    assert_eq!((of("job"), of("second")), (1, 200), "what is open stays");
    assert!(of("first") < 200);
    assert_eq!(report.held_back, 200 - of("first") as u64);
    assert_eq!(stated(&records), [("job".to_owned(), report.held_back)], "the end of the first was written before");
}
