//! Another plan for a pump that runs: no record is lost, doubled, or handled by a mixture of two plans.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use spanlake_core::pump::{Logger, Pipe, Routing};
use spanlake_core::{
    Batch, Buffer, Error, Kind, Level, LevelFilter, Plan, Policy, PumpBuilder, Recipe, Record, Sink, SinkState,
};

use crate::support::{Hand, LONG, Memory, NEVER, assert_adds_up, buffer, spooled, start};

fn offer(hand: &mut Hand, texts: &[&str]) {
    texts.iter().for_each(|text| assert!(hand.event(Level::INFO, text), "{text}"));
}

fn mark(mark: &'static str) -> impl FnMut(&mut Record<'_>) -> bool + Send {
    move |record: &mut Record<'_>| {
        record.message = format!("{}{mark}", record.message).into();
        true
    }
}

#[test]
fn what_was_recorded_before_goes_the_old_ways_and_the_rest_the_new_ones() {
    let (old, new) = (Memory::new("old"), Memory::new("new"));
    let (_, mut hand, pump) = start(|pump| pump.sink(old.clone()).processor(mark("-old")));
    offer(&mut hand, &["m0", "m1"]);
    let gone = pump.reconfigure(Plan::new().sink(new.clone()).processor(mark("-new")), LONG).expect("a plan");
    assert_eq!((gone.len(), &*gone[0].name, gone[0].written), (1, "old", 2));
    assert_eq!((old.messages(), new.count()), (vec!["m0-old".to_owned(), "m1-old".into()], 0));
    assert!(old.change(|state| state.flushes) > 0, "flushed before it goes");
    offer(&mut hand, &["m2"]);
    let report = pump.flush(LONG);
    assert_eq!((old.count(), new.messages()), (2, vec!["m2-new".to_owned()]));
    assert_eq!((report.recorded, report.written, report.sinks.len(), report.sinks[0].written), (3, 3, 1, 1));
    assert!(report.is_complete());
}

#[test]
fn sink_that_is_kept_stays_open_with_its_backlog_and_state() {
    let (failing, other) = (Memory::new("failing").failing(usize::MAX), Memory::new("other"));
    let (_, mut hand, pump) =
        start(|pump| pump.pipe(Pipe::to(failing.clone()).processor(mark("-own"))).sink(other.clone()));
    offer(&mut hand, &["m0"]);
    let new = Memory::new("new");
    let gone = pump.reconfigure(Plan::new().keep("failing").sink(new.clone()), LONG).expect("a plan");
    assert_eq!((gone.len(), &*gone[0].name), (1, "other"));
    offer(&mut hand, &["m1"]);
    let report = pump.flush(LONG);
    assert_eq!((report.sinks[0].pending, report.sinks[0].state, report.pending), (2, SinkState::Retrying, 2));
    assert_eq!(report.recorded, report.written + report.filtered + report.lost + report.pending);
    failing.change(|state| state.failures_left = 0);
    let report = pump.flush(LONG);
    assert_eq!((failing.messages(), new.messages()), (vec!["m0-own".to_owned(), "m1-own".into()], vec!["m1".into()]));
    assert_eq!((report.written, report.pending, report.lost), (2, 0, 0));
}

#[test]
fn what_a_sink_that_goes_could_not_take_is_its_fallbacks_or_lost_and_stays_so() {
    let (failing, fallback) = (Memory::new("failing").failing(usize::MAX), Memory::new("fallback"));
    let alone = Memory::new("alone").failing(usize::MAX);
    let healthy = Memory::new("healthy");
    let (_, mut hand, pump) =
        start(|pump| pump.sink_or(failing.clone(), fallback.clone()).sink(alone.clone()).sink(healthy.clone()));
    offer(&mut hand, &["m0", "m1"]);
    let gone = pump.reconfigure(Plan::new().keep("healthy"), LONG).expect("a plan");
    assert_eq!((gone[0].written, gone[0].lost, gone[1].written, gone[1].lost), (2, 0, 0, 2));
    assert_eq!(fallback.messages(), ["m0", "m1"]);
    offer(&mut hand, &["m2"]);
    let report = pump.flush(LONG);
    assert_eq!((report.recorded, report.written, report.lost, report.pending), (3, 1, 2, 0), "a loss is not forgotten");
    assert_eq!((report.sinks[0].written, report.sinks[0].lost), (3, 0), "nor is it this sink's");

    pump.reconfigure(Plan::new().sink(Memory::new("new")), LONG).expect("a plan");
    offer(&mut hand, &["m3"]);
    let report = pump.shutdown(LONG);
    assert_eq!((report.recorded, report.written, report.lost, report.pending), (4, 2, 2, 0));
}

