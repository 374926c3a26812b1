//! The pump and its sinks, healthy, slow, failing and panicking.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use spanlake_core::pump::Report;
use spanlake_core::{
    Batch, Buffer, Cause, Deleted, Error, Kind, Level, LevelFilter, Loss, Policy, Pump, PumpBuilder, Record, Sink,
    SinkState,
};

use crate::support::{Hand, LEVELS, LONG, MOMENT_NS, Memory, NEVER, assert_adds_up, buffer, start};

fn offer(hand: &mut Hand, texts: &[&str]) {
    texts.iter().for_each(|text| assert!(hand.event(Level::INFO, text), "{text}"));
}

// === the usual way ===

#[test]
fn flush_returns_when_every_sink_has_everything_and_has_made_it_durable() {
    let (one, other) = (Memory::new("one"), Memory::new("other"));
    let (_, mut hand, pump) = start(|pump| pump.sink(one.clone()).sink(other.clone()));
    for round in 1..=3 {
        offer(&mut hand, &["m0", "m1"]);
        let report = pump.flush(LONG);
        assert!(report.is_complete(), "{report}");
        assert_eq!((one.count(), other.count()), (2 * round, 2 * round));
        assert_eq!(one.change(|state| state.flushes) as u64, round);
        assert_adds_up(&report);
    }
}

#[test]
fn records_of_several_threads_arrive_by_time() {
    let sink = Memory::new("memory");
    let (buffer, mut hand, pump) = start(|pump| pump.sink(sink.clone()));
    let mut other = Hand::new(&buffer);
    // Both hands advance by a microsecond an event.
    other.set_time_ns(MOMENT_NS + 500);
    offer(&mut hand, &["a1", "a2"]);
    offer(&mut other, &["b1", "b2", "b3"]);
    hand.set_time_ns(MOMENT_NS + 9_000);
    offer(&mut hand, &["a10"]);
    pump.flush(LONG);
    assert_eq!(sink.messages(), ["a1", "b1", "a2", "b2", "b3", "a10"]);
}

#[test]
fn records_arrive_without_a_flush_too() {
    let sink = Memory::new("memory");
    let buffer = buffer(Policy::DropLowest);
    let _pump = PumpBuilder::new().drain_every(Duration::from_millis(1)).sink(sink.clone()).spawn(buffer.clone());
    Hand::new(&buffer).event(Level::INFO, "m");
    sink.wait(|state| state.records.len() == 1);
}

#[test]
fn sinks_are_flushed_by_themselves_after_one_whole_interval() {
    let (soon, late) = (Memory::new("soon"), Memory::new("late"));
    let quick = PumpBuilder::new().drain_every(Duration::from_millis(1));
    let _soon = quick.flush_every(Duration::from_millis(5)).sink(soon.clone()).spawn(buffer(Policy::DropLowest));
    soon.wait(|state| state.flushes >= 2);
    let quick = PumpBuilder::new().drain_every(Duration::from_millis(1));
    let _late = quick.flush_every(NEVER).sink(late.clone()).spawn(buffer(Policy::DropLowest));
    late.wait(|state| state.ticks >= 3);
    assert_eq!(late.change(|state| state.flushes), 0);
}

#[test]
fn sink_gets_what_its_level_lets_through_and_every_statement_of_loss() {
    let (all, warnings) = (Memory::new("all"), Memory::new("warnings").at_level(LevelFilter::WARN));
    let buffer = buffer(Policy::DropLowest);
    let mut hand = Hand::new(&buffer);
    LEVELS.into_iter().for_each(|level| assert!(hand.event(level, level.as_str())));
    buffer.lose(&spanlake_core::loss::Loss::one(Cause::Reentrant, Level::TRACE, 0, 0));
    // Only now, so that all of it is in the pump's first round, which it orders by time.
    let pump = PumpBuilder::new().drain_every(NEVER).sink(all.clone()).sink(warnings.clone());
    let pump = pump.spawn(buffer.clone()).expect("a thread");
    let report = pump.flush(LONG);
    assert_eq!((all.count(), warnings.count()), (5, 2));
    assert_eq!(warnings.messages(), ["1 record lost (reentrant): 1 TRACE", "WARN", "ERROR"]);
    assert_eq!((report.recorded, report.written, report.filtered, report.lost), (6, 5, 0, 1), "the fullest sink's");
    assert_eq!((report.sinks[0].filtered, report.sinks[1].filtered), (0, 3));
    assert_adds_up(&report);
}

