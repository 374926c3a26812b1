//! What is recorded of an observed object, and what of it is asked.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use serde_json::{Value, json};
use spanlake_core::{Kind, Level, OwnedRecord, Secret};
use spanlake_scope::observe::{Observe, Observer, Phase, Shown, observe, set_time};
use tracing::{debug, info, info_span};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

use crate::support::{Tape, record, tape};

/// A pump that tells what it takes and what it gives, and counts what it is asked.
#[derive(Debug, Default)]
struct Pump {
    speed: f64,
    flow: f64,
    stages: Vec<f64>,
    asked: Cell<u32>,
    named: Cell<u32>,
}

impl Pump {
    fn run(&mut self) {
        self.flow = self.speed / 3.0;
        self.stages = vec![self.flow, 12_345.678, 1e-9];
    }
}

impl Observe for Pump {
    fn observe(&self, phase: Phase, _: &str, out: &mut Observer) {
        self.asked.set(self.asked.get() + 1);
        match phase {
            Phase::Enter => {
                out.group("shaft").value("speed", &self.speed).value("pairs", &2_u8);
            }
            Phase::Exit => {
                out.group("outlet").value("flow", &self.flow).value("stages", &self.stages);
                out.group("shaft").value("key", &Secret::new("hunter2")).value("none", &None::<f64>);
            }
        }
    }

    fn name(&self) -> Cow<'_, str> {
        self.named.set(self.named.get() + 1);
        Cow::Borrowed("pump")
    }
}

/// An object whose answers are a closure's.
struct Told<F>(&'static str, F);

impl<F: Fn(Phase, &mut Observer)> Observe for Told<F> {
    fn observe(&self, phase: Phase, _: &str, out: &mut Observer) {
        (self.1)(phase, out);
    }

    fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.0)
    }
}

/// An object that is a task.
struct Step(&'static str);

impl Observe for Step {
    fn observe(&self, _: Phase, _: &str, out: &mut Observer) {
        out.record(Level::INFO, "noted");
    }

    fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.0)
    }

    fn is_task(&self) -> bool {
        true
    }
}

fn silent(name: &'static str) -> Told<impl Fn(Phase, &mut Observer)> {
    Told(name, |_, _: &mut Observer| ())
}

fn words(records: &[OwnedRecord]) -> Vec<String> {
    records.iter().map(|record| format!("{} {}", record.level, record.message)).collect()
}

fn fields(record: &OwnedRecord) -> Value {
    serde_json::from_str(&record.fields).expect("fields are an object")
}

fn record_at(level: LevelFilter, work: impl FnOnce()) -> Tape {
    let (recording, tape) = tape();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(recording).with(level), work);
    tape
}

#[test]
fn with_nobody_listening_nothing_of_the_object_is_touched() {
    let mut pump = Pump { speed: 3.0, ..Pump::default() };
    let tape = record_at(LevelFilter::INFO, || observe(&mut pump, "run_once", |pump| pump.run()));
    assert_eq!((pump.asked.get(), pump.named.get(), pump.flow), (0, 0, 1.0));
    assert_eq!(tape.records(), []);
}

#[test]
fn at_debug_there_is_a_line_at_either_end_and_no_values() {
    let mut pump = Pump::default();
    let tape = record_at(LevelFilter::DEBUG, || observe(&mut pump, "run_once", |pump| pump.run()));
    let records = tape.records();
    assert_eq!(words(&records), ["DEBUG Entering pump - run_once", "DEBUG Exiting pump - run_once"]);
    let expected = json!({
        "observed.object": "pump", "observed.method": "run_once", "observed.phase": "enter",
        "observed.call": fields(&records[1])["observed.call"], "observed.depth": 1, "observed.within": ["pump"],
    });
    assert_eq!(fields(&records[0]), expected);
    assert_eq!((pump.asked.get(), pump.named.get()), (2, 1));
}

#[test]
fn at_trace_values_are_kept_as_what_they_are() {
    let mut pump = Pump { speed: 1.0, ..Pump::default() };
    let records = record(|| observe(&mut pump, "", |pump| pump.run())).records();
    let expected = [
        "DEBUG Entering pump",
        "TRACE #### pump - Pump - Inputs",
        "TRACE #### pump - Pump - Outputs",
        "DEBUG Exiting pump",
    ];
    assert_eq!(words(&records), expected);
    let inputs = fields(&records[1]);
    assert_eq!((&inputs["shaft.speed"], &inputs["shaft.pairs"]), (&json!(1.0), &json!(2)));
    assert_eq!(inputs["observed.type"], "Pump");
    let outputs = fields(&records[2]);
    assert_eq!(outputs["outlet.flow"], json!(1.0 / 3.0), "the lake has all digits");
    assert_eq!(outputs["outlet.stages"], json!([1.0 / 3.0, 12_345.678, 1e-9]));
    assert_eq!((&outputs["shaft.key"], &outputs["shaft.none"]), (&json!("***"), &Value::Null));
}

