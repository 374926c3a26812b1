//! Processors that keep records and give them on later, wherever they stand, and what a change of plans does to them.

use std::path::Path;

use spanlake_core::pump::{Logger, Pipe, Pipeline, Propagate, Routing};
use spanlake_core::segment::{Segment, SegmentWriter};
use spanlake_core::spool::Ledger;
use spanlake_core::{Kind, Level, Plan, Policy, Processor, PumpBuilder, Record, Report, Tally};

use crate::support::{Hand, LONG, Memory, NEVER, assert_adds_up, spooled, start};

/// Keeps everything below a warning until it hears "release", or until its end when it is told to.
struct Holds {
    kept: Vec<Segment>,
    released: Vec<Segment>,
    at_the_end: bool,
    tally: Tally,
}

impl Holds {
    fn new(at_the_end: bool) -> Self {
        Self { kept: Vec::new(), released: Vec::new(), at_the_end, tally: Tally::default() }
    }

    fn release(&mut self) {
        self.tally.holding = 0;
        self.released.append(&mut self.kept);
    }
}

impl Processor for Holds {
    fn process(&mut self, records: &mut Vec<Record<'_>>) {
        let kept = records.extract_if(.., |record| record.kind != Kind::Loss && record.level > Level::WARN);
        for record in kept {
            let mut writer = SegmentWriter::new(record.source);
            writer.copy(&record);
            self.kept.push(writer.take());
            self.tally.holding += 1;
        }
        if records.iter().any(|record| record.message == "release") {
            self.release();
        }
    }

    fn finish(&mut self) {
        if self.at_the_end {
            return self.release();
        }
        self.tally.held_back += self.kept.len() as u64;
        self.kept.clear();
        self.tally.holding = 0;
    }

    fn take_released(&mut self) -> Vec<Segment> {
        std::mem::take(&mut self.released)
    }

    fn held(&self) -> Vec<&Segment> {
        self.kept.iter().collect()
    }

    fn tally(&self) -> Tally {
        self.tally
    }
}

fn mark(mark: &'static str) -> impl Processor + 'static {
    move |record: &mut Record<'_>| {
        record.message = format!("{}{mark}", record.message).into();
        true
    }
}

fn counts(report: &Report, sink: usize) -> [u64; 4] {
    let sink = &report.sinks[sink];
    [sink.written, sink.filtered, sink.lost, sink.pending]
}

fn offer(hand: &mut Hand, target: &str) {
    for (level, text) in [(Level::INFO, "m0"), (Level::DEBUG, "m1"), (Level::WARN, "m2")] {
        assert!(hand.event_of(target, level, text));
    }
}

#[test]
fn in_front_of_one_sink_what_is_kept_is_pending_for_it_alone() {
    let (holding, plain) = (Memory::new("holding"), Memory::new("plain"));
    let (_, mut hand, pump) = start(|pump| {
        let pipe = Pipe::to(holding.clone()).processor(Holds::new(false)).processor(mark("-behind"));
        pump.pipe(pipe).sink(plain.clone())
    });
    offer(&mut hand, "any");
    let report = pump.flush(LONG);
    assert_adds_up(&report);
    assert_eq!((counts(&report, 0), counts(&report, 1)), ([1, 0, 0, 2], [3, 0, 0, 0]));
    assert_eq!((report.written, report.pending), (1, 2));
    hand.event(Level::WARN, "release");
    let report = pump.flush(LONG);
    assert_eq!((counts(&report, 0), report.pending), ([4, 0, 0, 0], 0));
    assert_eq!(holding.messages(), ["m2-behind", "m0-behind", "m1-behind", "release-behind"]);

    hand.event(Level::INFO, "never wanted");
    let report = pump.shutdown(LONG);
    assert_adds_up(&report);
    assert_eq!((counts(&report, 0), counts(&report, 1)), ([4, 1, 0, 0], [5, 0, 0, 0]));
}

#[test]
fn in_a_logger_and_a_pipeline_what_is_kept_goes_on_to_their_sinks() {
    let sinks = ["a", "b", "c"].map(Memory::new);
    let routing = Routing::builder()
        .pipeline(Pipeline::named("line").processor(Holds::new(false)).processor(mark("-line")).sinks(["c"]))
        .logger(Logger::root().processor(mark("-root")).sinks(["a"]))
        .logger(Logger::new("orders").processor(Holds::new(false)).processor(mark("-orders")).sinks(["b"]))
        .logger(Logger::new("web").propagate(Propagate::Stop).pipelines(["line"]))
        .build()
        .expect("a routing");
    let (_, mut hand, pump) =
        start(|pump| sinks.iter().fold(pump, |pump, sink| pump.sink(sink.clone())).routing(routing));
    offer(&mut hand, "orders::db");
    offer(&mut hand, "web");
    let report = pump.flush(LONG);
    assert_adds_up(&report);
    let expected = [[1, 5, 0, 0], [1, 5, 0, 0], [1, 5, 0, 0]];
    assert_eq!([0, 1, 2].map(|sink| counts(&report, sink)), expected, "filtered, as long as they are kept");
    ["orders", "web"].into_iter().for_each(|target| assert!(hand.event_of(target, Level::WARN, "release")));
    let report = pump.flush(LONG);
    assert_adds_up(&report);
    assert_eq!([0, 1, 2].map(|sink| counts(&report, sink)), [[4, 4, 0, 0]; 3]);
    let texts = |behind: &str| ["m2", "m0", "m1", "release"].map(|text| format!("{text}{behind}"));
    assert_eq!(sinks.each_ref().map(Memory::messages), [texts("-orders-root"), texts("-orders"), texts("-line")]);
    assert_adds_up(&pump.shutdown(LONG));
}