#[test]
fn many_records_arrive_once_and_in_order_in_batches_that_are_bounded() {
    let sink = Memory::new("memory");
    let (_, mut hand, pump) = start(|pump| pump.sink(sink.clone()));
    let texts: Vec<String> = (0..30_000).map(|at| format!("m{at}")).collect();
    texts.iter().for_each(|text| assert!(hand.event(Level::INFO, text)));
    assert!(pump.flush(LONG).is_complete());
    assert_eq!(sink.messages(), texts);
    assert!(sink.change(|state| state.batches.iter().all(|count| *count <= 4_096)));
}

#[test]
fn concurrent_flushes_are_all_answered() {
    let sink = Memory::new("memory");
    let (buffer, _, pump) = start(|pump| pump.sink(sink.clone()));
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let mut hand = Hand::new(&buffer);
                for _ in 0..50 {
                    hand.event(Level::INFO, "m");
                    assert!(!pump.flush(LONG).timed_out);
                }
            });
        }
    });
    assert_eq!(sink.count(), 400);
}

// === processors ===

#[test]
fn processors_all_run_in_order_and_what_they_drop_is_filtered_not_lost() {
    let sink = Memory::new("memory");
    let (_, mut hand, pump) = start(|pump| {
        pump.processor(|record: &mut Record<'_>| {
            record.message = format!("{}-first", record.message).into();
            true
        })
        .processor(|record: &mut Record<'_>| !record.message.starts_with("drop"))
        .processor(|record: &mut Record<'_>| {
            record.message = format!("{}-last", record.message).into();
            true
        })
        .sink(sink.clone())
    });
    offer(&mut hand, &["keep", "drop", "keep"]);
    let report = pump.flush(LONG);
    assert_eq!(sink.messages(), ["keep-first-last", "keep-first-last"]);
    assert_eq!((report.written, report.filtered, report.lost), (2, 1, 0));
    assert!(report.is_complete());
    assert_adds_up(&report);
}

#[test]
fn processor_that_panics_costs_its_batch_which_is_counted_and_stated() {
    let sink = Memory::new("memory");
    let (_, mut hand, pump) = start(|pump| {
        let panics = |record: &mut Record<'_>| {
            assert!(record.message != "panic", "the processor's own defect");
            true
        };
        pump.processor(panics).sink(sink.clone())
    });
    offer(&mut hand, &["lost too", "panic"]);
    let report = pump.flush(LONG);
    assert_eq!((report.recorded, report.written, report.lost, report.pending), (2, 0, 2, 0));
    assert_eq!(report.losses.at(Cause::Panicked, Level::INFO), 2, "counted by cause and level");
    offer(&mut hand, &["kept"]);
    let report = pump.flush(LONG);
    assert_eq!((report.recorded, report.written, report.lost, report.pending), (3, 1, 2, 0));
    assert_adds_up(&report);
    let mut messages = sink.messages();
    messages.sort();
    assert_eq!(messages, ["2 records lost (panicked): 2 INFO", "kept"], "and stated in the stream");
}

/// Drops what is below a warning, and says that it was wanted.
#[derive(Default)]
struct Stingy(Vec<Loss>);

impl spanlake_core::Processor for Stingy {
    fn process(&mut self, records: &mut Vec<Record<'_>>) {
        let dropped = records.extract_if(.., |record| record.kind != Kind::Loss && record.level > Level::WARN);
        self.0.extend(dropped.map(|record| Loss::one(Cause::Budget, record.level, 7, record.ts_ns)));
    }

    fn take_losses(&mut self) -> Vec<Loss> {
        std::mem::take(&mut self.0)
    }
}

