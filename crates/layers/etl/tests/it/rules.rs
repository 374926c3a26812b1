//! The rules for the status of runs and jobs, and for what is counted.

use spanlake_etl::{JobRow, RunRow, RunStatus};
use spanlake_lake::runs::Tally;
use spanlake_scope::Task;
use tracing::{error, info_span};

use crate::support::Lake;

/// Work in the span of a run, and the status and the error that its row gets.
type Case = (&'static str, fn(), &'static str, Option<&'static str>);

fn fail(text: &str) {
    Task::current().expect("a task").fail(&std::io::Error::other(text.to_owned()));
}

fn source(rows: u64) {
    info_span!("source", etl.rows_read = rows).in_scope(|| {});
}

#[test]
fn a_run_has_the_status_that_the_rules_give_it() {
    let cases: [Case; 13] = [
        ("nothing told", || {}, "succeeded", None),
        ("rows read", || source(3), "succeeded", None),
        ("no rows read", || source(0), "skipped", None),
        ("a source from which nothing came", || info_span!("source").in_scope(|| {}), "skipped", None),
        (
            "a source that told nothing, and rows written",
            || {
                info_span!("source").in_scope(|| {});
                info_span!("destination", etl.rows_written = 2).in_scope(|| {});
            },
            "succeeded",
            None,
        ),
        ("told to be skipped", || spanlake_etl::Run::current().skip(), "skipped", None),
        ("its task failed", || fail("no disk"), "failed", Some("no disk")),
        (
            "its task failed without rows",
            || {
                source(0);
                fail("no disk");
            },
            "failed",
            Some("no disk"),
        ),
        (
            "a phase failed, and its task did not",
            || info_span!("transform").in_scope(|| fail("bad cast")),
            "failed",
            Some("bad cast"),
        ),
        (
            "both failed: the task has the word",
            || {
                info_span!("source").in_scope(|| fail("below"));
                fail("above");
            },
            "failed",
            Some("above"),
        ),
        (
            "another task below failed, and its own did not",
            || info_span!("cleanup").in_scope(|| fail("no matter")),
            "succeeded",
            None,
        ),
        (
            "told to be skipped, and failed",
            || {
                spanlake_etl::Run::current().skip();
                fail("no disk");
            },
            "failed",
            Some("no disk"),
        ),
        ("its task was given up", || Task::current().expect("a task").cancel(), "failed", Some("cancelled")),
    ];
    for (what, work, status, expected) in cases {
        let (_, left) = Lake::new().job(|_| info_span!("run", etl.dataflow = "orders").in_scope(work));
        let run = left.run();
        assert_eq!((run.status.as_deref(), run.error_message.as_deref()), (Some(status), expected), "{what}");
    }
}

#[test]
fn only_etl_runs_are_skipped_for_want_of_rows() {
    for (operation, status) in [("etl", "skipped"), ("maintenance", "succeeded"), ("compact", "succeeded")] {
        let (_, left) = Lake::new().job(|_| {
            info_span!("run", etl.dataflow = "orders", etl.operation = operation).in_scope(|| source(0));
        });
        assert_eq!(left.run().operation_type.as_deref(), Some(operation));
        assert_eq!(left.run().status.as_deref(), Some(status), "{operation}");
    }
}

#[test]
fn an_error_has_its_whole_chain() {
    #[derive(Debug)]
    struct Outer(std::io::Error);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("read the orders")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let (_, left) = Lake::new().job(|_| {
        info_span!("run", etl.dataflow = "orders")
            .in_scope(|| Task::current().expect("a task").fail(&Outer(std::io::Error::other("no such table"))));
    });
    assert_eq!(left.run().error_message.as_deref(), Some("read the orders: no such table"));
}

#[test]
fn instrumented_errors_and_panics_fail_a_run() {
    #[tracing::instrument(err, fields(etl.dataflow = "orders"))]
    fn orders() -> Result<(), std::num::ParseIntError> {
        "x".parse::<u8>().map(drop)
    }
    let (_, left) = Lake::new().job(|_| {
        orders().expect_err("no number");
        let panicked = std::panic::catch_unwind(|| {
            info_span!("run", etl.dataflow = "customers").in_scope(|| std::panic::resume_unwind(Box::new("gone")))
        });
        panicked.expect_err("a panic");
    });
    assert_eq!(left.named("orders").error_message.as_deref(), Some("invalid digit found in string"));
    assert_eq!(left.named("customers").status.as_deref(), Some("failed"));
}

#[test]
fn an_error_that_is_only_logged_fails_nothing() {
    let (_, left) = Lake::new().job(|_| {
        info_span!("run", etl.dataflow = "orders").in_scope(|| error!(error = "odd row", row = 3, "left out"));
    });
    assert_eq!(left.run().status.as_deref(), Some("succeeded"));
}

#[test]
fn a_replay_is_what_its_chunks_are() {
    fn replay(chunks: &[(&'static str, &str)]) -> RunRow {
        let (_, left) = Lake::new().job(|_| {
            info_span!("run", etl.dataflow = "replay", etl.operation = "replay").in_scope(|| {
                for (name, becomes) in chunks {
                    info_span!("chunk", etl.dataflow = name).in_scope(|| match *becomes {
                        "failed" => fail("no disk"),
                        "skipped" => source(0),
                        _ => source(1),
                    });
                }
            });
        });
        assert_eq!(left.runs.len(), chunks.len() + 1, "chunks have rows of their own");
        left.named("replay").clone()
    }
    type Case = (&'static [(&'static str, &'static str)], &'static str, Option<&'static str>);
    let table: [Case; 5] = [
        (&[("a", "succeeded"), ("b", "skipped")], "succeeded", None),
        (&[("a", "succeeded"), ("b", "failed"), ("c", "failed")], "failed", Some("b; c;")),
        (&[("a", "skipped"), ("b", "skipped")], "skipped", None),
        (&[("a", "skipped"), ("b", "failed")], "failed", Some("b;")),
        (&[], "succeeded", None),
    ];
    for (chunks, status, error) in table {
        let row = replay(chunks);
        assert_eq!((row.status.as_deref(), row.error_message.as_deref()), (Some(status), error), "{chunks:?}");
    }
}

#[test]
fn a_replay_may_say_late_that_it_is_one() {
    let (_, left) = Lake::new().job(|_| {
        let replay = info_span!("run", etl.dataflow = "replay", etl.operation = tracing::field::Empty);
        replay.in_scope(|| info_span!("chunk", etl.dataflow = "chunk").in_scope(|| fail("no disk")));
        replay.record("etl.operation", "replay");
    });
    assert_eq!(left.named("replay").error_message.as_deref(), Some("chunk;"));
}

#[test]
fn a_run_in_a_run_that_is_no_replay_decides_nothing() {
    let (_, left) = Lake::new().job(|_| {
        info_span!("run", etl.dataflow = "outer").in_scope(|| {
            source(1);
            info_span!("run", etl.dataflow = "inner").in_scope(|| fail("no disk"));
        });
    });
    assert_eq!(left.named("outer").status.as_deref(), Some("succeeded"));
    assert_eq!(left.named("inner").source_rows_read, None, "rows are those of the nearest run");
}

#[test]
fn a_job_counts_its_runs_by_the_rules() {
    fn run(name: &str, operation: &str, status: RunStatus, numbers: [i64; 9]) -> RunRow {
        let mut row = RunRow::new(name).status(status);
        row.operation_type = Some(operation.to_owned());
        let [read, written, inserted, updated, deleted, added, removed, bytes_added, bytes_removed] = numbers.map(Some);
        (row.source_rows_read, row.destination_rows_written) = (read, written);
        (row.destination_rows_inserted, row.destination_rows_updated) = (inserted, updated);
        row.destination_rows_deleted = deleted;
        (row.destination_files_added, row.destination_files_removed) = (added, removed);
        (row.destination_bytes_added, row.destination_bytes_removed) = (bytes_added, bytes_removed);
        row
    }
    let mut tally = Tally::default();
    tally.add(&run("a", "etl", RunStatus::Succeeded, [1, 2, 3, 4, 5, 6, 7, 8, 9]));
    tally.add(&run("b", "replay", RunStatus::Failed, [10, 20, 30, 40, 50, 60, 70, 80, 90]));
    tally.add(&run("m", "maintenance", RunStatus::Skipped, [100, 200, 300, 400, 500, 600, 700, 800, 900]));
    tally.add(&run("p", "etl", RunStatus::Pending, [0; 9]));
    tally.add(&run("r", "etl", RunStatus::Running, [0; 9]));
    let mut job = JobRow::default();
    tally.fill(&mut job);
    let counts = [job.total_dataflows, job.total_succeeded, job.total_failed, job.total_skipped];
    assert_eq!(counts, [5, 1, 1, 1].map(Some));
    let rows = [
        job.total_rows_read,
        job.total_rows_written,
        job.total_rows_inserted,
        job.total_rows_updated,
        job.total_rows_deleted,
    ];
    assert_eq!(rows, [11, 22, 33, 44, 55].map(Some), "without those of maintenance");
    let files = [job.total_files_added, job.total_files_removed, job.total_bytes_added, job.total_bytes_removed];
    assert_eq!(files, [666, 777, 888, 999].map(Some), "of all");
}

#[test]
fn a_job_has_the_worst_status_of_its_runs() {
    use RunStatus::{Failed, Pending, Running, Skipped, Succeeded};
    let table: [(&[RunStatus], RunStatus); 7] = [
        (&[], Pending),
        (&[Pending, Running], Pending),
        (&[Skipped, Running], Skipped),
        (&[Skipped, Skipped], Skipped),
        (&[Skipped, Succeeded], Succeeded),
        (&[Succeeded, Failed, Skipped], Failed),
        (&[Failed], Failed),
    ];
    for (runs, expected) in table {
        let mut tally = Tally::default();
        runs.iter().for_each(|status| tally.add(&RunRow::new("a").status(*status)));
        assert_eq!(tally.status(), expected, "{runs:?}");
    }
}

#[test]
fn a_jobs_error_has_a_label_for_each_failed_run() {
    let mut tally = Tally::default();
    let failed = |change: &dyn Fn(&mut RunRow)| {
        let mut row = RunRow::new("b").status(RunStatus::Failed);
        change(&mut row);
        row
    };
    tally.add(&failed(&|_| {}));
    tally.add(&RunRow::new("fine").status(RunStatus::Succeeded));
    tally.add(&failed(&|row| (row.dataflow_name, row.dataflow_id) = (None, Some("n-c".to_owned()))));
    tally.add(&failed(&|row| {
        (row.dataflow_name, row.dataflow_id) = (None, None);
        row.error_message = Some("é".repeat(200));
    }));
    assert_eq!(tally.error_text(), Some(format!("b; n-c; {};", "é".repeat(128))));
}

#[test]
fn stages_stand_as_they_were_first_seen() {
    let table: [(&[&str], Option<&str>); 4] = [
        (&[], None),
        (&["", ""], None),
        (&["bronze", "", "bronze"], Some("bronze")),
        (&["silver", "bronze", "silver", "go\"ld"], Some(r#"["silver","bronze","go\"ld"]"#)),
    ];
    for (stages, expected) in table {
        let mut tally = Tally::default();
        for stage in stages {
            let mut row = RunRow::new("a");
            row.stage = Some((*stage).to_owned());
            tally.add(&row);
        }
        let mut job = JobRow::default();
        tally.fill(&mut job);
        assert_eq!(job.stages.as_deref(), expected);
    }
}

#[test]
fn bytes_saved_are_those_removed_beyond_those_added() {
    for (added, removed, saved) in [(100, 300, 200), (300, 100, 0), (0, 0, 0)] {
        let (_, left) = Lake::new().job(|_| {
            info_span!("run", etl.dataflow = "a", etl.operation = "maintenance").in_scope(|| {
                info_span!("destination", etl.bytes_added = added, etl.bytes_removed = removed).in_scope(|| {});
            });
        });
        assert_eq!(left.run().destination_bytes_saved, Some(saved));
    }
}

#[test]
fn a_run_that_was_logged_by_hand_is_completed() {
    let (report, left) = Lake::new().job(|job| {
        let mut row = RunRow::new("by hand");
        (row.source_rows_read, row.source_schema, row.source_table) = (Some(0), Some("s".into()), Some("t".into()));
        assert!(job.log(row));
        let mut row = RunRow::new("failed");
        row.error_message = Some("no disk".to_owned());
        (row.start_time, row.end_time) = (Some(1_000_000), Some(3_500_000));
        assert!(job.log(row));
        assert!(job.log(RunRow::new("fine")));
        let mut row = RunRow::new("odd");
        (row.status, row.source_query) = (Some("weird".to_owned()), Some("x".repeat(100_000)));
        assert!(job.log(row));
    });
    let odd = left.named("odd");
    assert_eq!(odd.status.as_deref(), Some("succeeded"), "a status that is none of the words");
    assert!(odd.source_query.as_ref().is_some_and(|text| text.len() < 70_000), "texts have a bound");
    let row = left.named("by hand");
    assert_eq!((row.status.as_deref(), row.operation_type.as_deref()), (Some("skipped"), Some("etl")));
    assert_eq!((row.source_full_table.as_deref(), row.job_id.as_deref()), (Some("`s`.`t`"), Some("default")));
    assert!(row.dataflow_run_id.is_some() && row.start_time.is_some());
    let failed = left.named("failed");
    assert_eq!((failed.status.as_deref(), failed.duration_seconds), (Some("failed"), Some(2.5)));
    assert_eq!(left.named("fine").status.as_deref(), Some("succeeded"));
    assert_eq!(report.job.total_dataflows, Some(4));
}
