//! Processors, fallbacks and reports together.

use std::num::{NonZeroU64, NonZeroUsize};

use spanlake_capture::{CaptureLayer, Policy};
use spanlake_core::{Batch, Category, Cause, Error, Kind, LevelFilter, Record, Sink, Stage, Value};
use tracing::{error, info, info_span, warn};
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{LONG, TestSink, events, objects};

/// Runs `work` under a capture layer on a registry.
fn under(capture: CaptureLayer, work: impl FnOnce()) {
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), work);
}

/// A sink that takes errors only.
struct Errors(TestSink);

impl Sink for Errors {
    fn name(&self) -> &str {
        "errors"
    }

    fn level(&self) -> LevelFilter {
        LevelFilter::ERROR
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        self.0.write(batch)
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.0.flush()
    }
}

/// A sink that never takes anything.
struct Broken;

impl Sink for Broken {
    fn name(&self) -> &str {
        "broken"
    }

    fn write(&mut self, _: &Batch<'_>) -> Result<(), Error> {
        Err(Error::new(Stage::Handler, "Broken", Category::Io, "it is broken"))
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

#[test]
fn report_adds_up_whatever_happened() {
    let (all, errors) = (TestSink::default(), TestSink::default());
    let (capture, guard) = CaptureLayer::builder()
        .policy(Policy::DropNewest)
        .capacity_records(NonZeroU64::new(10).expect("not zero"))
        .drain_every(LONG)
        .processor(|record: &mut Record<'_>| record.message != "drop me")
        .sink(all.clone())
        .sink(Errors(errors.clone()))
        .build()
        .expect("a thread");
    under(capture, || {
        info!("drop me");
        error!("bad");
        (0..1_000).for_each(|at| info!("{at}"));
    });
    let report = guard.shutdown(LONG).expect("in time");
    assert_eq!(report.recorded, 1_002);
    assert!(report.lost > 0, "{report}");
    assert_eq!(report.recorded, report.written + report.filtered + report.lost + report.pending, "{report:?}");
    assert_eq!(report.losses.of(Cause::Full), report.lost);
    for (sink, part) in [(&all, &report.sinks[0]), (&errors, &report.sinks[1])] {
        let kept = sink.records().iter().filter(|record| record.kind != Kind::Loss).count() as u64;
        assert_eq!(kept, part.written, "{part:?}");
        assert!(sink.records().iter().any(|record| record.kind == Kind::Loss), "losses pass every level");
    }
    let stated: u64 = all
        .records()
        .iter()
        .filter(|record| record.kind == Kind::Loss)
        .map(|record| {
            let fields: serde_json::Value = serde_json::from_str(&record.fields).expect("JSON");
            fields["count"].as_u64().expect("a count")
        })
        .sum();
    assert_eq!(stated, report.lost, "the stream says what the counters say");
}

#[test]
fn broken_sink_stops_no_other_and_its_error_is_readable() {
    let sink = TestSink::default();
    let (capture, guard) = CaptureLayer::builder().sink(Broken).sink(sink.clone()).build().expect("a thread");
    under(capture, || info!("one"));
    let report = guard.shutdown(LONG).expect("in time");
    assert_eq!(events(&sink.records()), ["one"]);
    assert_eq!(report.sink_errors().map(|(name, _)| name).collect::<Vec<_>>(), ["broken"]);
    assert_eq!(report.lost, 1, "{report:?}");
    assert_eq!(report.recorded, report.written + report.filtered + report.lost + report.pending, "{report:?}");
}

#[test]
fn fallback_takes_what_its_sink_could_not() {
    let fallback = TestSink::default();
    let (capture, guard) = CaptureLayer::builder().sink_or(Broken, fallback.clone()).build().expect("a thread");
    under(capture, || info!("one"));
    let report = guard.shutdown(LONG).expect("in time");
    assert_eq!(events(&fallback.records()), ["one"]);
    assert_eq!(report.lost, 0, "{report:?}");
}

#[test]
fn processors_drop_rename_and_redact_in_order() {
    let sink = TestSink::default();
    let (capture, guard) = CaptureLayer::builder()
        .processor(|record: &mut Record<'_>| record.target() != "noisy")
        .processor(|record: &mut Record<'_>| {
            for field in record.fields.edit() {
                if field.name == "pwd" {
                    field.name = "password".into();
                }
            }
            true
        })
        .processor(|record: &mut Record<'_>| {
            for field in record.fields.edit() {
                if field.name == "password" {
                    field.value = Value::Text("***".into());
                }
            }
            true
        })
        .service("orders")
        .sink(sink.clone())
        .build()
        .expect("a thread");
    under(capture, || {
        info!(target: "noisy", "never mind");
        info!(user = "ada", pwd = "secret", "login");
        warn!("plain");
    });
    let report = guard.shutdown(LONG).expect("in time");
    assert_eq!((report.recorded, report.written, report.filtered), (3, 2, 1));
    let lines = objects(&sink.json());
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["fields"], serde_json::json!({ "user": "ada", "password": "***" }));
    assert_eq!(lines[0]["service"], "orders");
    assert!(!sink.json().contains("secret"));
}

#[test]
fn processor_that_panics_costs_its_batch_and_is_counted() {
    let sink = TestSink::default();
    let (capture, guard) = CaptureLayer::builder()
        .processor(|record: &mut Record<'_>| {
            assert!(record.message != "poison", "as told");
            true
        })
        .sink(sink.clone())
        .build()
        .expect("a thread");
    under(capture, || {
        info!("poison");
        guard.flush(LONG);
        info!("fine");
    });
    let report = guard.shutdown(LONG).expect("in time");
    assert_eq!(events(&sink.records()), ["fine"]);
    assert_eq!(report.losses.of(Cause::Panicked), 1);
    assert_eq!(report.recorded, report.written + report.filtered + report.lost + report.pending, "{report:?}");
}

#[test]
fn task_ends_are_kept_when_their_begins_are_however_little_room_there_is() {
    let sink = TestSink::default();
    let (capture, guard) = CaptureLayer::builder()
        .capacity_bytes(NonZeroUsize::new(16 << 10).expect("not zero"))
        .policy(Policy::DropNewest)
        .drain_every(LONG)
        .sink(sink.clone())
        .build()
        .expect("a thread");
    under(capture, || {
        for _ in 0..200 {
            info_span!("task").in_scope(|| (0..20).for_each(|at| info!("{at}")));
        }
    });
    let report = guard.shutdown(LONG).expect("in time");
    assert_eq!(report.recorded, 200 * 22);
    assert_eq!(report.recorded, report.written + report.lost, "{report}");
    let records = sink.records();
    let tasks = |kind: Kind| {
        let of_kind = records.iter().filter(|record| record.kind == kind);
        of_kind.map(|record| record.key.as_ref().expect("in a task").task.to_string()).collect::<Vec<_>>()
    };
    let ends = tasks(Kind::End);
    assert!(tasks(Kind::Begin).iter().all(|begun| ends.contains(begun)), "none is open for ever");
}
