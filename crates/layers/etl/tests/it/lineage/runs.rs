//! Events of runs, in a file.

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use spanlake_etl::{EtlLayer, Lineage, Run, RunRow, RunStatus};
use spanlake_lake::runs::lineage;
use spanlake_scope::Task;
use tracing::{dispatcher, info_span};
use tracing_subscriber::prelude::*;

use super::stand::{Stand, kind, runs};

#[test]
fn a_run_has_a_start_and_an_end_from_its_row() {
    let stand = Stand::new();
    stand.job(|job| {
        info_span!("load", etl.dataflow = "orders", etl.stage = "bronze", etl.run_id = "r-1").in_scope(|| {
            info_span!("source", etl.path = "s3://raw/orders").in_scope(|| Run::current().rows_read(5));
            let destination = info_span!("destination", etl.connection_type = "delta", etl.table = "orders");
            destination.in_scope(|| tracing::info!(etl.rows_written = 4, etl.bytes_added = 900, etl.files_added = 2));
        });
        let mut by_hand = RunRow::new("by hand").status(RunStatus::Failed);
        by_hand.error_message = Some("no such table".to_owned());
        assert!(job.log(by_hand));
    });
    let events = stand.events();
    let [start, end] = &events.of("bronze.orders")[..] else { panic!("{events:?}") };
    assert_eq!((kind(start), kind(end)), ("START", "COMPLETE"));
    assert_eq!(end["job"]["namespace"], "spanlake");
    assert_eq!(start["run"]["runId"], end["run"]["runId"]);
    let tag = serde_json::json!({ "key": "dataflow_run_id", "value": "r-1", "source": "SPANLAKE" });
    assert_eq!(end["run"]["facets"]["tags"]["tags"][0], tag);
    assert!(stand.logged().iter().any(|row| end["run"]["runId"] == lineage::run_id(row)));
    assert_eq!((&end["inputs"][0]["namespace"], &end["inputs"][0]["name"]), (&"s3://raw".into(), &"orders".into()));
    assert_eq!(end["inputs"][0]["inputFacets"]["inputStatistics"]["rowCount"], 5);
    assert_eq!((&end["outputs"][0]["namespace"], &end["outputs"][0]["name"]), (&"delta".into(), &"orders".into()));
    let written = &end["outputs"][0]["outputFacets"]["outputStatistics"];
    assert_eq!([&written["rowCount"], &written["size"], &written["fileCount"]], [4, 900, 2]);
    assert_eq!(end["job"]["facets"]["jobType"]["jobType"], "ETL");
    let [start, end] = &events.of("by hand")[..] else { panic!("{events:?}") };
    assert_eq!((kind(start), kind(end)), ("START", "FAIL"));
    assert_eq!(end["run"]["facets"]["errorMessage"]["message"], "no such table");
    assert_eq!(end["run"]["facets"]["errorMessage"]["programmingLanguage"], "rust");
}

#[test]
fn runs_end_as_openlineage_has_words_for() {
    let stand = Stand::new();
    let open = stand.job(|_| {
        info_span!("run", etl.dataflow = "succeeded").in_scope(|| Run::current().rows_read(1));
        info_span!("run", etl.dataflow = "skipped").in_scope(|| Run::current().rows_read(0));
        info_span!("run", etl.dataflow = "failed").in_scope(|| {
            Task::current().expect("a task").fail(&std::io::Error::other("boom"));
        });
        info_span!("run", etl.dataflow = "given up").in_scope(|| Task::current().expect("a task").cancel());
        info_span!("run", etl.dataflow = "open")
    });
    // Its row was taken; what comes now is refused.
    drop(open);
    let events = stand.events();
    let expected = [
        ("succeeded", "COMPLETE"),
        ("skipped", "COMPLETE"),
        ("failed", "FAIL"),
        ("given up", "ABORT"),
        ("open", "ABORT"),
    ];
    for (name, end) in expected {
        assert_eq!(events.kinds(name), ["START", end], "{name}");
    }
    events.assert_once();
}

#[test]
fn namespaces_are_set_or_those_of_the_workspace() {
    let stand = Stand::new();
    let namespace = |lineage: Lineage| {
        let builder = EtlLayer::builder(stand.lake()).workspace_id("team").engine_name("spark 4.0").lineage(lineage);
        let (_layer, job) = builder.build().expect("a lake");
        assert!(job.log(RunRow::new("orders")));
        assert!(job.finish().expect("a lake").is_complete());
        let last = stand.events().0.pop().expect("an event");
        assert_eq!(last["run"]["facets"]["processing_engine"]["version"], "4.0");
        assert_eq!(last["run"]["facets"]["parent"]["job"]["name"], "default");
        last["job"]["namespace"].as_str().expect("text").to_owned()
    };
    assert_eq!(namespace(stand.lineage()), "team");
    assert_eq!(namespace(stand.lineage().namespace("warehouse")), "warehouse");
}

