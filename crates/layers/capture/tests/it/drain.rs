//! Taking records out of memory.

use std::collections::HashSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use spanlake_capture::CaptureLayer;
use spanlake_core::Kind;
use tracing::{error, info, info_span};
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{capture, messages, said};

fn sample() {
    info_span!("load", table = "orders", etl.dataflow = "nightly").in_scope(|| {
        info!(rows = 500, ok = true, "wrote batch");
        let error = std::io::Error::other("the disk is gone");
        error!(error = &error as &dyn std::error::Error, "cannot write");
    });
    info!("outside");
}

#[test]
fn drained_records_have_the_columns_of_the_lake() {
    let records = capture(sample).drain_records();
    assert_eq!(
        said(&records),
        ["0@ begin load", "1@ event wrote batch", "2@ event cannot write", "3@ end load", "- event outside"]
    );
    let event = &records[1];
    assert_eq!(event.task.as_deref(), Some("load"));
    assert_eq!((event.fields.as_str(), event.dataflow_id.as_deref()), (r#"{"rows":500,"ok":true}"#, Some("nightly")));
    assert_eq!(event.context, r#"{"table":"orders","etl.dataflow":"nightly"}"#);
    assert_eq!(event.target, module_path!());
    assert_eq!((event.module.as_deref(), event.file.as_deref()), (Some(module_path!()), Some(file!())));
    assert!(event.line.is_some_and(|line| line > 10));
    assert_eq!((event.pid, event.host.is_empty()), (std::process::id(), false));
    assert_eq!(event.thread.as_deref(), thread::current().name());
    assert_eq!(records[2].fields, r#"{"error":"the disk is gone"}"#);
    assert!(records[3].duration_us.is_some());
    assert_eq!((&records[4].key, &records[4].task, records[4].context.as_str()), (&None, &None, "{}"));
}

#[test]
fn drained_text_is_one_line_a_record() {
    let text = capture(sample).drain_text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5, "{text}");
    let module = module_path!();
    assert!(lines[1].contains(&format!(" - INFO - {module}:{module}:")), "{}", lines[1]);
    assert!(lines[1].ends_with(" - [nightly] - wrote batch rows=500 ok=true"), "{}", lines[1]);
    assert!(lines[2].ends_with(" - [nightly] - cannot write error=\"the disk is gone\""), "{}", lines[2]);
    assert!(lines[4].ends_with(" - [-] - outside"), "{}", lines[4]);
}

#[test]
fn drained_json_is_one_object_a_line() {
    let json = capture(sample).drain_json();
    let lines: Vec<serde_json::Value> =
        json.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert_eq!(lines.len(), 5);
    assert_eq!(lines[1]["fields"], serde_json::json!({"rows": 500, "ok": true}));
    assert_eq!(lines[3]["kind"], "end");
    assert_eq!(lines[4]["key"], serde_json::Value::Null);
}

#[test]
fn record_comes_out_once_whichever_way() {
    let drain = capture(sample);
    assert_eq!(drain.drain_records().len(), 5);
    assert!(drain.drain_records().is_empty() && drain.drain_text().is_empty() && drain.drain_json().is_empty());
    assert_eq!((drain.recorded(), drain.losses().total()), (5, 0));
}

#[test]
fn records_can_be_drained_while_the_task_goes_on() {
    let capture = CaptureLayer::new();
    let drain = capture.drain_handle();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), || {
        let _load = info_span!("load", table = "orders").entered();
        info!("one");
        assert_eq!(messages(&drain.drain_records()), ["load", "one"]);
        info!("two");
        let records = drain.drain_records();
        assert_eq!(said(&records), ["2@ event two"]);
        assert_eq!(records[0].context, r#"{"table":"orders"}"#, "described again in the new segment");
    });
    assert_eq!(said(&drain.drain_records()), ["3@ end load"]);
}

#[test]
fn concurrent_drains_give_each_record_to_one_of_them() {
    let capture = CaptureLayer::new();
    let drain = capture.drain_handle();
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(capture));
    const EVENTS: usize = 5_000;
    let (start, writing) = (Barrier::new(8), AtomicUsize::new(4));
    let mut drained: Vec<_> = thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                tracing::dispatcher::with_default(&dispatch, || {
                    let _task = info_span!("writer").entered();
                    start.wait();
                    (0..EVENTS).for_each(|at| info!(at));
                });
                writing.fetch_sub(1, Ordering::Relaxed);
            });
        }
        let drainers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    let mut records = Vec::new();
                    while writing.load(Ordering::Relaxed) > 0 {
                        records.extend(drain.drain_records());
                    }
                    records
                })
            })
            .collect();
        drainers.into_iter().flat_map(|drainer| drainer.join().expect("no panic")).collect()
    });
    drained.extend(drain.drain_records());
    assert_eq!(drained.len(), 4 * (EVENTS + 2));
    let keys: HashSet<_> = drained.iter().map(|record| record.key.clone().expect("a key")).collect();
    assert_eq!(keys.len(), drained.len(), "each record once");
    assert_eq!(drain.recorded(), drained.len() as u64);
    assert!(drained.iter().all(|record| record.kind != Kind::Loss));
}

#[test]
fn two_layers_in_memory_are_two_memories() {
    let (one, other) = (CaptureLayer::new(), CaptureLayer::new());
    let (of_one, of_other) = (one.drain_handle(), other.drain_handle());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(one).with(other), sample);
    let (one, other) = (of_one.drain_records(), of_other.drain_records());
    assert_eq!(said(&one), said(&other));
    assert!(one.iter().zip(&other).all(|(one, other)| one.key == other.key), "one record, one key");
}

#[test]
fn what_is_not_drained_is_bounded_and_the_losses_are_stated() {
    let bytes = std::num::NonZeroUsize::new(64 << 10).expect("a size");
    let (capture, _guard) = CaptureLayer::builder().capacity_bytes(bytes).build().expect("nothing to start");
    let drain = capture.drain_handle();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), || {
        info_span!("task").in_scope(|| (0..10_000).for_each(|at| info!(at, "filling")));
    });
    let records = drain.drain_records();
    let kept = records.iter().filter(|record| record.kind != Kind::Loss).count() as u64;
    assert_eq!((drain.recorded(), drain.recorded() - kept), (10_002, drain.losses().total()));
    assert!(records.iter().any(|record| record.kind == Kind::Loss));
    assert!(messages(&records).contains(&"task"));
}
