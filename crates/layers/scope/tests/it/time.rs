//! Time, with a clock that is moved by hand.

use std::time::Duration;

use spanlake_core::clock::Clock;
use spanlake_core::{Kind, LevelFilter};
use tracing::info_span;
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{Tape, tape_with};

fn record_on_time(work: impl FnOnce(&dyn Fn(u64))) -> Tape {
    let (clock, hand) = Clock::mock();
    let (recording, tape) = tape_with(LevelFilter::TRACE, clock);
    let subscriber = tracing_subscriber::registry().with(recording);
    tracing::subscriber::with_default(subscriber, || work(&|ms| hand.increment(Duration::from_millis(ms))));
    tape
}

/// Of each end its task's name, duration and busy time in milliseconds.
fn times(tape: &Tape) -> Vec<(String, u64, u64)> {
    let mut times = Vec::new();
    tape.each(|record| {
        if let Some(end) = record.end() {
            times.push((record.message.to_string(), end.duration_ns / 1_000_000, end.busy_ns / 1_000_000));
        }
    });
    times
}

#[test]
fn duration_is_from_begin_to_end_and_busy_is_where_it_was_entered() {
    let tape = record_on_time(|pass| {
        let span = info_span!("task");
        pass(100);
        span.in_scope(|| pass(20));
        pass(300);
        span.in_scope(|| pass(5));
        pass(1_000);
    });
    assert_eq!(times(&tape), [("task".to_owned(), 1_425, 25)]);
}

#[test]
fn time_in_a_subtask_is_busy_time_of_its_parent() {
    let tape = record_on_time(|pass| {
        info_span!("parent").in_scope(|| {
            pass(10);
            info_span!("child").in_scope(|| pass(30));
            pass(5);
        });
    });
    assert_eq!(times(&tape), [("child".to_owned(), 30, 30), ("parent".to_owned(), 45, 45)]);
}

#[test]
fn time_between_the_polls_of_a_future_is_idle() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let tape = record_on_time(|pass| {
        use tracing::Instrument;
        let work = async {
            pass(10);
            tokio::task::yield_now().await;
            pass(10);
        };
        let other = async { pass(500) };
        runtime.block_on(async { tokio::join!(work.instrument(info_span!("work")), other) });
    });
    assert_eq!(times(&tape), [("work".to_owned(), 520, 20)]);
}

#[test]
fn records_carry_utc_that_advances_with_the_monotonic_clock() {
    let tape = record_on_time(|pass| info_span!("task").in_scope(|| pass(250)));
    let records = tape.records();
    assert_eq!((records[0].kind, records[1].kind), (Kind::Begin, Kind::End));
    assert_eq!(records[1].ts_us - records[0].ts_us, 250_000);
    let now_us = spanlake_core::clock::utc_now_ns() / 1_000;
    assert!((records[0].ts_us - now_us).abs() < 60_000_000);
}

#[test]
fn duration_over_a_suspended_machine_is_the_monotonic_clocks() {
    // The monotonic clock stood still: whatever the wall says, no time was spent.
    let tape = record_on_time(|_| info_span!("task").in_scope(|| ()));
    assert_eq!(times(&tape), [("task".to_owned(), 0, 0)]);
}