#[test]
fn levels_and_losses_of_those_that_went_add_up() {
    let buffer = buffer(Policy::DropLowest);
    let errors = Memory::new("errors").at_level(LevelFilter::ERROR);
    let broken = Memory::new("broken").failing(usize::MAX);
    let pump = PumpBuilder::new().drain_every(NEVER).sink(errors.clone()).sink(broken).spawn(buffer.clone());
    let (pump, mut hand) = (pump.expect("a thread"), Hand::new(&buffer));
    offer(&mut hand, &["m0", "m1", "m2"]);
    pump.reconfigure(Plan::new().keep("errors"), LONG).expect("a plan");
    let report = pump.report();
    assert_eq!((report.recorded, report.written, report.filtered, report.lost, report.pending), (3, 0, 0, 3, 0));
    offer(&mut hand, &["m3"]);
    let report = pump.shutdown(LONG);
    assert_eq!((report.recorded, report.written, report.filtered, report.lost, report.pending), (4, 0, 1, 3, 0));
}

#[test]
fn routing_is_changed_with_the_rest() {
    let (a, b) = (Memory::new("a"), Memory::new("b"));
    let (_, mut hand, pump) = start(|pump| pump.sink(a.clone()).sink(b.clone()));
    let routing = |sink: &str| Routing::builder().logger(Logger::root().sinks([sink])).build().expect("a routing");
    hand.event_of("orders", Level::INFO, "both");
    for (sink, text) in [("a", "only a"), ("b", "only b")] {
        pump.reconfigure(Plan::new().keep("a").keep("b").routing(routing(sink)), LONG).expect("a plan");
        hand.event_of("orders", Level::INFO, text);
    }
    assert_adds_up(&pump.flush(LONG));
    assert_eq!(
        (a.messages(), b.messages()),
        (vec!["both".to_owned(), "only a".into()], vec!["both".into(), "only b".into()])
    );
}

// === what is refused ===

#[test]
fn plan_that_makes_no_sense_leaves_the_old_one_at_work() {
    let sink = Memory::new("memory");
    let (_, mut hand, pump) = start(|pump| pump.sink(sink.clone()).sink(Memory::new("twin")).sink(Memory::new("twin")));
    let lost = Routing::builder().logger(Logger::root().sinks(["audit"])).build().expect("a routing");
    let table = [
        (Plan::new().keep("other"), "there is no sink to keep (sink: other)"),
        (Plan::new().keep("twin"), "several sinks to keep have one name (sink: twin)"),
        (Plan::new().keep("memory").keep("memory"), "a sink is kept twice (sink: memory)"),
        (Plan::new().keep("memory").routing(lost), "there is no sink of this name (sink: audit, logger: root)"),
    ];
    for (plan, message) in table {
        let error = pump.reconfigure(plan, LONG).expect_err("it makes no sense");
        assert_eq!(error.to_string(), message);
        assert!(error.is_configuration());
        offer(&mut hand, &["m"]);
    }
    assert!(pump.flush(LONG).is_complete());
    assert_eq!(sink.count(), 4);
    let fresh = PumpBuilder::new().plan(Plan::new().keep("memory")).spawn(buffer(Policy::DropLowest));
    assert_eq!(fresh.expect_err("nothing runs yet").to_string(), "there is no sink to keep (sink: memory)");
}

