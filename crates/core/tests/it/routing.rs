//! Which records go to which sinks, as a table, and what is counted when a part of the way breaks.

use std::sync::{Arc, Mutex};

use spanlake_core::pump::{Logger, Pipe, Pipeline, Propagate, Routing, RoutingBuilder};
use spanlake_core::{
    Buffer, BufferOptions, Cause, Error, Kind, Level, LevelFilter, Loss, Policy, Processor, Pump, PumpBuilder, Record,
    Source,
};

use crate::support::{Hand, LEVELS, LONG, Memory, assert_adds_up, buffer, start};

/// Sinks `a` to `d` behind a routing.
struct Routed {
    buffer: Buffer,
    hand: Hand,
    pump: Pump,
    sinks: [Memory; 4],
}

const NAMES: [&str; 4] = ["a", "b", "c", "d"];

impl Routed {
    fn new(build: impl FnOnce(RoutingBuilder) -> RoutingBuilder) -> Self {
        Self::with(build, |pump| pump)
    }

    fn with(
        build: impl FnOnce(RoutingBuilder) -> RoutingBuilder,
        more: impl FnOnce(PumpBuilder) -> PumpBuilder,
    ) -> Self {
        let sinks = NAMES.map(Memory::new);
        let routing = build(Routing::builder()).build().expect("a routing");
        let (buffer, hand, pump) = start(|pump| {
            let pump = sinks.iter().fold(pump, |pump, sink| pump.sink(sink.clone()));
            more(pump.routing(routing))
        });
        Self { buffer, hand, pump, sinks }
    }

    fn event(&mut self, target: &str, level: Level, text: &str) {
        assert!(self.hand.event_of(target, level, text), "{text}");
    }

    /// What each sink gets of the events so far, the buffer being drained.
    fn flush(&mut self) -> [Vec<String>; 4] {
        assert_adds_up(&self.pump.flush(LONG));
        self.sinks.each_ref().map(Memory::messages)
    }

    /// The names of the sinks that one event gets to.
    fn sinks_of(&mut self, target: &str, level: Level) -> String {
        self.event(target, level, "m");
        let got = self.flush();
        self.sinks.iter().for_each(|sink| sink.change(|state| state.records.clear()));
        let named = NAMES.iter().zip(got).filter(|(_, got)| !got.is_empty());
        named.map(|(name, got)| format!("{name}{}", "!".repeat(got.len() - 1))).collect()
    }
}

fn mark(mark: &'static str) -> impl Processor + 'static {
    move |record: &mut Record<'_>| {
        record.message = format!("{}{mark}", record.message).into();
        true
    }
}

fn panics_at(text: &'static str) -> impl Processor + 'static {
    move |record: &mut Record<'_>| {
        assert!(!record.message.contains(text), "the processor's own defect");
        true
    }
}

const NO_SINK: [&str; 0] = [];

// === where records go ===

#[test]
fn loggers_route_as_pythons_do() {
    let mut routed = Routed::new(|routing| {
        routing
            .logger(Logger::root().level(LevelFilter::WARN).sinks(["a"]))
            .logger(Logger::new("orders").level(LevelFilter::INFO).sinks(["b"]))
            .logger(Logger::new("orders::db").sinks(["c"]))
            .logger(Logger::new("orders::db::pool").level(LevelFilter::TRACE).propagate(Propagate::Stop).sinks(["d"]))
            .logger(Logger::new("noisy").propagate(Propagate::Stop).sinks(NO_SINK))
            .logger(Logger::new("quiet").level(LevelFilter::OFF))
            .logger(Logger::new("verbose").level(LevelFilter::TRACE))
    });
    let table = [
        // The root takes what nobody else does, by its own level.
        ("other", Level::WARN, "a"),
        ("other", Level::INFO, ""),
        ("", Level::ERROR, "a"),
        // A logger's own level decides, and its records go up; the levels up there are not asked.
        ("orders", Level::INFO, "ab"),
        ("orders", Level::DEBUG, ""),
        ("orders::web", Level::INFO, "ab"),
        ("verbose", Level::TRACE, "a"),
        // Without a level of its own, that of the next shorter prefix.
        ("orders::db", Level::INFO, "abc"),
        ("orders::db", Level::DEBUG, ""),
        ("orders::db::pooling", Level::INFO, "abc"),
        // The longest prefix, on whole names only.
        ("orders::db::pool", Level::TRACE, "d"),
        ("orders::db::pool::idle", Level::TRACE, "d"),
        ("orders::dbase", Level::INFO, "ab"),
        ("ordersmore", Level::INFO, ""),
        ("ordersmore", Level::WARN, "a"),
        // Nowhere at all.
        ("noisy::inner", Level::ERROR, ""),
        ("quiet", Level::ERROR, ""),
    ];
    for (target, level, sinks) in table {
        assert_eq!(routed.sinks_of(target, level), sinks, "{target} {level}");
    }
}

