//! The pump, flush, shutdown and reports.

use spanlake_core::sync::thread;
use spanlake_core::{Buffer, Cause, Plan, Policy, Pump, PumpBuilder, Report};

use crate::explore;
use crate::hand::{LONG, Seen, buffer, offer, offer_segment};

fn pump(buffer: &Buffer) -> (Pump, Seen) {
    let seen = Seen::default();
    let pump = PumpBuilder::new().sink(seen.clone()).spawn(buffer.clone()).expect("a thread");
    (pump, seen)
}

/// Writes even before there is a pump.
fn spawn_writer(buffer: &Buffer, count: u64) -> thread::JoinHandle<u64> {
    let buffer = buffer.clone();
    thread::spawn(move || offer(&buffer.shard(), "a", count))
}

#[track_caller]
fn assert_adds_up(report: &Report) {
    let Report { recorded, written, filtered, lost, pending, .. } = *report;
    assert_eq!(recorded, written + filtered + lost + pending, "{report:?}");
}

#[test]
fn a_flush_writes_what_was_recorded_before_it() {
    explore(|| {
        let buffer = buffer(Policy::DropNewest, 9);
        let (pump, seen) = pump(&buffer);
        let other = spawn_writer(&buffer, 2);
        let kept = offer(&buffer.shard(), "b", 2);
        let report = pump.flush(LONG);
        assert!(seen.count() >= kept && !report.timed_out, "{report:?}");
        other.join().expect("a writer");
        let last = pump.shutdown(LONG);
        assert!(last.is_complete() && last.recorded == 4, "{last:?}");
        assert_eq!(seen.count(), 4);
    });
}

#[test]
fn callers_that_wait_for_room_wake_the_pump() {
    explore(|| {
        let buffer = buffer(Policy::Block(LONG), 1);
        let other = spawn_writer(&buffer, 2);
        let (pump, seen) = pump(&buffer);
        offer(&buffer.shard(), "b", 2);
        other.join().expect("a writer");
        let last = pump.shutdown(LONG);
        assert!(last.is_complete() && last.recorded == 4, "{last:?}");
        assert_eq!(seen.count(), 4);
    });
}

#[test]
fn a_full_segment_wakes_the_pump() {
    explore(|| {
        let buffer = buffer(Policy::DropNewest, 9);
        let writer = thread::spawn({
            let buffer = buffer.clone();
            move || offer_segment(&buffer.shard())
        });
        let (pump, seen) = pump(&buffer);
        seen.wait_for(1);
        writer.join().expect("a writer");
        assert!(pump.shutdown(LONG).is_complete());
    });
}

#[test]
fn a_shutdown_accounts_for_what_is_recorded_meanwhile() {
    explore(|| {
        let buffer = buffer(Policy::DropNewest, 9);
        let (pump, seen) = pump(&buffer);
        let other = spawn_writer(&buffer, 3);
        let report = pump.shutdown(LONG);
        assert!(!report.timed_out && report.pending == 0, "{report:?}");
        let kept = other.join().expect("a writer");
        assert_eq!(seen.count(), kept, "what was kept is written, what came later is refused");
        let last = pump.report();
        assert_adds_up(&last);
        assert_eq!((last.recorded, last.written, last.losses.of(Cause::Closed)), (3, kept, 3 - kept));
    });
}

#[test]
fn flushes_and_shutdowns_of_several_threads_all_get_their_answer() {
    explore(|| {
        let buffer = buffer(Policy::DropNewest, 9);
        let (pump, _) = pump(&buffer);
        let others: Vec<_> = [Pump::flush, Pump::shutdown]
            .map(|command| {
                let pump = pump.clone();
                thread::spawn(move || command(&pump, LONG))
            })
            .into();
        offer(&buffer.shard(), "a", 1);
        let mut reports: Vec<Report> = others.into_iter().map(|other| other.join().expect("a caller")).collect();
        reports.push(pump.flush(LONG));
        reports.push(pump.shutdown(LONG));
        assert!(reports.iter().all(|report| !report.timed_out), "{reports:?}");
    });
}

#[test]
fn a_report_adds_up_at_any_moment() {
    explore(|| {
        let buffer = buffer(Policy::DropNewest, 2);
        let (pump, _) = pump(&buffer);
        let other = spawn_writer(&buffer, 3);
        let flush = thread::spawn({
            let pump = pump.clone();
            move || pump.flush(LONG)
        });
        (0..3).for_each(|_| assert_adds_up(&pump.report()));
        assert_adds_up(&flush.join().expect("a caller"));
        other.join().expect("a writer");
        assert_adds_up(&pump.shutdown(LONG));
        assert_adds_up(&pump.report());
    });
}

#[test]
fn a_change_of_sinks_loses_and_doubles_nothing() {
    explore(|| {
        let buffer = buffer(Policy::DropNewest, 9);
        let (pump, before) = pump(&buffer);
        let other = spawn_writer(&buffer, 2);
        let flush = thread::spawn({
            let pump = pump.clone();
            move || pump.flush(LONG)
        });
        offer(&buffer.shard(), "b", 1);
        let after = Seen::default();
        let gone = pump.reconfigure(Plan::new().sink(after.clone()), LONG).expect("a plan");
        assert_eq!((gone.len(), gone[0].written), (1, before.count()));
        assert_adds_up(&pump.report());
        assert!(!flush.join().expect("a caller").timed_out);
        other.join().expect("a writer");
        let last = pump.shutdown(LONG);
        assert!(last.is_complete() && last.recorded == 3, "{last:?}");
        assert_eq!((before.count() + after.count(), last.written), (3, 3));
    });
}

#[test]
fn a_change_and_a_shutdown_at_once_both_get_their_answer() {
    explore(|| {
        let buffer = buffer(Policy::DropNewest, 9);
        let (pump, before) = pump(&buffer);
        let stop = thread::spawn({
            let pump = pump.clone();
            move || pump.shutdown(LONG)
        });
        offer(&buffer.shard(), "a", 1);
        let after = Seen::default();
        let changed = pump.reconfigure(Plan::new().sink(after.clone()), LONG).is_ok();
        assert!(!stop.join().expect("a caller").timed_out);
        let last = pump.report();
        assert_adds_up(&last);
        assert_eq!(before.count() + after.count(), last.written);
        assert!(changed || after.count() == 0);
    });
}
