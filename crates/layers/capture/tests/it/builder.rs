//! Settings.

use std::num::NonZeroU64;
use std::time::Duration;

use spanlake_capture::{CaptureLayer, Policy};
use spanlake_core::{Level, LevelFilter, Record};
use tracing::{debug, error, info, info_span, trace, trace_span, warn};
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{LONG, Memory, count, messages};

fn one_of_each() {
    error!("error");
    warn!("warn");
    info!("info");
    debug!("debug");
    trace!("trace");
}

fn kept_at(level: LevelFilter) -> Vec<String> {
    let (capture, _guard) = CaptureLayer::builder().level(level).build().expect("nothing to start");
    let drain = capture.drain_handle();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), one_of_each);
    drain.drain_records().into_iter().map(|record| record.message).collect()
}

#[test]
fn level_decides_what_is_kept() {
    assert_eq!(kept_at(LevelFilter::OFF), [""; 0]);
    assert_eq!(kept_at(LevelFilter::ERROR), ["error"]);
    assert_eq!(kept_at(LevelFilter::INFO), ["error", "warn", "info"]);
    assert_eq!(kept_at(LevelFilter::TRACE), ["error", "warn", "info", "debug", "trace"]);
}

#[test]
fn debug_is_kept_where_nothing_is_said_about_the_level() {
    let capture = CaptureLayer::new();
    let drain = capture.drain_handle();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), || {
        one_of_each();
        trace_span!("hidden").in_scope(|| info!("inside a hidden span"));
    });
    assert_eq!(messages(&drain.drain_records()), ["error", "warn", "info", "debug", "inside a hidden span"]);
}

#[test]
fn console_and_files_have_levels_of_their_own() {
    let (console, files) = (Memory::at_level(LevelFilter::INFO), Memory::default());
    let builder = CaptureLayer::builder().sink(console.clone()).sink(files.clone());
    let (capture, guard) = builder.build().expect("a thread");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), one_of_each);
    let report = guard.shutdown(LONG).expect("in time");
    assert_eq!(messages(&console.records()), ["error", "warn", "info"]);
    assert_eq!(messages(&files.records()), ["error", "warn", "info", "debug"]);
    assert_eq!((report.recorded, report.lost, report.pending), (4, 0, 0));
}

#[test]
fn service_is_a_column_of_every_record() {
    let (capture, _guard) = CaptureLayer::builder().service("loader").build().expect("nothing to start");
    let drain = capture.drain_handle();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), one_of_each);
    assert!(drain.drain_records().iter().all(|record| record.service.as_deref() == Some("loader")));
}

#[test]
fn room_for_two_and_six_quick_records() {
    let expected: [(Policy, &[&str]); 3] = [
        (Policy::DropNewest, &["m0", "m1"]),
        (Policy::DropOldest, &["m4", "m5"]),
        (Policy::Block(Duration::from_millis(1)), &["m0", "m1"]),
    ];
    for (policy, kept) in expected {
        let two = NonZeroU64::new(2).expect("a number");
        let builder = CaptureLayer::builder().capacity_records(two).policy(policy);
        let (capture, guard) = builder.build().expect("nothing to start");
        let drain = capture.drain_handle();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), || {
            (0..6).for_each(|at| info!("m{at}"));
        });
        assert_eq!((guard.report().recorded, guard.report().lost, guard.report().pending), (6, 4, 2));
        let mut records = drain.drain_records();
        records.retain(|record| record.target != "spanlake");
        assert_eq!(messages(&records), kept, "{policy:?}");
    }
}

#[test]
fn block_with_a_sink_loses_nothing() {
    let (sink, two) = (Memory::default(), NonZeroU64::new(2).expect("a number"));
    let builder = CaptureLayer::builder().capacity_records(two).policy(Policy::Block(LONG)).sink(sink.clone());
    let (capture, guard) = builder.build().expect("a thread");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), || {
        (0..6).for_each(|at| info!("m{at}"));
    });
    let report = guard.shutdown(LONG).expect("in time");
    assert_eq!(messages(&sink.records()), ["m0", "m1", "m2", "m3", "m4", "m5"]);
    assert!(report.is_complete());
}

#[test]
fn least_severe_gives_way_where_nothing_is_said_about_the_policy() {
    let two = NonZeroU64::new(2).expect("a number");
    let (capture, _guard) = CaptureLayer::builder().capacity_records(two).build().expect("nothing to start");
    let drain = capture.drain_handle();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), || {
        debug!("debug");
        info!("info");
        error!("error");
        warn!("warn");
    });
    let mut records = drain.drain_records();
    records.retain(|record| record.target != "spanlake");
    assert_eq!(messages(&records), ["error", "warn"]);
    assert_eq!(drain.losses().at(spanlake_core::Cause::Evicted, Level::DEBUG), 1);
}

#[test]
fn processors_stand_before_all_sinks() {
    let sink = Memory::default();
    let builder = CaptureLayer::builder()
        .processor(|record: &mut Record<'_>| !record.message.contains("secret"))
        .processor(|record: &mut Record<'_>| {
            record.fields.edit().retain(|field| field.name != "password");
            true
        })
        .sink(sink.clone());
    let (capture, guard) = builder.build().expect("a thread");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), || {
        info_span!("task").in_scope(|| {
            info!(user = "me", password = "1234", "login");
            info!("a secret");
        });
    });
    let report = guard.shutdown(LONG).expect("in time");
    assert_eq!(messages(&sink.records()), ["task", "login", "task"]);
    assert_eq!(sink.records()[1].fields, r#"{"user":"me"}"#);
    assert_eq!((report.recorded, report.written, report.filtered), (4, 3, 1));
}

#[test]
fn sinks_are_flushed_at_the_interval_that_was_set() {
    let sink = Memory::default();
    let builder = CaptureLayer::builder()
        .drain_every(Duration::from_millis(1))
        .flush_every(Duration::from_millis(2))
        .sink(sink.clone());
    let (_capture, _guard) = builder.build().expect("a thread");
    sink.wait(|state| state.flushes >= 3);
}

#[test]
fn records_arrive_within_the_drain_interval_without_being_asked_for() {
    let sink = Memory::default();
    let builder = CaptureLayer::builder().drain_every(Duration::from_millis(1)).sink(sink.clone());
    let (capture, _guard) = builder.build().expect("a thread");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), one_of_each);
    sink.wait(|state| state.records.len() == 4);
    assert_eq!(count(&sink.records(), spanlake_core::Kind::Event), 4);
}

#[test]
fn builder_says_its_settings_and_not_its_sinks() {
    let builder = CaptureLayer::builder().level(LevelFilter::WARN);
    let text = format!("{builder:?}");
    assert!(text.contains("WARN") && text.contains("DropLowest"), "{text}");
}