#[test]
fn propagation_that_stops_hides_nothing_from_the_level_of_shorter_loggers() {
    let mut routed = Routed::new(|routing| {
        routing
            .logger(Logger::root().level(LevelFilter::WARN).sinks(["a"]))
            .logger(Logger::new("orders").propagate(Propagate::Stop).sinks(["b"]))
            .logger(Logger::new("orders::db").sinks(["c"]))
    });
    assert_eq!(routed.sinks_of("orders::db", Level::WARN), "bc", "it goes up until something stops it");
    assert_eq!(routed.sinks_of("orders::db", Level::INFO), "", "levels are inherited all the same");
}

#[test]
fn without_a_root_everything_goes_to_every_sink() {
    let mut routed = Routed::new(|routing| routing.logger(Logger::new("noisy").level(LevelFilter::WARN)));
    assert_eq!(routed.sinks_of("other", Level::TRACE), "abcd");
    assert_eq!(routed.sinks_of("noisy", Level::INFO), "");
    assert_eq!(routed.sinks_of("noisy", Level::WARN), "abcd");
    let mut routed = Routed::new(|routing| routing.logger(Logger::root().level(LevelFilter::INFO)));
    assert_eq!(routed.sinks_of("other", Level::INFO), "abcd", "nor with a root that names none");
    let mut routed = Routed::new(|routing| routing.logger(Logger::root().sinks(NO_SINK)));
    assert_eq!(routed.sinks_of("other", Level::INFO), "", "unless it names none on purpose");
}

#[test]
fn sink_reached_twice_gets_a_record_once() {
    let mut routed = Routed::new(|routing| {
        routing
            .pipeline(Pipeline::named("all").sinks(["a", "b"]))
            .pipeline(Pipeline::named("more").sinks(["b", "c"]))
            .logger(Logger::root().sinks(["a", "a"]).pipelines(["all", "more"]))
            .logger(Logger::new("orders").sinks(["a", "c"]).pipelines(["all"]))
    });
    assert_eq!(routed.sinks_of("orders", Level::INFO), "abc");
    assert_eq!(routed.sinks_of("other", Level::INFO), "abc");
}

#[test]
fn a_way_that_is_closed_does_not_close_another_one() {
    let mut routed = Routed::new(|routing| {
        let never = |_: &mut Record<'_>| false;
        routing
            .pipeline(Pipeline::named("severe").level(LevelFilter::ERROR).sinks(["a"]))
            .pipeline(Pipeline::named("nothing").processor(never).sinks(["a"]))
            .pipeline(Pipeline::named("all").sinks(["a"]))
            .logger(Logger::root().pipelines(["severe", "nothing", "all"]))
    });
    assert_eq!(routed.sinks_of("other", Level::INFO), "a");
}

#[test]
fn records_reach_a_sink_in_their_order_on_whichever_ways() {
    let mut routed = Routed::new(|routing| {
        routing
            .pipeline(Pipeline::named("slow").sinks(["a"]))
            .logger(Logger::root().sinks(["a"]))
            .logger(Logger::new("one").propagate(Propagate::Stop).pipelines(["slow"]))
            .logger(Logger::new("two").propagate(Propagate::Stop).sinks(["a"]))
    });
    let texts: Vec<String> = (0..2_000).map(|at| format!("m{at}")).collect();
    for (target, text) in ["one", "other", "two", "one"].into_iter().cycle().zip(&texts) {
        routed.event(target, Level::INFO, text);
    }
    assert_eq!(routed.flush()[0], texts);
}

