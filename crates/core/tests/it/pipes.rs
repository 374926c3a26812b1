//! What belongs to one sink alone, and that no other sink notices it.

use std::num::NonZeroUsize;

use spanlake_core::pump::Pipe;
use spanlake_core::{Cause, Kind, Level, LevelFilter, Loss, Processor, Record, Report, SinkState};

use crate::support::{Hand, LEVELS, LONG, Memory, assert_adds_up, start};

fn offer(hand: &mut Hand, texts: &[&str]) {
    texts.iter().for_each(|text| assert!(hand.event(Level::INFO, text), "{text}"));
}

/// Puts a text behind each message.
fn mark(mark: &'static str) -> impl Processor + 'static {
    move |record: &mut Record<'_>| {
        record.message = format!("{}{mark}", record.message).into();
        true
    }
}

/// Panics at a certain text.
fn panics_at(text: &'static str) -> impl Processor + 'static {
    move |record: &mut Record<'_>| {
        assert!(record.message != text, "the processor's own defect");
        true
    }
}

/// Drops what is below a warning, and says that it was wanted.
#[derive(Default)]
struct Stingy(Vec<Loss>);

impl Processor for Stingy {
    fn process(&mut self, records: &mut Vec<Record<'_>>) {
        let dropped = records.extract_if(.., |record| record.kind != Kind::Loss && record.level > Level::WARN);
        self.0.extend(dropped.map(|record| Loss::one(Cause::Budget, record.level, 7, record.ts_ns)));
    }

    fn take_losses(&mut self) -> Vec<Loss> {
        std::mem::take(&mut self.0)
    }
}

/// What became of the records of one sink: written, filtered, lost, pending.
fn counts(report: &Report, sink: usize) -> [u64; 4] {
    let sink = &report.sinks[sink];
    [sink.written, sink.filtered, sink.lost, sink.pending]
}

/// How many records the statements of loss in a sink say, by cause.
fn stated(sink: &Memory, cause: &str) -> u64 {
    let statements = sink.messages().into_iter().filter(|text| text.contains(&format!("lost ({cause})")));
    statements.filter_map(|text| text.split(' ').next()?.parse::<u64>().ok()).sum()
}

// === processors of one sink ===

#[test]
fn processors_of_a_sink_run_behind_the_shared_ones_and_nobody_else_notices() {
    let (marked, plain) = (Memory::new("marked"), Memory::new("plain"));
    let (_, mut hand, pump) = start(|pump| {
        let pipe = Pipe::to(marked.clone()).processor(mark("-first")).processor(mark("-last"));
        pump.pipe(pipe).sink(plain.clone()).processor(mark("-shared"))
    });
    offer(&mut hand, &["m0", "m1"]);
    let report = pump.flush(LONG);
    assert_eq!(marked.messages(), ["m0-shared-first-last", "m1-shared-first-last"]);
    assert_eq!(plain.messages(), ["m0-shared", "m1-shared"]);
    assert!(report.is_complete(), "{report}");
    assert_adds_up(&report);
}

#[test]
fn what_a_sinks_processor_drops_is_filtered_for_that_sink_only() {
    let (choosy, plain) = (Memory::new("choosy"), Memory::new("plain"));
    let (_, mut hand, pump) = start(|pump| {
        let pipe = Pipe::to(choosy.clone()).processor(|record: &mut Record<'_>| record.message != "drop");
        pump.pipe(pipe).sink(plain.clone())
    });
    offer(&mut hand, &["keep", "drop", "keep"]);
    let report = pump.flush(LONG);
    assert_eq!((counts(&report, 0), counts(&report, 1)), ([2, 1, 0, 0], [3, 0, 0, 0]));
    assert_eq!(choosy.messages(), ["keep", "keep"]);
    assert_adds_up(&report);
}

#[test]
fn a_sinks_processor_sees_only_what_the_sink_takes() {
    let sink = Memory::new("memory").at_level(LevelFilter::INFO);
    let (_, mut hand, pump) = start(|pump| {
        let see = |record: &mut Record<'_>| {
            assert!(record.level <= Level::WARN);
            true
        };
        pump.pipe(Pipe::to(sink.clone()).level(LevelFilter::WARN).processor(see))
    });
    LEVELS.into_iter().for_each(|level| assert!(hand.event(level, level.as_str())));
    let report = pump.flush(LONG);
    assert_eq!((sink.messages(), counts(&report, 0)), (vec!["WARN".to_owned(), "ERROR".to_owned()], [2, 3, 0, 0]));
}

#[test]
fn level_of_a_pipe_does_not_open_what_the_sink_closes() {
    let sink = Memory::new("memory").at_level(LevelFilter::WARN);
    let (_, mut hand, pump) = start(|pump| pump.pipe(Pipe::to(sink.clone()).level(LevelFilter::TRACE)));
    LEVELS.into_iter().for_each(|level| assert!(hand.event(level, level.as_str())));
    pump.flush(LONG);
    assert_eq!(sink.messages(), ["WARN", "ERROR"]);
}