#[test]
fn text_lays_values_out_with_five_digits() {
    let mut pump = Pump { speed: 1.0, ..Pump::default() };
    let text = record(|| observe(&mut pump, "run_once", |pump| pump.run())).text();
    let dump = text.split_once("#### pump - Pump - Outputs\n").expect("a dump").1;
    let expected = "\
- outlet:
  - flow = 0.33333
  - stages = [0.33333, 12346, 1e-09]
- shaft:
  - key = ***
";
    assert!(dump.starts_with(expected), "{dump}");
    assert!(text.contains("Entering pump - run_once\n"), "what tells of objects is not said twice: {text}");
}

#[test]
fn objects_say_records_of_their_own_and_may_veto_the_line() {
    let tank = Told("tank", |phase, out: &mut Observer| {
        out.record(Level::INFO, "level is low").field("level", &0.25);
        out.record(Level::TRACE, "detail").field("list", &[1, 2]);
        if phase == Phase::Exit {
            out.skip();
        }
    });
    let tape = record(|| observe(&tank, "fill", |_| info!("filling")));
    let records = tape.records();
    let expected = [
        "DEBUG Entering tank - fill",
        "INFO level is low",
        "TRACE detail",
        "INFO filling",
        "INFO level is low",
        "TRACE detail",
    ];
    assert_eq!(words(&records), expected);
    assert_eq!(fields(&records[1])["level"], json!(0.25));
    assert_eq!(fields(&records[2])["list"], json!([1, 2]));
}

#[test]
fn what_nobody_listens_to_is_not_worked_out() {
    let told = RefCell::new(Vec::new());
    let tank = Told("tank", |_, out: &mut Observer| {
        told.borrow_mut().push((out.wants(Level::DEBUG), out.wants(Level::TRACE), out.wants_values()));
    });
    record_at(LevelFilter::DEBUG, || observe(&tank, "fill", |_| ()));
    record_at(LevelFilter::TRACE, || observe(&tank, "fill", |_| ()));
    assert_eq!(told.into_inner(), [(true, false, false), (true, false, false), (true, true, true), (true, true, true)]);
}

#[test]
fn an_object_is_asked_once_however_many_layers_listen() {
    let mut pump = Pump::default();
    let ((one, first), (two, second)) = (tape(), tape());
    let text = tracing_subscriber::fmt::layer().with_writer(std::io::sink);
    let subscriber = tracing_subscriber::registry().with(one).with(text).with(two);
    tracing::subscriber::with_default(subscriber, || observe(&mut pump, "run_once", |pump| pump.run()));
    assert_eq!(pump.asked.get(), 2, "once at either end");
    assert_eq!(words(&first.records()), words(&second.records()));
}

#[test]
fn other_layers_get_values_as_text() {
    #[derive(Clone, Default)]
    struct Shared(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);
    impl std::io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no panic").write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let written = Shared::default();
    let writer = written.clone();
    let text = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(move || writer.clone());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(text), || {
        observe(&mut Pump { speed: 1.0, ..Pump::default() }, "run_once", |pump| pump.run());
    });
    let text = String::from_utf8(written.0.lock().expect("no panic").clone()).expect("text");
    assert!(text.contains("#### pump - Pump - Inputs"), "{text}");
    assert!(text.contains("- shaft:\n  - speed = 1\n  - pairs = 2"), "{text}");
}