#[test]
fn another_plan_lets_processors_that_go_give_on_what_they_kept() {
    let (a, b, kept) = (Memory::new("a"), Memory::new("b"), Memory::new("kept"));
    let routing = Routing::builder().logger(Logger::new("orders").processor(Holds::new(true))).build();
    let (_, mut hand, pump) = start(|pump| {
        pump.pipe(Pipe::to(a.clone()).processor(Holds::new(true)))
            .pipe(Pipe::to(kept.clone()).processor(Holds::new(true)))
            .sink(b.clone())
            .routing(routing.expect("a routing"))
    });
    offer(&mut hand, "orders");
    hand.event(Level::INFO, "plain");
    pump.flush(LONG);
    assert_eq!((a.count(), b.count(), kept.count()), (1, 2, 1));
    let gone = pump.reconfigure(Plan::new().keep("kept"), LONG).expect("a plan");
    assert_eq!(
        (a.messages(), b.messages()),
        (
            vec!["m2".to_owned(), "plain".into(), "m0".into(), "m1".into()],
            vec!["m2".to_owned(), "plain".into(), "m0".into(), "m1".into(),]
        )
    );
    assert!(gone.iter().all(|sink| (sink.written, sink.filtered, sink.lost, sink.pending) == (4, 0, 0, 0)), "{gone:?}");
    let report = pump.report();
    assert_eq!((counts(&report, 0), report.pending), ([1, 0, 0, 3], 3), "those of a sink that is kept go on keeping");
    hand.event(Level::WARN, "release");
    assert!(pump.shutdown(LONG).is_complete());
    assert_eq!(kept.count(), 5);
}

#[test]
fn another_plan_lets_shared_processors_finish_and_remembers_what_they_held_back() {
    let (old, new) = (Memory::new("old"), Memory::new("new"));
    let (_, mut hand, pump) = start(|pump| pump.processor(Holds::new(false)).sink(old.clone()));
    offer(&mut hand, "any");
    assert_eq!(pump.flush(LONG).pending, 2);
    pump.reconfigure(Plan::new().processor(Holds::new(true)).sink(new.clone()), LONG).expect("a plan");
    let report = pump.report();
    assert_eq!((report.recorded, report.written, report.filtered, report.pending), (3, 1, 2, 0));
    offer(&mut hand, "any");
    let report = pump.shutdown(LONG);
    assert_eq!((report.recorded, report.written, report.filtered, report.lost, report.pending), (6, 4, 2, 0, 0));
    assert_eq!((report.held_back, new.messages()), (2, vec!["m2".to_owned(), "m0".into(), "m1".into()]));
}

/// What a kill would leave: records in segments, and those in the ledger.
fn in_spool(folder: &Path) -> (usize, usize) {
    let own = std::fs::read_dir(folder).expect("a spool").next().expect("this process").expect("an entry").path();
    let count = |segment: &Segment| segment.decode().map_or(0, |decoded| decoded.len());
    let segments = std::fs::read_dir(&own).expect("a folder").map(|file| file.expect("a file").path());
    let segments = segments.filter(|path| path.extension().is_some_and(|extension| extension == "seg"));
    let bytes = segments.filter_map(|path| std::fs::read(path).ok()).filter(|bytes| bytes.starts_with(b"SPLK"));
    let ledger = Ledger::read(&*spanlake_core::disk::real(), &own).expect("a ledger");
    let recorded = bytes.map(|bytes| count(&Segment::from_bytes(bytes))).sum();
    (recorded, ledger.held.iter().map(count).sum())
}

#[test]
fn spool_lets_go_nothing_that_a_processor_keeps_from_some_sinks_only() {
    let routing = || {
        let logger = Logger::new("orders").processor(Holds::new(true)).sinks(["a"]);
        Routing::builder().logger(logger).build().expect("a routing")
    };
    type Build = fn(PumpBuilder, Routing) -> PumpBuilder;
    let a = || Memory::new("a");
    let table: [(&str, Build, (usize, usize)); 4] = [
        ("nothing is kept", |pump, _| pump.sink(Memory::new("a")), (0, 0)),
        ("for all", |pump, _| pump.processor(Holds::new(true)).sink(Memory::new("a")), (0, 2)),
        ("for one sink", |pump, _| pump.pipe(Pipe::to(Memory::new("a")).processor(Holds::new(true))), (3, 0)),
        ("in a logger", |pump, routing| pump.sink(Memory::new("a")).routing(routing), (3, 0)),
    ];
    for (what, build, left) in table {
        let folder = tempfile::tempdir().expect("a folder");
        let buffer = spooled(folder.path(), Policy::DropLowest, 1 << 20, Vec::new());
        let pump = build(PumpBuilder::new().drain_every(NEVER), routing()).spawn(buffer.clone()).expect("a thread");
        offer(&mut Hand::new(&buffer), "orders");
        pump.flush(LONG);
        assert_eq!(in_spool(folder.path()), left, "{what}");
        let kept = pump.reconfigure(Plan::new().sink(a()), LONG).expect("no sink of a lake");
        assert_eq!(kept[0].written, 3, "{what}");
        pump.flush(LONG);
        assert_eq!(in_spool(folder.path()), (0, 0), "{what}");
        assert!(pump.shutdown(LONG).is_complete());
    }
}