#[test]
fn a_sinks_processor_that_panics_costs_that_sink_the_batch_and_nobody_else() {
    let (unlucky, healthy) = (Memory::new("unlucky"), Memory::new("healthy"));
    let (buffer, mut hand, pump) =
        start(|pump| pump.pipe(Pipe::to(unlucky.clone()).processor(panics_at("panic"))).sink(healthy.clone()));
    buffer.lose(&Loss::one(Cause::Reentrant, Level::DEBUG, 0, 0));
    offer(&mut hand, &["lost too", "panic"]);
    let report = pump.flush(LONG);
    assert_eq!((counts(&report, 0), counts(&report, 1)), ([0, 0, 2, 0], [2, 0, 0, 0]));
    assert_eq!((report.lost, report.losses.total(), report.sinks[0].state), (3, 1, SinkState::Degraded));
    assert_adds_up(&report);

    offer(&mut hand, &["kept"]);
    let report = pump.flush(LONG);
    assert_eq!((counts(&report, 0), counts(&report, 1)), ([1, 0, 2, 0], [3, 0, 0, 0]));
    assert_adds_up(&pump.shutdown(LONG));
    assert_eq!((stated(&unlucky, "panicked"), stated(&healthy, "panicked")), (2, 0), "stated where it was lost");
    assert_eq!(stated(&unlucky, "reentrant"), 1, "what was stated in the batch is not lost with it");
    assert_eq!(unlucky.messages().last().map(String::as_str), Some("kept"), "and before anything newer");
}

#[test]
fn what_a_sinks_processor_says_it_lost_is_lost_and_stated_there() {
    let (limited, plain) = (Memory::new("limited"), Memory::new("plain"));
    let (_, mut hand, pump) =
        start(|pump| pump.pipe(Pipe::to(limited.clone()).processor(Stingy::default())).sink(plain.clone()));
    LEVELS.into_iter().for_each(|level| assert!(hand.event(level, level.as_str())));
    let report = pump.flush(LONG);
    assert_eq!((counts(&report, 0), counts(&report, 1)), ([2, 0, 3, 0], [5, 0, 0, 0]));
    assert_eq!(report.losses.total(), 0, "the others have it");
    assert_adds_up(&report);
    assert_eq!((stated(&limited, "budget"), stated(&plain, "budget")), (3, 0), "by the flush at the latest");
}

#[test]
fn loss_of_a_processor_is_stated_even_when_nothing_else_is_written() {
    let sink = Memory::new("memory");
    let (_, mut hand, pump) = start(|pump| pump.pipe(Pipe::to(sink.clone()).processor(panics_at("panic"))));
    offer(&mut hand, &["panic"]);
    pump.flush(LONG);
    assert_eq!(sink.messages(), ["1 record lost (panicked): 1 INFO"]);
}

#[test]
fn loss_is_stated_later_where_the_sink_fails() {
    let sink = Memory::new("memory").failing(2);
    let (_, mut hand, pump) = start(|pump| pump.pipe(Pipe::to(sink.clone()).processor(panics_at("panic"))));
    offer(&mut hand, &["panic"]);
    assert_adds_up(&pump.flush(LONG));
    offer(&mut hand, &["kept"]);
    (0..3).for_each(|_| assert_adds_up(&pump.flush(LONG)));
    assert_eq!(sink.messages(), ["1 record lost (panicked): 1 INFO", "kept"]);
}

#[test]
fn what_a_failing_sink_gets_later_has_been_through_its_processors_once() {
    let (failing, healthy) = (Memory::new("failing").failing(2), Memory::new("healthy"));
    let (_, mut hand, pump) =
        start(|pump| pump.pipe(Pipe::to(failing.clone()).processor(mark("-own"))).sink(healthy.clone()));
    for text in ["m0", "m1", "m2"] {
        offer(&mut hand, &[text]);
        assert_adds_up(&pump.flush(LONG));
    }
    assert!(pump.flush(LONG).is_complete());
    assert_eq!(failing.messages(), ["m0-own", "m1-own", "m2-own"]);
    assert_eq!(healthy.messages(), ["m0", "m1", "m2"]);
}

// === names, fallbacks, backlogs ===

#[test]
fn pipe_gives_the_sink_another_name() {
    let (_, _, pump) = start(|pump| pump.pipe(Pipe::to(Memory::new("memory")).named("audit")));
    assert_eq!(pump.report().sinks[0].name, "audit");
}

#[test]
fn each_sink_has_its_own_share_of_the_backlog() {
    let (small, large) = (Memory::new("small").failing(usize::MAX), Memory::new("large").failing(usize::MAX));
    let fallback = Memory::new("fallback");
    let (_, mut hand, pump) = start(|pump| {
        let few = NonZeroUsize::new(4 << 10).expect("a size");
        pump.pipe(Pipe::to(small.clone()).backlog_bytes(few).fallback(fallback.clone())).pipe(Pipe::to(large.clone()))
    });
    for at in 0..10 {
        offer(&mut hand, &[&format!("m{at} {}", "x".repeat(1_000))]);
        assert_adds_up(&pump.flush(LONG));
    }
    let report = pump.report();
    assert!(report.sinks[0].written > 0, "its fallback got what did not fit: {report:#?}");
    assert_eq!(counts(&report, 1), [0, 0, 0, 10]);
    assert_eq!(fallback.count(), report.sinks[0].written);
}