#[test]
fn pump_that_has_stopped_is_not_reconfigured() {
    let (_, _, pump) = start(|pump| pump.sink(Memory::new("memory")));
    pump.shutdown(LONG);
    let error = pump.reconfigure(Plan::new().sink(Memory::new("new")), LONG).expect_err("it has stopped");
    assert_eq!(error.to_string(), "the pump has stopped");
}

#[test]
fn change_that_a_stuck_sink_keeps_waiting_is_taken_back() {
    let (sink, new) = (Memory::new("stuck"), Memory::new("new"));
    let (_, mut hand, pump) = start(|pump| pump.sink(sink.clone()));
    sink.change(|state| state.blocked = true);
    offer(&mut hand, &["m0"]);
    let flusher = pump.clone();
    thread::spawn(move || flusher.flush(LONG));
    sink.wait(|state| state.waiting);
    let error = pump.reconfigure(Plan::new().sink(new.clone()), Duration::from_millis(10)).expect_err("it is stuck");
    assert_eq!(error.to_string(), "the pump did not get to the change in time");
    assert!(error.is_recoverable());
    sink.change(|state| state.blocked = false);
    offer(&mut hand, &["m1"]);
    assert!(pump.flush(LONG).is_complete());
    assert_eq!((sink.messages(), new.count()), (vec!["m0".to_owned(), "m1".into()], 0));
}

#[test]
fn sink_that_reconfigures_its_own_pump_is_refused() {
    struct Ambitious(Arc<Mutex<Option<spanlake_core::Pump>>>, Arc<Mutex<Vec<String>>>);
    impl Sink for Ambitious {
        fn name(&self) -> &str {
            "ambitious"
        }
        fn write(&mut self, _: &Batch<'_>) -> Result<(), Error> {
            let pump = self.0.lock().expect("no panic").clone().expect("it was set");
            let error = pump.reconfigure(Plan::new(), LONG).expect_err("it would wait for itself");
            self.1.lock().expect("no panic").push(error.to_string());
            Ok(())
        }
        fn flush(&mut self) -> Result<(), Error> {
            Ok(())
        }
    }
    let (own, said) = (Arc::new(Mutex::new(None)), Arc::new(Mutex::new(Vec::new())));
    let (_, mut hand, pump) = start(|pump| pump.sink(Ambitious(Arc::clone(&own), Arc::clone(&said))));
    *own.lock().expect("no panic") = Some(pump.clone());
    offer(&mut hand, &["m"]);
    assert!(pump.flush(LONG).is_complete());
    assert_eq!(said.lock().expect("no panic").len(), 1);
}

#[test]
fn sink_whose_destructor_panics_costs_nobody_anything() {
    struct Bad(Memory);
    impl Sink for Bad {
        fn name(&self) -> &str {
            "bad"
        }
        fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
            self.0.write(batch)
        }
        fn flush(&mut self) -> Result<(), Error> {
            Ok(())
        }
    }
    impl Drop for Bad {
        fn drop(&mut self) {
            panic!("the destructor's own defect");
        }
    }
    let (old, new) = (Memory::new("old"), Memory::new("new"));
    let (_, mut hand, pump) = start(|pump| pump.sink(Bad(old.clone())));
    offer(&mut hand, &["m0"]);
    pump.reconfigure(Plan::new().sink(new.clone()), LONG).expect("a plan");
    let refused = Plan::new().sink(Bad(old.clone())).keep("other");
    pump.reconfigure(refused, LONG).expect_err("there is no such sink");
    offer(&mut hand, &["m1"]);
    assert!(pump.shutdown(LONG).is_complete());
    assert_eq!((old.messages(), new.messages()), (vec!["m0".to_owned()], vec!["m1".to_owned()]));
}

// === a storm ===

/// What the sinks of all plans got, each with the numbers of the plan that processed and wrote it.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<(String, usize)>>>);

/// A sink of one plan.
struct Numbered {
    plan: usize,
    seen: Seen,
}