#[test]
fn what_a_processor_says_it_lost_is_lost_and_not_filtered() {
    let sink = Memory::new("memory");
    let (_, mut hand, pump) = start(|pump| {
        let filter = |record: &mut Record<'_>| record.message != "TRACE";
        pump.processor(filter).processor(Stingy::default()).sink(sink.clone())
    });
    LEVELS.into_iter().for_each(|level| assert!(hand.event(level, level.as_str())));
    let report = pump.flush(LONG);
    assert_eq!((report.recorded, report.written, report.filtered, report.lost, report.pending), (5, 2, 1, 2, 0));
    assert_eq!((report.losses.of(Cause::Budget), report.losses.at(Cause::Budget, Level::DEBUG)), (2, 1));
    assert_adds_up(&pump.shutdown(LONG));
    let (stated, kept): (Vec<_>, Vec<_>) = sink.messages().into_iter().partition(|text| text.contains("lost (budget)"));
    assert_eq!(kept, ["WARN", "ERROR"]);
    assert!(!stated.is_empty(), "and stated in the stream");
}

/// A sink that wants something in front of it, and deletes files.
struct Demanding(Memory);

impl Sink for Demanding {
    fn name(&self) -> &str {
        "demanding"
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        self.0.write(batch)
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.0.flush()
    }

    fn processor(&mut self) -> Option<Box<dyn spanlake_core::Processor>> {
        Some(Box::new(Stingy::default()))
    }

    fn deleted(&self) -> Deleted {
        Deleted::one(100)
    }
}

#[test]
fn sink_brings_a_processor_for_all_sinks_behind_those_of_the_program() {
    let sink = Memory::new("memory");
    let (_, mut hand, pump) = start(|pump| {
        let louder = |record: &mut Record<'_>| {
            record.level = if record.message == "INFO" { Level::ERROR } else { record.level };
            true
        };
        pump.sink(sink.clone()).sink_or(Memory::new("other"), Demanding(Memory::new("fallback"))).processor(louder)
    });
    LEVELS.into_iter().for_each(|level| assert!(hand.event(level, level.as_str())));
    assert_eq!(pump.flush(LONG).lost, 2);
    let kept: Vec<_> = sink.messages().into_iter().filter(|text| !text.contains("lost")).collect();
    assert_eq!(kept, ["INFO", "WARN", "ERROR"]);
}