#[test]
fn levels_of_pipes_and_sinks_hold_behind_routing() {
    let (warnings, all) = (Memory::new("warnings"), Memory::new("all"));
    let routing = Routing::builder().logger(Logger::root().sinks(["loud", "all"])).build().expect("a routing");
    let (_, mut hand, pump) = start(|pump| {
        let loud = Pipe::to(warnings.clone()).named("loud").level(LevelFilter::WARN);
        pump.pipe(loud).sink(all.clone()).routing(routing)
    });
    LEVELS.into_iter().for_each(|level| assert!(hand.event_of("any", level, level.as_str())));
    assert_adds_up(&pump.flush(LONG));
    assert_eq!((warnings.messages().len(), all.count()), (2, 5));
}

#[test]
fn statements_of_loss_go_to_every_sink() {
    let mut routed = Routed::new(|routing| routing.logger(Logger::root().level(LevelFilter::ERROR).sinks(["a"])));
    routed.buffer.lose(&Loss::one(Cause::Reentrant, Level::INFO, 0, 0));
    for got in routed.flush() {
        assert_eq!(got, ["1 record lost (reentrant): 1 INFO"]);
    }
}

#[test]
fn tasks_are_routed_by_the_target_of_their_span() {
    let mut routed =
        Routed::new(|routing| routing.logger(Logger::root().sinks(["a"])).logger(Logger::new("core").sinks(["b"])));
    let mut task = routed.hand.begin();
    assert!(routed.hand.event_in(&mut task, Level::INFO, "m"));
    assert!(routed.hand.end(task, spanlake_core::Outcome::Succeeded));
    assert_eq!(routed.flush().map(|got| got.len()), [3, 3, 0, 0]);
}

// === what happens on the way ===

#[test]
fn processors_run_from_the_shared_ones_over_the_loggers_to_the_sinks() {
    let mut routed = Routed::with(
        |routing| {
            routing
                .pipeline(Pipeline::named("line").processor(mark("-line")).sinks(["d"]))
                .logger(Logger::root().processor(mark("-root")).sinks(["a"]).pipelines(["line"]))
                .logger(Logger::new("orders").processor(mark("-orders")).sinks(["b"]))
        },
        |pump| pump.processor(mark("-shared")).pipe(Pipe::to(Memory::new("e"))),
    );
    routed.event("orders", Level::INFO, "m");
    routed.event("other", Level::INFO, "m");
    let [a, b, c, d] = routed.flush();
    assert_eq!(a, ["m-shared-orders-root", "m-shared-root"], "what propagates comes as the logger below left it");
    assert_eq!(b, ["m-shared-orders"]);
    assert_eq!(c, NO_SINK);
    assert_eq!(d, ["m-shared-orders-root-line", "m-shared-root-line"]);
}