#[test]
fn tasks_become_subtasks_and_other_objects_records() {
    let tape = record(|| {
        let _job = info_span!("job").entered();
        observe(&Step("first"), "run", |_| {
            observe(&silent("plain"), "run", |_| ());
            observe(&Step("second"), "run", |_| ());
        });
    });
    let records = tape.records();
    let tasks: Vec<_> = records.iter().filter(|record| record.kind == Kind::Begin).collect();
    let named: Vec<_> = tasks.iter().map(|task| (task.task.as_deref(), &*task.message)).collect();
    assert_eq!(
        named,
        [(Some("job"), "job"), (Some("first"), "first - run"), (Some("second"), "second - run")],
        "a task has the object's name"
    );
    let of = |message: &str| records.iter().find(|record| record.message == message).expect("a record");
    let depth = |message: &str| of(message).key.as_ref().expect("in a task").task.depth();
    assert_eq!(
        (depth("Entering first - run"), depth("Entering plain - run"), depth("Exiting second - run")),
        (1, 1, 2)
    );
    assert_eq!(of("Entering plain - run").task.as_deref(), Some("first"));
}

#[test]
fn a_panicking_body_still_exits_and_fails_its_task() {
    let tape = record(|| {
        let caught = catch_unwind(|| observe(&Step("step"), "run", |_| panic!("it broke")));
        assert!(caught.is_err(), "the panic goes on");
        debug!("outside");
    });
    let records = tape.records();
    let expected = [
        "DEBUG step - run",
        "DEBUG Entering step - run",
        "INFO noted",
        "INFO noted",
        "DEBUG Exiting step - run",
        "ERROR FAILED step - run",
        "DEBUG outside",
    ];
    assert_eq!(words(&records), expected);
    assert_eq!(fields(&records[6]), json!({}), "it is left");
}

#[test]
fn early_returns_and_errors_exit() {
    fn fill(tank: &Told<impl Fn(Phase, &mut Observer)>, by: i32) -> Result<i32, &'static str> {
        observe(tank, "fill", |_| {
            if by < 0 {
                return Err("too little");
            }
            Ok(by)
        })
    }
    let tape = record(|| {
        assert_eq!(fill(&silent("tank"), -1), Err("too little"));
        assert_eq!(fill(&silent("tank"), 1), Ok(1));
    });
    let lines = words(&tape.records());
    assert_eq!(lines, ["DEBUG Entering tank - fill", "DEBUG Exiting tank - fill"].repeat(2));
}

#[test]
fn an_object_that_logs_while_it_is_asked_is_heard() {
    let tank = Told("tank", |_, _: &mut Observer| debug!("being asked"));
    let records = record(|| observe(&tank, "fill", |_| ())).records();
    let expected =
        ["DEBUG being asked", "DEBUG Entering tank - fill", "DEBUG being asked", "DEBUG Exiting tank - fill"];
    assert_eq!(words(&records), expected);
    assert_eq!(fields(&records[0])["observed.within"], json!(["tank"]));
}

#[test]
fn clocks_belong_to_the_innermost_object_and_are_restored() {
    struct Clock(&'static str, Option<f64>);
    impl Observe for Clock {
        fn observe(&self, _: Phase, _: &str, _: &mut Observer) {}
        fn name(&self) -> Cow<'_, str> {
            Cow::Borrowed(self.0)
        }
        fn time(&self) -> Option<f64> {
            self.1
        }
    }
    let tape = record(|| {
        debug!("before");
        observe(&Clock("driver", Some(26.0)), "run", |_| {
            observe(&Clock("part", None), "run", |_| debug!("inherited"));
            observe(&Clock("fast", Some(42.0)), "run", |_| debug!("own"));
            debug!("restored");
            set_time(27.0);
            debug!("later");
        });
        debug!("after");
    });
    let times: Vec<_> = tape
        .records()
        .iter()
        .filter(|record| !record.message.contains('-'))
        .map(|record| (record.message.clone(), fields(record)["observed.time"].as_f64()))
        .collect();
    let expected = [
        ("before", None),
        ("inherited", Some(26.0)),
        ("own", Some(42.0)),
        ("restored", Some(26.0)),
        ("later", Some(27.0)),
        ("after", None),
    ];
    assert_eq!(times, expected.map(|(message, time)| (message.to_owned(), time)));
}

#[test]
fn a_clock_that_starts_late_is_the_objects_own() {
    struct Late(Cell<Option<f64>>);
    impl Observe for Late {
        fn observe(&self, _: Phase, _: &str, _: &mut Observer) {}
        fn time(&self) -> Option<f64> {
            self.0.get()
        }
    }
    let late = || Late(Cell::new(None));
    let tape = record(|| {
        observe(&Late(Cell::new(Some(26.0))), "", |_| {
            observe(&late(), "", |part| part.0.set(Some(42.0)));
            debug!("of the driver");
        });
        observe(&late(), "", |_| {
            debug!("none");
            set_time(1.0);
            observe(&late(), "", |_| debug!("of whoever was told"));
            debug!("and still");
        });
        debug!("outside");
    });
    let records = tape.records();
    let said = records.iter().filter(|record| !record.message.contains("ing ")).map(fields);
    let times: Vec<_> = said.map(|fields| fields["observed.time"].as_f64()).collect();
    assert_eq!(times, [Some(26.0), None, Some(1.0), Some(1.0), None]);
}