impl Sink for Numbered {
    fn name(&self) -> &str {
        "numbered"
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        let mut seen = self.seen.0.lock().expect("no panic");
        let records = batch.records().filter(|record| record.kind != Kind::Loss);
        seen.extend(records.map(|record| (record.message.clone().into_owned(), self.plan)));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// A plan whose processors, routing and sink all put the same number on a record.
fn plan(number: usize, seen: &Seen) -> Plan {
    let stamp = |part: &'static str| {
        move |record: &mut Record<'_>| {
            record.message = format!("{} {part}{number}", record.message).into();
            true
        }
    };
    let logger = Logger::root().processor(stamp("l")).sinks(["numbered"]);
    let routing = Routing::builder().logger(logger).build().expect("a routing");
    let sink = Numbered { plan: number, seen: seen.clone() };
    Plan::new().processor(stamp("s")).pipe(Pipe::to(sink).processor(stamp("p"))).routing(routing)
}

/// Four threads log while `change` runs; gives how many records they made.
fn log_during(buffer: &Buffer, change: impl FnOnce()) -> usize {
    let is_over = AtomicBool::new(false);
    let log = |name: &'static str| {
        let mut hand = Hand::new(buffer);
        let mut count = 0;
        while !is_over.load(Ordering::Relaxed) {
            assert!(hand.event(Level::INFO, &format!("{name}{count}")));
            count += 1;
            // So that memory stays small, whatever the machine does.
            while buffer.used_bytes() > 1 << 13 && !is_over.load(Ordering::Relaxed) {
                thread::yield_now();
            }
        }
        count
    };
    thread::scope(|scope| {
        let log = &log;
        let writers: Vec<_> = ["a", "b", "c", "d"].into_iter().map(|name| scope.spawn(move || log(name))).collect();
        change();
        is_over.store(true, Ordering::Relaxed);
        writers.into_iter().map(|writer| writer.join().expect("a writer")).sum()
    })
}

/// Gives the numbers of the plans in the order in which records came, after checking that none is missing or doubled and
/// each was handled by one whole plan.
fn assert_whole(seen: &Seen, offered: usize) -> Vec<usize> {
    let seen = seen.0.lock().expect("no panic");
    let mut texts = HashSet::new();
    for (text, plan) in seen.iter() {
        let mut words = text.split(' ');
        assert!(texts.insert(words.next().expect("a text")), "{text} came twice");
        let stamps: Vec<&str> = words.collect();
        assert_eq!(stamps, [format!("s{plan}"), format!("l{plan}"), format!("p{plan}")], "one whole plan");
    }
    assert_eq!(texts.len(), offered, "nothing is missing");
    seen.iter().map(|(_, plan)| *plan).collect()
}

#[test]
fn a_thousand_changes_while_four_threads_log_lose_double_and_tear_nothing() {
    let (seen, kept, buffer) = (Seen::default(), Memory::new("kept"), buffer(Policy::Block(LONG)));
    let first = plan(0, &seen).sink(kept.clone());
    let pump = PumpBuilder::new().drain_every(Duration::from_millis(1)).plan(first).spawn(buffer.clone());
    let pump = pump.expect("a thread");
    let offered = log_during(&buffer, || {
        for number in 1..=1_000 {
            let gone = pump.reconfigure(plan(number, &seen).keep("kept"), LONG).expect("a plan");
            assert_eq!(gone.len(), 1);
        }
    });
    let report = pump.shutdown(LONG);
    assert!(report.is_complete(), "{report:#?}");
    assert_eq!((report.recorded, report.written, report.filtered), (offered as u64, offered as u64, 0));
    assert!(assert_whole(&seen, offered).is_sorted(), "one plan after the other");
    assert_eq!(kept.count(), 0, "the root logger names the other sink only");
}

#[test]
fn changes_and_flushes_of_several_threads_at_once_are_all_answered() {
    let (seen, buffer) = (Seen::default(), buffer(Policy::Block(LONG)));
    let pump = PumpBuilder::new().drain_every(Duration::from_millis(1)).plan(plan(0, &seen)).spawn(buffer.clone());
    let pump = pump.expect("a thread");
    let offered = log_during(&buffer, || {
        thread::scope(|scope| {
            for changer in 1..=3 {
                let (pump, seen) = (&pump, &seen);
                scope.spawn(move || {
                    for number in 0..100 {
                        pump.reconfigure(plan(changer * 1_000 + number, seen), LONG).expect("a plan");
                        assert!(!pump.flush(LONG).timed_out);
                    }
                });
            }
        });
    });
    let report = pump.shutdown(LONG);
    assert!(report.is_complete() && report.recorded == offered as u64, "{report:#?}");
    assert_whole(&seen, offered);
}