#[test]
fn what_is_told_later_changes_neither_name_nor_number_of_events() {
    let stand = Stand::new();
    stand.job(|job| {
        info_span!("run", etl.dataflow = "staged").in_scope(|| {
            stand.wait_for(1);
            Run::current().set("stage", "silver");
        });
        info_span!("run", etl.dataflow = "renumbered", etl.run_id = "before").in_scope(|| {
            stand.wait_for(3);
            Run::current().set("run_id", "after");
        });
        job.flush(Duration::from_secs(10)).expect("a lake");
    });
    let events = stand.events();
    events.assert_once();
    assert_eq!(events.kinds("staged"), ["START", "COMPLETE"]);
    assert_eq!(events.kinds("renumbered"), ["START", "COMPLETE"], "an id stays once others know it");
}

#[test]
fn runs_that_share_an_id_have_events_of_their_own() {
    let stand = Stand::new();
    stand.job(|job| {
        let span = |name| info_span!("run", etl.dataflow = name, etl.run_id = "of the orchestrator");
        let _both = (span("one"), span("two"));
        for name in ["three", "four"] {
            let mut row = RunRow::new(name);
            row.dataflow_run_id = Some("of the orchestrator".to_owned());
            assert!(job.log(row));
        }
    });
    assert_eq!(stand.events().assert_once(), 4);
}

#[test]
fn a_job_that_is_finished_sends_nothing_more() {
    let stand = Stand::new();
    let (layer, job) = stand.builder().build().expect("a lake");
    let handle = job.handle();
    let dispatch = dispatcher::Dispatch::new(tracing_subscriber::registry().with(layer));
    assert!(job.finish().expect("a lake").is_complete());
    assert!(!handle.log(RunRow::new("late")));
    dispatcher::with_default(&dispatch, || info_span!("run", etl.dataflow = "late").in_scope(|| {}));
    assert!(stand.events().0.is_empty());
}

#[test]
fn a_file_that_cannot_be_written_to_is_refused() {
    let stand = Stand::new();
    for path in [stand.folder.clone(), "".into(), "/proc/none/events".into()] {
        let built = EtlLayer::builder(stand.lake()).lineage(Lineage::file(&path)).build();
        assert!(built.is_err(), "{path:?}");
    }
    let built = EtlLayer::builder(stand.lake()).lineage(stand.lineage().namespace("")).build();
    assert!(built.expect_err("an empty namespace").is_validation());
}

#[test]
fn events_of_a_file_that_fails_are_owed() {
    let stand = Stand::new();
    let (_layer, job) = stand.builder().build().expect("a lake");
    // From now on a file is where its folder was.
    let folder = stand.file().parent().expect("a folder").to_owned();
    std::fs::remove_dir_all(&folder).expect("removed");
    std::fs::write(&folder, "").expect("written");
    assert!(job.log(RunRow::new("orders")));
    let report = job.finish().expect("the files are written");
    assert_eq!((report.lineage_owed, report.lineage_lost, report.is_complete()), (2, 0, false), "{report}");
    assert_eq!(report.errors.len(), 1, "{report:?}");
    assert_eq!(
        report.to_string(),
        "1 runs: 1 succeeded, 0 failed, 0 skipped; 0 rows read, 0 written; 2 events of the lineage owed"
    );
}

#[test]
fn many_threads_have_each_event_once() {
    let stand = Stand::new();
    let together = Barrier::new(64);
    let report = stand.job_of(|dispatch, _| {
        thread::scope(|scope| {
            for number in 0..64 {
                let together = &together;
                scope.spawn(move || {
                    together.wait();
                    dispatcher::with_default(dispatch, || runs(number, 50, Duration::ZERO));
                });
            }
        });
    });
    assert!(report.is_complete(), "{report}");
    let events = stand.events();
    assert_eq!(events.assert_once(), 64 * 50);
}

#[test]
fn two_jobs_share_a_file() {
    let stand = Stand::new();
    thread::scope(|scope| {
        for name in ["one", "two"] {
            let stand = &stand;
            scope.spawn(move || {
                let (layer, job) = stand.builder().job_id(name).build().expect("a lake");
                let dispatch = dispatcher::Dispatch::new(tracing_subscriber::registry().with(layer));
                dispatcher::with_default(&dispatch, || runs(0, 300, Duration::ZERO));
                assert!(job.finish().expect("a lake").is_complete());
            });
        }
    });
    assert_eq!(stand.events().assert_once(), 600);
}