#[test]
fn all_records_of_a_piece_of_work_have_its_number() {
    fn count(tank: &Told<impl Fn(Phase, &mut Observer)>, down: u32) {
        observe(tank, "count", |tank| {
            if down > 0 {
                count(tank, down - 1)
            }
        });
    }
    let tank = Told("tank", |_, out: &mut Observer| {
        out.group("state").value("level", &1.0);
        out.record(Level::INFO, "said");
    });
    let records = record(|| count(&tank, 1)).records();
    let calls: Vec<_> =
        records.iter().map(|record| fields(record)["observed.call"].as_u64().expect("a number")).collect();
    let (outer, inner) = (calls[0], calls[3]);
    assert_ne!(outer, inner);
    assert_eq!(calls, [[outer; 3], [inner; 3], [inner; 3], [outer; 3]].concat());
}

#[test]
fn what_is_missing_in_a_row_leaves_its_place() {
    let tank = Told("tank", |_, out: &mut Observer| {
        out.group("observed").value("within", &[Some(1.5), None, Some(2.5)]);
    });
    let dump = fields(&record(|| observe(&tank, "", |_| ())).records()[1]);
    assert_eq!(dump["observed_.within"], json!([1.5, "NaN", 2.5]));
    assert_eq!(dump["observed.within"], json!(["tank"]), "no group passes for what is said of the object");
}

#[test]
fn parts_are_groups_of_the_whole() {
    let pump = Pump { speed: 2.0, ..Pump::default() };
    let plant = Told("plant", |phase, out: &mut Observer| {
        out.group("site.north").value("shown", &Shown(&Some(1)));
        out.nested("pump", |out| {
            pump.observe(phase, "run", out);
            out.skip();
        });
    });
    let records = record(|| observe(&plant, "run", |_| ())).records();
    let inputs = fields(&records[1]);
    assert_eq!((&inputs["site_north.shown"], &inputs["pump.shaft.speed"]), (&json!("Some(1)"), &json!(2.0)));
    assert_eq!(records[0].message, "Entering plant - run", "a part does not veto the line of the whole");
}

#[test]
fn any_reference_is_an_object() {
    let (boxed, shared) = (Box::new(silent("boxed")), Rc::new(silent("shared")));
    let objects: [&dyn Observe; 2] = [&*boxed, &*shared];
    let tape = record(|| {
        objects.into_iter().for_each(|object| observe(object, "", |_| ()));
        observe(Rc::clone(&shared), "again", |shared| assert_eq!(Rc::strong_count(shared), 2));
    });
    let entered = words(&tape.records()).into_iter().filter(|line| line.contains("Entering")).collect::<Vec<_>>();
    assert_eq!(entered, ["DEBUG Entering boxed", "DEBUG Entering shared", "DEBUG Entering shared - again"]);
}

#[test]
fn a_site_of_its_own_has_the_target_of_its_module() {
    let records = record(|| {
        spanlake_scope::observe!(&silent("tank"), "fill", |_| ());
        observe(&silent("tank"), "fill", |_| ());
    });
    let targets: Vec<_> = records.records().into_iter().map(|record| (record.target, record.file)).collect();
    assert_eq!((&*targets[0].0, targets[0].1.as_deref()), (module_path!(), Some(file!())));
    assert_eq!(targets[2], ("spanlake::observe".to_owned(), None), "a place in this crate would tell nothing");
}

#[test]
fn the_guest_is_left_as_it_was_when_body_and_object_both_panic() {
    let tank = Told("tank", |phase, _: &mut Observer| assert_eq!(phase, Phase::Enter, "the object breaks as well"));
    let tape = record(|| {
        let work = AssertUnwindSafe(|| observe(&tank, "fill", |_| panic!("the body breaks")));
        assert!(catch_unwind(work).is_err());
    });
    let expected =
        ["DEBUG Entering tank - fill", "DEBUG Exiting tank - fill", "WARN tank - fill panicked while it was observed"];
    assert_eq!(words(&tape.records()), expected);
}
