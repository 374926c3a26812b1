//! Runs, phases and attempts among spans, and where what is told goes.

use spanlake_etl::Run;
use spanlake_scope::Task;
use tracing::{field, info, info_span};

use crate::support::Lake;

#[test]
fn fields_and_calls_fill_the_row() {
    let (_, left) = Lake::new().job(|_| {
        let run = info_span!(
            "run",
            etl.dataflow = "orders",
            etl.description = "all orders",
            etl.stage = "bronze",
            etl.group_number = 2,
            etl.execution_order = 5,
            etl.processing_mode = "batch",
            etl.is_active = true,
            table = "not told to the run",
        );
        run.in_scope(|| {
            info_span!("source", etl.catalog = "main", etl.schema = "sales", etl.table = "orders", etl.format = "csv")
                .in_scope(|| {
                    info!(etl.watermark_after = "2026-11-20", etl.rows_read = 5, "batch");
                    info!(etl.rows_read = 7, "batch");
                });
            info_span!("transform").in_scope(|| Run::current().set("transformers_applied", ["trim", "cast"]));
            info_span!("load", etl.phase = "destination", etl.load_type = "merge").in_scope(|| {
                let run = Run::current();
                run.set("destination_merge_keys", vec!["id"]);
                run.rows_written(4);
                run.rows_written(6);
                run.rows_inserted(3);
                run.rows_updated(2);
                run.rows_deleted(1);
                run.files_added(1);
                run.files_removed(2);
                run.bytes_added(10);
                run.bytes_removed(30);
            });
        });
    });
    let run = left.run();
    let text = |value: &'static str| Some(value.to_owned());
    assert_eq!((run.dataflow_name.clone(), run.dataflow_id.clone()), (text("orders"), text("orders")));
    assert_eq!((run.dataflow_description.clone(), run.stage.clone()), (text("all orders"), text("bronze")));
    assert_eq!((run.group_number, run.execution_order, run.is_active), (Some(2), Some(5), Some(true)));
    assert_eq!((run.processing_mode.clone(), run.configure.clone()), (text("batch"), None));
    assert_eq!(run.source_full_table, text("`main`.`sales`.`orders`"));
    assert_eq!((run.source_format.clone(), run.source_watermark_after.clone()), (text("csv"), text("2026-11-20")));
    assert_eq!((run.source_rows_read, run.destination_rows_written), (Some(12), Some(10)));
    assert_eq!(run.destination_rows_inserted, Some(3));
    assert_eq!((run.destination_rows_updated, run.destination_rows_deleted), (Some(2), Some(1)));
    assert_eq!((run.destination_files_added, run.destination_files_removed), (Some(1), Some(2)));
    assert_eq!((run.destination_bytes_added, run.destination_bytes_removed), (Some(10), Some(30)));
    assert_eq!(run.destination_bytes_saved, Some(20));
    assert_eq!(run.transformers_applied, text(r#"["trim","cast"]"#));
    assert_eq!(
        (run.destination_load_type.clone(), run.destination_merge_keys.clone()),
        (text("merge"), text(r#"["id"]"#))
    );
    assert_eq!((run.operation_type.clone(), run.retry_attempts), (text("etl"), Some(0)));
}

#[test]
fn times_of_a_run_hold_those_of_its_phases() {
    let (_, left) = Lake::new().job(|_| {
        info_span!("run", etl.dataflow = "orders").in_scope(|| {
            info_span!("source", etl.rows_read = 1).in_scope(|| {});
            info_span!("transform").in_scope(|| {});
            info_span!("destination").in_scope(|| {});
        });
    });
    let run = left.run();
    let phases = [
        (run.source_start_time, run.source_end_time, run.source_duration_seconds, &run.source_status),
        (run.transform_start_time, run.transform_end_time, run.transform_duration_seconds, &run.transform_status),
        (
            run.destination_start_time,
            run.destination_end_time,
            run.destination_duration_seconds,
            &run.destination_status,
        ),
    ];
    for (start, end, seconds, status) in phases {
        let (start, end, seconds) = (start.expect("a start"), end.expect("an end"), seconds.expect("a duration"));
        assert!(seconds >= 0.0 && ((end - start) as f64 / 1e6 - seconds).abs() < 2e-6, "{seconds} s, {start} to {end}");
        assert_eq!(status.as_deref(), Some("succeeded"));
    }
    let (start, end) = (run.start_time.expect("a start"), run.end_time.expect("an end"));
    let seconds = run.duration_seconds.expect("a duration");
    assert!(((end - start) as f64 / 1e6 - seconds).abs() < 2e-6);
    let of_phases = run.source_duration_seconds.unwrap_or(0.0) + run.destination_duration_seconds.unwrap_or(0.0);
    assert!(seconds >= of_phases);
}

#[test]
fn a_phase_outside_any_run_and_fields_outside_any_run_do_nothing() {
    let (report, left) = Lake::new().job(|_| {
        info_span!("source", etl.rows_read = 5).in_scope(|| {
            info!(etl.rows_read = 5, "nobody's");
            assert!(Run::current().is_none());
            Run::current().rows_read(5);
        });
    });
    assert_eq!((report.job.total_dataflows, left.runs.len()), (Some(0), 0));
}

#[test]
fn what_a_span_records_replaces_what_it_said_and_what_events_say_adds_up() {
    let (_, left) = Lake::new().job(|_| {
        let run = info_span!("run", etl.dataflow = "orders", etl.rows_read = 5, etl.rows_written = field::Empty);
        run.record("etl.rows_read", 7);
        run.record("etl.rows_written", 3);
        run.record("etl.rows_written", 4);
        run.in_scope(|| {
            info!(etl.rows_written = 10, "batch");
            let helper = info_span!("helper", etl.rows_written = 100);
            helper.record("etl.rows_written", 50);
        });
    });
    assert_eq!((left.run().source_rows_read, left.run().destination_rows_written), (Some(7), Some(64)));
}

#[test]
fn a_dataflow_that_is_told_later_makes_a_run_from_the_spans_begin_on() {
    let (_, left) = Lake::new().job(|_| {
        let never = info_span!("run", etl.dataflow = field::Empty, etl.stage = "bronze");
        drop(never);
        let run = info_span!("run", etl.dataflow = field::Empty, etl.stage = field::Empty);
        run.record("etl.dataflow", "orders");
        run.record("etl.stage", "bronze");
        run.in_scope(|| Run::current().rows_read(1));
    });
    assert_eq!((left.run().dataflow_name.as_deref(), left.run().stage.as_deref()), (Some("orders"), Some("bronze")));
    assert_eq!(left.run().source_rows_read, Some(1));
}

#[test]
fn what_has_no_column_goes_to_json() {
    let (_, left) = Lake::new().job(|_| {
        let run = info_span!(
            "run",
            etl.dataflow = "orders",
            etl.owner = "sales \"team\"",
            etl.priority = 3,
            etl.status = "mine",
            etl.group_number = "no number",
            etl.configure = r#"{"retries": 2, "owner": "overruled"}"#,
        );
        run.in_scope(|| {
            info_span!("source", etl.filter = "id > 5", etl.schema_hints = ?["a", "b"]).in_scope(|| {});
            info_span!("destination", etl.configure = "no JSON").in_scope(|| {});
            Run::current().set("ratio", 0.5);
            Run::current().set("owner", "the last one");
        });
    });
    let json =
        |text: &Option<String>| serde_json::from_str::<serde_json::Value>(text.as_deref().expect("JSON")).unwrap();
    assert_eq!(
        json(&left.run().configure),
        serde_json::json!({
            "owner": "the last one", "priority": 3, "status": "mine", "group_number": "no number", "retries": 2,
            "ratio": 0.5,
        })
    );
    assert_eq!(
        json(&left.run().source_configure),
        serde_json::json!({"filter": "id > 5", "schema_hints": "[\"a\", \"b\"]"})
    );
    assert_eq!(json(&left.run().destination_configure), serde_json::json!({"configure": "no JSON"}));
    assert_eq!(left.run().status.as_deref(), Some("skipped"), "a source from which nothing came");
}

#[test]
fn json_has_a_bound_and_says_what_it_left_out() {
    let (_, left) = Lake::new().job(|_| {
        info_span!("run", etl.dataflow = "orders").in_scope(|| {
            (0..300).for_each(|at| Run::current().set(&format!("key{at}"), at));
        });
    });
    let json: serde_json::Value = serde_json::from_str(left.run().configure.as_deref().expect("JSON")).unwrap();
    assert_eq!(json.as_object().map(serde_json::Map::len), Some(spanlake_etl::MAX_CONFIGURE_KEYS + 1));
    assert_eq!(json[spanlake_etl::OMITTED_KEYS], 44);
}

#[test]
fn attempts_are_counted_and_only_the_last_one_stays() {
    let (_, left) = Lake::new().job(|_| {
        info_span!("run", etl.dataflow = "by spans").in_scope(|| {
            for number in 1..=3 {
                info_span!("attempt", etl.attempt = number).in_scope(|| {
                    info_span!("source", etl.rows_read = 10 * number).in_scope(|| {
                        if number < 3 {
                            Task::current().expect("a task").fail(&std::io::Error::other("timeout"));
                        }
                    });
                });
            }
        });
        info_span!("run", etl.dataflow = "by calls").in_scope(|| {
            Run::current().rows_read(5);
            Run::current().next_attempt();
            Run::current().rows_read(6);
        });
        info_span!("run", etl.dataflow = "by runs", etl.attempt = 2).in_scope(|| Run::current().rows_read(1));
    });
    let by_spans = left.named("by spans");
    assert_eq!((by_spans.retry_attempts, by_spans.source_rows_read), (Some(2), Some(30)));
    assert_eq!((by_spans.status.as_deref(), by_spans.source_status.as_deref()), (Some("succeeded"), Some("succeeded")));
    assert_eq!((left.named("by calls").retry_attempts, left.named("by calls").source_rows_read), (Some(1), Some(6)));
    assert_eq!((left.named("by runs").retry_attempts, left.named("by runs").source_rows_read), (Some(1), Some(1)));
}

#[test]
fn an_event_begins_an_attempt_and_renames_nothing() {
    let (_, left) = Lake::new().job(|_| {
        info_span!("run", etl.dataflow = "orders", etl.rows_read = 7).in_scope(|| {
            info!(etl.attempt = 2, etl.rows_read = 1, "again");
            info!(etl.dataflow = "customers", "needs those first");
        });
    });
    let run = left.run();
    assert_eq!((run.dataflow_name.as_deref(), run.dataflow_id.as_deref()), (Some("orders"), Some("orders")));
    assert_eq!((run.retry_attempts, run.source_rows_read), (Some(1), Some(1)));
    assert_eq!(run.configure.as_deref(), Some(r#"{"dataflow":"customers"}"#));
}

#[test]
fn what_a_span_said_in_an_earlier_attempt_is_forgotten_with_it() {
    let (_, left) = Lake::new().job(|_| {
        let run = info_span!("run", etl.dataflow = "orders", etl.rows_read = 10);
        Run::of(&run).next_attempt();
        run.record("etl.rows_read", 12);
        run.record("etl.rows_read", 13);
    });
    assert_eq!((left.run().source_rows_read, left.run().retry_attempts), (Some(13), Some(1)));
}

#[test]
fn a_phase_of_an_earlier_attempt_fails_nothing_any_more() {
    let (_, left) = Lake::new().job(|_| {
        info_span!("run", etl.dataflow = "orders").in_scope(|| {
            info_span!("source").in_scope(|| {
                Task::current().expect("a task").fail(&std::io::Error::other("timeout"));
                Run::current().next_attempt();
            });
            info_span!("source", etl.rows_read = 2).in_scope(|| {});
        });
    });
    let run = left.run();
    assert_eq!((run.status.as_deref(), run.source_status.as_deref()), (Some("succeeded"), Some("succeeded")));
    assert_eq!(run.source_rows_read, Some(2));
}

#[test]
fn what_a_span_said_before_it_was_a_run_is_its_own() {
    let (_, left) = Lake::new().job(|_| {
        info_span!("run", etl.dataflow = "outer", etl.stage = "gold").in_scope(|| {
            let inner = info_span!("run", etl.dataflow = field::Empty, etl.stage = "bronze", etl.owner = "me");
            inner.record("etl.stage", "silver");
            inner.record("etl.dataflow", "inner");
            info_span!("none", etl.dataflow = field::Empty, etl.rows_read = 5, etl.seen = true).in_scope(|| {});
        });
    });
    let (inner, outer) = (left.named("inner"), left.named("outer"));
    assert_eq!((inner.stage.as_deref(), inner.configure.as_deref()), (Some("silver"), Some(r#"{"owner":"me"}"#)));
    assert_eq!((outer.stage.as_deref(), outer.configure.as_deref()), (Some("gold"), Some(r#"{"seen":true}"#)));
    assert_eq!((outer.source_rows_read, inner.source_rows_read), (Some(5), None), "of what becomes no run");
}

#[test]
fn what_is_no_number_of_anything_is_counted_nowhere_and_kept() {
    let (_, left) = Lake::new().job(|_| {
        info_span!("run", etl.dataflow = "orders", etl.rows_read = -5).in_scope(|| {
            info!(etl.rows_written = "many", "odd");
            Run::current().set("destination_merge_keys", Vec::<String>::new());
        });
    });
    let run = left.run();
    assert_eq!((run.source_rows_read, run.destination_rows_written), (None, None));
    assert_eq!(run.configure.as_deref(), Some(r#"{"rows_read":-5,"rows_written":"many"}"#));
    assert_eq!(run.destination_merge_keys, None, "an empty list is none");
}

#[test]
fn a_last_attempt_that_fails_fails_the_run() {
    let (_, left) = Lake::new().job(|_| {
        info_span!("run", etl.dataflow = "orders").in_scope(|| {
            for number in 1..=2 {
                info_span!("attempt", etl.attempt = number).in_scope(|| {
                    info_span!("source").in_scope(|| {
                        Task::current().expect("a task").fail(&std::io::Error::other(format!("timeout {number}")));
                    });
                });
            }
        });
    });
    assert_eq!((left.run().retry_attempts, left.run().error_message.as_deref()), (Some(1), Some("timeout 2")));
}

#[test]
fn a_run_says_its_id_and_may_be_given_one() {
    let (_, left) = Lake::new().job(|_| {
        let run = info_span!("run", etl.dataflow = "orders");
        let id = Run::of(&run).id().map(str::to_owned).expect("an id");
        assert!(uuid::Uuid::parse_str(&id).is_ok());
        info_span!(parent: &run, "run", etl.dataflow = "named", etl.run_id = "mine").in_scope(|| {});
    });
    assert_eq!(left.named("named").dataflow_run_id.as_deref(), Some("mine"));
    assert_ne!(left.named("orders").dataflow_run_id, None);
}

#[test]
fn a_run_that_is_open_when_the_job_ends_has_a_row_that_says_so() {
    let lake = Lake::new();
    let (report, left) = lake.job(|_| {
        let run = info_span!("run", etl.dataflow = "endless");
        run.in_scope(|| Run::current().rows_read(5));
        std::mem::forget(run);
    });
    let run = left.run();
    assert_eq!((run.status.as_deref(), run.source_rows_read), (Some("running"), Some(5)));
    assert_eq!((run.end_time, run.duration_seconds), (None, None));
    assert_eq!((report.job.total_dataflows, report.job.status.as_deref()), (Some(1), Some("pending")));
}