// === with a spool ===

/// A sink of a lake, to which recovery can put records.
struct Lake(Memory, &'static str);

impl Sink for Lake {
    fn name(&self) -> &str {
        self.1
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        self.0.write(batch)
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.0.flush()
    }

    fn recipe(&self) -> Option<Recipe> {
        let (kind, lake) = ("jsonl".to_owned(), format!("/{}", self.1).into());
        Some(Recipe { kind, lake, level: LevelFilter::DEBUG, partition: String::new() })
    }
}

fn recipes(folder: &std::path::Path) -> Vec<(String, LevelFilter)> {
    let own = std::fs::read_dir(folder).expect("a spool").next().expect("this process").expect("an entry");
    let disk = spanlake_core::disk::real();
    let ledger = spanlake_core::spool::Ledger::read(&*disk, &own.path()).expect("a ledger");
    ledger.sinks.iter().map(|recipe| (recipe.lake.display().to_string(), recipe.level)).collect()
}

#[test]
fn recovery_follows_the_plan() {
    let folder = tempfile::tempdir().expect("a folder");
    let old = Memory::new("old");
    let first = PumpBuilder::new().drain_every(NEVER).sink(Lake(old.clone(), "one")).sink(Memory::new("console"));
    let buffer = spooled(folder.path(), Policy::DropLowest, 1 << 20, first.recipes());
    let pump = first.spawn(buffer.clone()).expect("a thread");
    let mut hand = Hand::new(&buffer);
    offer(&mut hand, &["m0"]);
    let two = Pipe::to(Lake(Memory::new("new"), "two")).level(LevelFilter::WARN);
    pump.reconfigure(Plan::new().pipe(two).keep("one"), LONG).expect("a plan");
    assert_eq!(
        recipes(folder.path()),
        [("/two".to_owned(), LevelFilter::WARN), ("/one".to_owned(), LevelFilter::DEBUG)]
    );
    pump.reconfigure(Plan::new().keep("two"), LONG).expect("a plan");
    assert_eq!(recipes(folder.path()), [("/two".to_owned(), LevelFilter::WARN)]);
    assert_eq!(old.messages(), ["m0"]);
    assert!(pump.shutdown(LONG).is_complete());
}

#[test]
fn sinks_of_the_lake_stay_while_only_the_spool_has_their_records() {
    let folder = tempfile::tempdir().expect("a folder");
    let failing = Memory::new("failing").failing(usize::MAX);
    let first = PumpBuilder::new().drain_every(NEVER).sink(Lake(failing.clone(), "one")).sink(Memory::new("console"));
    let buffer = spooled(folder.path(), Policy::DropLowest, 1 << 20, first.recipes());
    let pump = first.spawn(buffer.clone()).expect("a thread");
    let mut hand = Hand::new(&buffer);
    offer(&mut hand, &["m0"]);
    let replaced = || Plan::new().sink(Lake(Memory::new("new"), "two"));
    let error = pump.reconfigure(replaced(), LONG).expect_err("its records are nowhere else");
    assert!(error.is_recoverable() && error.to_string().ends_with("(sink: one)"), "{error}");
    assert_eq!(recipes(folder.path()), [("/one".to_owned(), LevelFilter::DEBUG)]);
    pump.reconfigure(Plan::new().keep("one").sink(Memory::new("other console")), LONG).expect("no sink of the lake");

    failing.change(|state| state.failures_left = 0);
    pump.reconfigure(replaced(), LONG).expect("now the lake has them");
    assert_eq!(failing.messages(), ["m0"]);
    assert_eq!(recipes(folder.path()), [("/two".to_owned(), LevelFilter::DEBUG)]);
    assert!(pump.shutdown(LONG).is_complete());
}