#[test]
fn files_that_a_sink_or_its_fallback_deleted_are_in_the_report() {
    let (_, _, pump) = start(|pump| {
        let fallback = Demanding(Memory::new("fallback"));
        pump.sink(Memory::new("memory")).sink_or(Demanding(Memory::new("demanding")), fallback)
    });
    let report = pump.flush(LONG);
    assert_eq!(report.sinks.iter().map(|sink| sink.deleted.files).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(report.sinks[1].deleted, Deleted::one(100) + Deleted::one(100));
}

#[test]
fn processor_that_adds_records_does_not_stop_the_pump() {
    struct Doubles;
    impl spanlake_core::Processor for Doubles {
        fn process(&mut self, records: &mut Vec<Record<'_>>) {
            let again = records.clone();
            records.extend(again);
        }
    }
    let sink = Memory::new("memory");
    let (_, mut hand, pump) = start(|pump| pump.processor(Doubles).sink(sink.clone()));
    for _ in 0..2 {
        offer(&mut hand, &["m"]);
        assert!(!pump.flush(LONG).timed_out);
    }
    assert_eq!(sink.messages(), ["m"; 4]);
}

// === sinks that fail ===

#[test]
fn failing_sink_holds_up_nobody_else_and_gets_everything_later_in_order() {
    let (failing, healthy) = (Memory::new("failing").failing(2), Memory::new("healthy"));
    let (_, mut hand, pump) = start(|pump| pump.sink(failing.clone()).sink(healthy.clone()));
    offer(&mut hand, &["m0", "m1"]);
    let report = pump.flush(LONG);
    assert_eq!(healthy.messages(), ["m0", "m1"]);
    assert!(failing.messages().is_empty());
    assert_eq!((report.written, report.pending, report.lost), (0, 2, 0));
    assert_eq!((report.sinks[0].state, report.sinks[1].state), (SinkState::Retrying, SinkState::Ok));
    assert_adds_up(&report);

    failing.change(|state| state.failures_left = 1);
    offer(&mut hand, &["m2"]);
    assert_eq!(pump.flush(LONG).pending, 3);
    offer(&mut hand, &["m3"]);
    let report = pump.flush(LONG);
    assert_eq!(failing.messages(), ["m0", "m1", "m2", "m3"]);
    assert_eq!(healthy.messages(), ["m0", "m1", "m2", "m3"]);
    assert!(report.is_complete(), "{report}");
    assert_eq!(report.sinks[0].state, SinkState::Ok, "it has caught up");
    assert_adds_up(&report);
}

#[test]
fn failure_is_readable_with_code_and_cause() {
    let failing = Memory::new("disk").failing(1);
    let (_, mut hand, pump) = start(|pump| pump.sink(failing.clone()));
    offer(&mut hand, &["m"]);
    pump.flush(LONG);
    let report = pump.report();
    let (name, error) = report.sink_errors().next().expect("an error");
    assert_eq!(name, "disk");
    assert!(error.starts_with("HANDLER::Memory::IO::ERROR::RECOVERABLE: cannot write the batch: "), "{error}");
    assert!(report.sinks[0].errors >= 1);
}

#[test]
fn written_again_records_are_the_same_records() {
    let (failing, healthy) = (Memory::new("failing").failing(3), Memory::new("healthy"));
    let (buffer, _, pump) = start(|pump| pump.sink(failing.clone()).sink(healthy.clone()));
    let record = |name: &str| {
        let buffer = buffer.clone();
        let work = move || {
            let mut hand = Hand::new(&buffer);
            let mut task = hand.begin();
            (0..10).for_each(|_| assert!(hand.event_in(&mut task, Level::WARN, "m")));
            hand.end(task, spanlake_core::Outcome::Failed);
        };
        thread::Builder::new().name(name.to_owned()).spawn(work).expect("a thread").join().expect("no panic");
    };
    ["one", "two"].into_iter().for_each(record);
    for _ in 0..5 {
        pump.flush(LONG);
    }
    let (again, once) = (failing.change(|state| state.records.clone()), healthy.change(|state| state.records.clone()));
    assert_eq!(again.len(), 24);
    for (again, once) in again.iter().zip(&once) {
        assert_eq!(again, once, "thread names and all");
    }
}

#[test]
fn sink_that_panics_is_one_that_failed() {
    let (panicking, healthy) = (Memory::new("panicking"), Memory::new("healthy"));
    let (_, mut hand, pump) = start(|pump| pump.sink(panicking.clone()).sink(healthy.clone()));
    panicking.change(|state| state.panics = true);
    offer(&mut hand, &["m0"]);
    let report = pump.flush(LONG);
    let error = report.sinks[0].last_error.as_deref().expect("an error");
    assert_eq!(error, "HANDLER::Sink::UNEXPECTED::CRITICAL: the sink panicked: the sink's own defect");
    assert_eq!((report.pending, healthy.messages()), (1, vec!["m0".to_owned()]));

    panicking.change(|state| state.panics = false);
    offer(&mut hand, &["m1"]);
    assert!(pump.flush(LONG).is_complete());
    assert_eq!(panicking.messages(), ["m0", "m1"]);
}

#[test]
fn pauses_between_tries_grow() {
    let sink = Memory::new("memory").failing(3);
    let buffer = buffer(Policy::DropLowest);
    let pump = PumpBuilder::new().drain_every(Duration::from_millis(1)).sink(sink.clone());
    let _pump = pump.spawn(buffer.clone()).expect("a thread");
    Hand::new(&buffer).event(Level::INFO, "m");
    sink.wait(|state| state.records.len() == 1);
    let tries = sink.change(|state| state.tries.clone());
    let pauses: Vec<u128> = tries.windows(2).map(|pair| (pair[1] - pair[0]).as_millis()).collect();
    assert_eq!(pauses.len(), 3);
    for (pause, at_least) in pauses.iter().zip([100, 200, 400]) {
        assert!(*pause >= at_least, "{pauses:?}");
    }
}

#[test]
fn failed_flush_is_noted_and_forgotten_when_the_next_one_works() {
    let sink = Memory::new("memory");
    let (_, mut hand, pump) = start(|pump| pump.sink(sink.clone()));
    sink.change(|state| state.flush_failures_left = 1);
    offer(&mut hand, &["m"]);
    let report = pump.flush(LONG);
    assert_eq!((report.sinks[0].state, report.sinks[0].errors), (SinkState::Retrying, 1));
    assert!(report.sinks[0].last_error.as_deref().is_some_and(|error| error.contains("cannot flush")));
    let report = pump.flush(LONG);
    assert_eq!((report.sinks[0].state, report.sinks[0].errors), (SinkState::Ok, 1));
}

fn small_backlog(pump: PumpBuilder) -> PumpBuilder {
    pump.backlog_bytes(NonZeroUsize::new(4 << 10).expect("a size"))
}

/// A statement of loss that is given up would be a silent loss.
#[test]
fn what_was_stated_in_a_batch_that_is_given_up_is_stated_again() {
    let failing = Memory::new("failing").failing(usize::MAX);
    let (buffer, mut hand, pump) = start(|pump| small_backlog(pump).sink(failing.clone()));
    for round in 0..100 {
        buffer.lose(&Loss::one(Cause::Reentrant, Level::DEBUG, 0, MOMENT_NS));
        offer(&mut hand, &[&format!("{round} {}", "x".repeat(200))]);
        pump.flush(LONG);
    }
    let report = pump.report();
    assert!(report.sinks[0].lost > 50, "{report:#?}");
    failing.change(|state| state.failures_left = 0);
    assert_adds_up(&pump.flush(LONG));
    let messages = failing.messages();
    let count = |cause: &str| -> u64 {
        let stated = messages.iter().filter(|text| text.contains(&format!("lost ({cause})")));
        stated.filter_map(|text| text.split(' ').next()?.parse::<u64>().ok()).sum()
    };
    assert_eq!((count("reentrant"), count("sink")), (100, report.sinks[0].lost));
}

#[test]
fn backlog_over_its_bound_gives_up_the_oldest_and_says_so() {
    let (failing, healthy) = (Memory::new("failing").failing(usize::MAX), Memory::new("healthy"));
    let (_, mut hand, pump) = start(|pump| small_backlog(pump).sink(failing.clone()).sink(healthy.clone()));
    for at in 0..10 {
        offer(&mut hand, &[&format!("m{at} {}", "x".repeat(1_000))]);
        assert_adds_up(&pump.flush(LONG));
    }
    let report = pump.report();
    assert!(report.sinks[0].lost > 0 && report.sinks[0].pending > 0, "{report:#?}");
    assert_eq!(report.sinks[0].lost + report.sinks[0].pending, 10);
    assert_eq!(report.sinks[0].state, SinkState::Degraded);
    assert_eq!((report.lost, report.sinks[1].lost), (report.sinks[0].lost, 0));
    assert_eq!(healthy.count(), 10);

    failing.change(|state| state.failures_left = 0);
    let report = pump.flush(LONG);
    assert_eq!((report.pending, failing.count()), (0, 10 - report.lost));
    assert!(failing.messages()[failing.messages().len() - 1].starts_with("m9"), "the newest were kept");
    let stated = format!("{0} records lost (sink): {0} INFO", report.lost);
    assert_eq!(failing.messages()[0].get(..40), stated.get(..40), "stated where it happened, in what that sink writes");
}

#[test]
fn fallback_gets_what_would_have_been_lost() {
    let (failing, fallback) = (Memory::new("failing").failing(usize::MAX), Memory::new("fallback"));
    let (_, mut hand, pump) = start(|pump| small_backlog(pump).sink_or(failing.clone(), fallback.clone()));
    let texts: Vec<String> = (0..10).map(|at| format!("m{at} {}", "x".repeat(1_000))).collect();
    for text in &texts {
        offer(&mut hand, &[text]);
        assert_adds_up(&pump.flush(LONG));
    }
    let given_up = fallback.messages().len();
    assert!(given_up > 0);
    failing.change(|state| state.failures_left = 0);
    let report = pump.flush(LONG);
    assert_eq!([fallback.messages(), failing.messages()].concat(), texts, "each once, in order");
    assert_eq!((report.written, report.lost, report.sinks[0].state), (10, 0, SinkState::Degraded));
}

#[test]
fn shutdown_gives_what_is_still_kept_to_the_fallback_or_counts_it() {
    let (failing, fallback) = (Memory::new("failing").failing(usize::MAX), Memory::new("fallback"));
    let alone = Memory::new("alone").failing(usize::MAX);
    let (_, mut hand, pump) = start(|pump| pump.sink_or(failing.clone(), fallback.clone()).sink(alone.clone()));
    offer(&mut hand, &["m0", "m1"]);
    let report = pump.shutdown(LONG);
    assert_eq!(fallback.messages(), ["m0", "m1"]);
    assert!(fallback.change(|state| state.flushes) > 0);
    assert_eq!((report.sinks[0].written, report.sinks[1].lost), (2, 2));
    assert_eq!((report.written, report.lost, report.pending, report.timed_out), (0, 2, 0, false));
    assert_adds_up(&report);
}

// === deadlines ===

/// A pump whose sink is in the middle of a write that does not end.
fn stuck() -> (Buffer, Hand, Pump, Memory) {
    let sink = Memory::new("stuck");
    let (buffer, mut hand, pump) = start(|pump| pump.sink(sink.clone()));
    sink.change(|state| state.blocked = true);
    offer(&mut hand, &["m0"]);
    let flusher = pump.clone();
    thread::spawn(move || flusher.flush(LONG));
    sink.wait(|state| state.waiting);
    (buffer, hand, pump, sink)
}

#[test]
fn flush_with_a_stuck_sink_returns_in_time_and_says_so() {
    let (_, _, pump, sink) = stuck();
    let (start, timeout) = (Instant::now(), Duration::from_millis(20));
    let report = pump.flush(timeout);
    assert!(report.timed_out && !report.is_complete());
    assert!((timeout..LONG / 2).contains(&start.elapsed()));
    assert_eq!((report.recorded, report.written), (1, 0));
    sink.change(|state| state.blocked = false);
    assert!(pump.flush(LONG).is_complete(), "it goes on where it stood");
    assert_eq!(sink.messages(), ["m0"]);
}

#[test]
fn shutdown_with_a_stuck_sink_returns_in_time_and_ends_when_it_can() {
    let (_, mut hand, pump, sink) = stuck();
    let start = Instant::now();
    let report = pump.shutdown(Duration::from_millis(20));
    assert!(report.timed_out && start.elapsed() < LONG / 2);
    assert!(!hand.event(Level::INFO, "m1"), "from now on records are refused");
    sink.change(|state| state.blocked = false);
    let report = pump.shutdown(LONG);
    assert_eq!((report.timed_out, report.written, report.losses.of(Cause::Closed)), (false, 1, 1));
    assert_eq!(sink.messages()[0], "m0");
    assert_adds_up(&report);
}

#[test]
fn report_never_waits() {
    let (_, _, pump, sink) = stuck();
    let report = pump.report();
    assert_eq!((report.recorded, report.written, report.pending), (1, 0, 1));
    assert_adds_up(&report);
    sink.change(|state| state.blocked = false);
}

#[test]
fn stuck_sink_does_not_hold_up_callers() {
    let (_, mut hand, _pump, sink) = stuck();
    (0..1_000).for_each(|_| assert!(hand.event(Level::INFO, "m")));
    sink.change(|state| state.blocked = false);
}

// === the end ===

#[test]
fn shutdown_writes_everything_once_however_often_it_is_asked() {
    let sink = Memory::new("memory");
    let (_, mut hand, pump) = start(|pump| pump.sink(sink.clone()));
    offer(&mut hand, &["m0", "m1"]);
    pump.flush(LONG);
    offer(&mut hand, &["m2"]);
    let first = pump.shutdown(LONG);
    assert_eq!((first.written, first.timed_out), (3, false));
    let second = pump.shutdown(LONG);
    assert_eq!(first, second);
    assert!(!pump.flush(LONG).timed_out, "there is nothing left to flush");
    assert_eq!(sink.messages(), ["m0", "m1", "m2"]);
}

#[test]
fn records_after_shutdown_are_counted_as_closed() {
    let sink = Memory::new("memory");
    let (_, mut hand, pump) = start(|pump| pump.sink(sink.clone()));
    pump.shutdown(LONG);
    assert!(!hand.event(Level::WARN, "late"));
    let report = pump.report();
    assert_eq!((report.recorded, report.lost), (1, 1));
    assert_eq!(report.losses.at(Cause::Closed, Level::WARN), 1);
    assert_adds_up(&report);
}

#[test]
fn records_before_the_pump_starts_wait_for_it() {
    let (buffer, sink) = (buffer(Policy::DropLowest), Memory::new("memory"));
    let mut hand = Hand::new(&buffer);
    offer(&mut hand, &["early"]);
    let pump = PumpBuilder::new().sink(sink.clone()).spawn(buffer).expect("a thread");
    assert!(pump.flush(LONG).is_complete());
    assert_eq!(sink.messages(), ["early"]);
}

#[test]
fn dropping_the_handle_stops_nothing() {
    let sink = Memory::new("memory");
    let (buffer, mut hand, pump) = start(|pump| pump.sink(sink.clone()));
    drop(pump);
    // A full segment wakes the pump.
    (0..400).for_each(|_| assert!(hand.event(Level::INFO, &"x".repeat(1_000))));
    sink.wait(|state| state.records.len() > 200);
    drop(buffer);
}

#[test]
fn sink_that_flushes_its_own_pump_does_not_wait_for_itself() {
    #[derive(Clone, Default)]
    struct Flushes {
        pump: Arc<OnceLock<Pump>>,
        report: Arc<Mutex<Option<Report>>>,
    }
    impl Sink for Flushes {
        fn name(&self) -> &str {
            "flushes"
        }
        fn write(&mut self, _: &Batch<'_>) -> Result<(), Error> {
            *self.report.lock().expect("no panic") = self.pump.get().map(|pump| pump.flush(LONG));
            Ok(())
        }
        fn flush(&mut self) -> Result<(), Error> {
            Ok(())
        }
    }
    let sink = Flushes::default();
    let (_, mut hand, pump) = start(|pump| pump.sink(sink.clone()));
    sink.pump.set(pump.clone()).expect("set once");
    offer(&mut hand, &["m"]);
    let start = Instant::now();
    assert!(pump.flush(LONG).is_complete());
    assert!(start.elapsed() < LONG / 2);
    assert!(sink.report.lock().expect("no panic").as_ref().expect("it asked").timed_out);
}

#[test]
fn losses_on_the_way_in_are_in_the_report_and_in_every_sink() {
    let sink = Memory::new("memory");
    let buffer = crate::support::buffer_of_records(Policy::DropNewest, 2);
    let pump = PumpBuilder::new().drain_every(NEVER).sink(sink.clone()).spawn(buffer.clone()).expect("a thread");
    let mut hand = Hand::new(&buffer);
    // A refused record wakes the pump, which may make room in between.
    (0..100).for_each(|_| {
        hand.event(Level::INFO, "m");
    });
    let report = pump.shutdown(LONG);
    assert_eq!((report.recorded, report.written + report.lost), (100, 100));
    assert_adds_up(&report);
    let stated: u64 = sink.change(|state| {
        let losses = state.records.iter().filter(|record| record.kind == Kind::Loss);
        let count = |fields: &str| serde_json::from_str::<serde_json::Value>(fields).expect("JSON")["count"].as_u64();
        losses.filter_map(|record| count(&record.fields)).sum()
    });
    assert_eq!(stated, report.lost);
}

#[test]
fn report_reads_as_a_sentence() {
    let sink = Memory::new("memory").at_level(LevelFilter::INFO);
    let (_, mut hand, pump) = start(|pump| pump.sink(sink.clone()));
    offer(&mut hand, &["m"]);
    assert!(hand.event(Level::DEBUG, "m"));
    assert_eq!(pump.flush(LONG).to_string(), "2 recorded, 1 written, 0 lost, 1 filtered");
    let (_, _, stuck, sink) = stuck();
    let report = stuck.flush(Duration::ZERO);
    assert_eq!(report.to_string(), "1 recorded, 0 written, 0 lost, 1 pending, timed out");
    sink.change(|state| state.blocked = false);
}