#[test]
fn what_a_logger_drops_goes_no_further() {
    let mut routed = Routed::new(|routing| {
        routing
            .logger(Logger::root().sinks(["a"]))
            .logger(Logger::new("orders").processor(|record: &mut Record<'_>| record.message != "drop").sinks(["b"]))
    });
    ["drop", "keep"].into_iter().for_each(|text| routed.event("orders", Level::INFO, text));
    routed.event("other", Level::INFO, "drop");
    let [a, b, ..] = routed.flush();
    assert_eq!((a, b), (vec!["keep".to_owned(), "drop".to_owned()], vec!["keep".to_owned()]));
}

#[test]
fn each_processor_is_called_once_for_a_batch() {
    #[derive(Clone, Default)]
    struct Batches(Arc<Mutex<Vec<usize>>>);
    impl Processor for Batches {
        fn process(&mut self, records: &mut Vec<Record<'_>>) {
            self.0.lock().expect("no panic").push(records.len());
        }
    }
    let (logger, line) = (Batches::default(), Batches::default());
    let mut routed = Routed::new(|routing| {
        routing
            .pipeline(Pipeline::named("line").processor(line.clone()).sinks(["a", "b"]))
            .logger(Logger::root().processor(logger.clone()).pipelines(["line"]))
            .logger(Logger::new("orders").pipelines(["line"]))
    });
    ["orders", "other", "orders"].into_iter().for_each(|target| routed.event(target, Level::INFO, "m"));
    routed.flush();
    let calls = |batches: &Batches| batches.0.lock().expect("no panic").clone();
    assert_eq!((calls(&logger), calls(&line)), (vec![3], vec![3]));
}

#[test]
fn bound_context_is_added_unless_it_is_there() {
    let routing = Routing::builder()
        .logger(Logger::root().bind("team", "all").bind("env", "prod"))
        .logger(Logger::new("orders").bind("team", "orders").bind("attempt", 3))
        .build()
        .expect("a routing");
    let sink = Memory::new("memory");
    let (_, mut hand, pump) = start(|pump| pump.sink(sink.clone()).routing(routing));
    hand.event_of("orders::db", Level::INFO, "m");
    hand.event_of("other", Level::INFO, "m");
    pump.flush(LONG);
    let fields = sink.change(|state| state.records.iter().map(|record| record.fields.clone()).collect::<Vec<_>>());
    assert_eq!(fields[0], r#"{"team":"orders","attempt":3,"env":"prod"}"#, "the longer prefix comes first");
    assert_eq!(fields[1], r#"{"team":"all","env":"prod"}"#);
}

#[test]
fn bound_context_gives_way_to_that_of_the_record_and_of_its_task() {
    let with_team = |record: &mut Record<'_>| {
        record.fields.edit().push(spanlake_core::Field { name: "team".into(), value: "own".into() });
        true
    };
    let routing = Routing::builder().logger(Logger::root().bind("team", "all")).build().expect("a routing");
    let sink = Memory::new("memory");
    let (_, mut hand, pump) = start(|pump| pump.processor(with_team).sink(sink.clone()).routing(routing));
    hand.event_of("other", Level::INFO, "m");
    pump.flush(LONG);
    let fields = sink.change(|state| state.records[0].fields.clone());
    assert_eq!(fields, r#"{"team":"own"}"#);
}

// === what breaks ===

#[test]
fn logger_that_panics_costs_the_sinks_behind_it_the_batch() {
    let mut routed = Routed::new(|routing| {
        routing
            .logger(Logger::root().sinks(["a"]))
            .logger(Logger::new("orders").processor(panics_at("panic")).sinks(["b"]))
            .logger(Logger::new("other").propagate(Propagate::Stop).sinks(["b", "c"]))
    });
    routed.event("orders", Level::INFO, "panic");
    routed.event("orders", Level::DEBUG, "lost too");
    routed.event("root", Level::INFO, "root");
    routed.event("other", Level::INFO, "other");
    let report = routed.pump.flush(LONG);
    assert_adds_up(&report);
    let lost: Vec<u64> = report.sinks.iter().map(|sink| sink.lost).collect();
    assert_eq!((lost, report.losses.total()), (vec![2, 2, 0, 0], 0));
    let [a, b, c, _] = routed.flush();
    let statement = "2 records lost (panicked): 1 DEBUG, 1 INFO";
    assert_eq!((a, b), (vec![statement.to_owned(), "root".into()], vec![statement.to_owned(), "other".into()]));
    assert_eq!(c, ["other"]);
}

#[test]
fn sink_loses_only_what_it_would_have_taken() {
    let (warnings, all) = (Memory::new("warnings").at_level(LevelFilter::WARN), Memory::new("all"));
    let routing = Routing::builder().logger(Logger::root().processor(panics_at("WARN"))).build().expect("a routing");
    let (_, mut hand, pump) = start(|pump| pump.sink(warnings.clone()).sink(all.clone()).routing(routing));
    LEVELS.into_iter().for_each(|level| assert!(hand.event_of("any", level, level.as_str())));
    let report = pump.flush(LONG);
    assert_adds_up(&report);
    assert_eq!((report.sinks[0].lost, report.sinks[0].filtered, report.sinks[1].lost), (2, 3, 5));
}

#[test]
fn sink_that_has_the_record_on_another_way_loses_nothing() {
    let mut routed = Routed::new(|routing| {
        routing
            .pipeline(Pipeline::named("broken").processor(panics_at("m")).sinks(["a", "b"]))
            .logger(Logger::root().sinks(["a"]).pipelines(["broken"]))
    });
    routed.event("any", Level::INFO, "m");
    let report = routed.pump.flush(LONG);
    assert_adds_up(&report);
    assert_eq!((report.sinks[0].written, report.sinks[0].lost, report.sinks[1].lost), (1, 0, 1));
}

#[test]
fn healthy_sink_misses_nothing_while_all_around_it_fails() {
    let healthy = Memory::new("healthy");
    let (failing, panicking) = (Memory::new("failing").failing(3), Memory::new("panicking"));
    panicking.change(|state| state.panics = true);
    let routing = Routing::builder()
        .pipeline(Pipeline::named("broken").processor(panics_at("m")).sinks(["failing"]))
        .logger(Logger::root().sinks(["healthy", "panicking", "unlucky"]).pipelines(["broken"]))
        .logger(Logger::new("orders").sinks(["failing"]))
        .build()
        .expect("a routing");
    let (_, mut hand, pump) = start(|pump| {
        pump.sink(failing.clone())
            .sink(panicking.clone())
            .sink(healthy.clone())
            .pipe(Pipe::to(Memory::new("unlucky")).processor(panics_at("m7")))
            .routing(routing)
    });
    for at in 0..50 {
        let target = if at % 3 == 0 { "orders" } else { "other" };
        assert!(hand.event_of(target, LEVELS[at % 5], &format!("m{at}")));
        if at % 7 == 0 {
            assert_adds_up(&pump.flush(LONG));
        }
    }
    let report = pump.shutdown(LONG);
    assert_adds_up(&report);
    assert_eq!(healthy.messages(), (0..50).map(|at| format!("m{at}")).collect::<Vec<_>>());
    let orders = failing.change(|state| state.records.iter().filter(|record| record.kind != Kind::Loss).count());
    assert_eq!(orders, 17, "what went around the broken pipeline");
}

// === what is refused ===

#[track_caller]
fn assert_refused(result: Result<impl std::fmt::Debug, Error>, message: &str) {
    let error = result.expect_err("it makes no sense");
    assert_eq!(error.to_string(), message);
    assert_eq!(error.code().to_string(), "CONFIGURATION::Routing::CONFIGURATION::ERROR");
}

#[test]
fn routing_that_makes_no_sense_by_itself_is_refused() {
    let logger = |prefix: &str| Routing::builder().logger(Logger::new(prefix)).build();
    assert_refused(logger(""), "a logger's prefix is empty (logger: \"\")");
    assert_refused(logger("orders::"), "not a prefix of a target (logger: \"orders::\")");
    assert_refused(logger("::orders"), "not a prefix of a target (logger: \"::orders\")");
    let twice = |logger: fn() -> Logger| Routing::builder().logger(logger()).logger(logger()).build();
    assert_refused(twice(|| Logger::new("orders")), "two loggers have the same prefix (logger: orders)");
    assert_refused(twice(Logger::root), "two loggers have the same prefix (logger: root)");
    let unnamed = Routing::builder().logger(Logger::new("orders").bind("", 1)).build();
    assert_refused(unnamed, "a bound name is empty (logger: orders)");
    let empty = Routing::builder().pipeline(Pipeline::named("audit")).build();
    assert_refused(empty, "a pipeline leads to no sink (pipeline: audit)");
    let line = || Pipeline::named("audit").sinks(["a"]);
    let twice = Routing::builder().pipeline(line()).pipeline(line()).build();
    assert_refused(twice, "two pipelines have the same name (pipeline: audit)");
}

#[test]
fn routing_that_names_what_is_not_there_is_refused_before_anything_starts() {
    let spawn = |routing: RoutingBuilder| {
        let routing = routing.build().expect("it makes sense by itself");
        let pump = PumpBuilder::new().sink(Memory::new("a")).sink(Memory::new("b")).sink(Memory::new("b"));
        let pump = pump.routing(routing);
        assert!(pump.check().is_err());
        pump.spawn(buffer(Policy::DropLowest))
    };
    let routing = Routing::builder().logger(Logger::new("orders").sinks(["a", "audit"]));
    assert_refused(spawn(routing), "there is no sink of this name (sink: audit, logger: orders)");
    let routing = Routing::builder().logger(Logger::root().pipelines(["line"]));
    assert_refused(spawn(routing), "there is no pipeline of this name (pipeline: line, logger: root)");
    let routing = Routing::builder().pipeline(Pipeline::named("line").sinks(["audit"]));
    assert_refused(spawn(routing), "there is no sink of this name (sink: audit, pipeline: line)");
    let routing = Routing::builder().logger(Logger::root().sinks(["b"]));
    assert_refused(spawn(routing), "several have the name of this sink (sink: b, logger: root)");
}

#[test]
fn sinks_may_share_a_name_as_long_as_nobody_names_it() {
    let routing = Routing::builder().logger(Logger::new("noisy").level(LevelFilter::OFF)).build().expect("a routing");
    let buffer = Buffer::new(&BufferOptions::default(), Source::this_process("test"));
    let pump = PumpBuilder::new().sink(Memory::new("a")).sink(Memory::new("a")).routing(routing).spawn(buffer);
    assert!(pump.is_ok());
}
