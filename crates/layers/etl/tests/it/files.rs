//! The three files: names, columns, what is written when.

use std::time::Duration;

use spanlake_etl::{JobRow, Partition, RunRow};
use spanlake_lake::runs::{Row, row_schema};
use tracing::info_span;
use tracing_subscriber::prelude::*;

use crate::support::{Lake, files};

fn run(name: &str) {
    info_span!("run", etl.dataflow = name).in_scope(|| {});
}

fn names(lake: &Lake) -> Vec<String> {
    let root = lake.path();
    let relative = |path: std::path::PathBuf| path.strip_prefix(&root).expect("inside").to_string_lossy().into_owned();
    files(&root).into_iter().map(relative).collect()
}

#[test]
fn a_job_leaves_three_files_named_after_its_session() {
    let lake = Lake::new();
    let (layer, job) = lake.builder().job_id("nightly/../load").job_num(3).job_index(7).build().expect("a lake");
    let stem = job.session().expect("a session").to_string();
    assert!(stem.ends_with("_3_7_nightly----load"), "{stem}");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || run("orders"));
    job.finish().expect("a lake that can be written to");
    let day = format!("run_date={}-{}-{}", &stem[..4], &stem[4..6], &stem[6..8]);
    assert_eq!(
        names(&lake),
        [
            format!("analyst/dataflow_run_log/{day}/dataflow_{stem}.parquet"),
            format!("analyst/job_run_log/{day}/job_summary_{stem}.parquet"),
            format!("debug_json/job_run_log/{day}/job_{stem}.jsonl"),
        ]
    );
    assert_eq!(lake.left().jobs[0].job_id.as_deref(), Some("nightly/../load"), "the row has it as it is");
}

#[test]
fn partitioning_can_be_off() {
    let lake = Lake::new();
    let (_layer, job) = lake.builder().partition(Partition::none()).build().expect("a lake");
    let stem = job.session().expect("a session");
    drop(job);
    let expected =
        [format!("analyst/job_run_log/job_summary_{stem}.parquet"), format!("debug_json/job_run_log/job_{stem}.jsonl")];
    assert_eq!(names(&lake), expected, "without a run there is no file of runs");
}

#[test]
fn sessions_that_begin_in_one_second_have_files_of_their_own() {
    let lake = Lake::new();
    let jobs: Vec<_> = (0..5).map(|_| lake.builder().build().expect("a lake")).collect();
    let mut stems: Vec<_> = jobs.iter().filter_map(|(_, job)| job.session()).collect();
    stems.dedup();
    assert_eq!(stems.len(), 5);
    let (first, rest) = jobs.split_first().expect("five");
    assert_eq!(rest.len(), 4);
    let _ = first;
    drop(jobs);
    // A session that is closed keeps its name.
    let (_layer, job) = lake.builder().build().expect("a lake");
    assert!(!stems.contains(&job.session().expect("a session")));
    drop(job);
    assert_eq!(lake.left().jobs.len(), 6);
}

#[test]
fn log_and_tables_have_the_same_and_nothing_twice() {
    let lake = Lake::new();
    let (layer, job) = lake.builder().build().expect("a lake");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        run("a");
        job.flush(Duration::from_secs(30)).expect("a log that can be written to");
        assert_eq!(lake.left().logged.len(), 1, "a flush writes what has come");
        job.flush(Duration::from_secs(30)).expect("a log that can be written to");
        run("b");
    });
    let report = job.finish().expect("a lake that can be written to");
    let left = lake.left();
    assert_eq!(left.logged, left.runs);
    assert_eq!(left.runs.iter().filter_map(|run| run.dataflow_name.as_deref()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!((left.summaries, left.jobs), (vec![report.job.clone()], vec![report.job]));
}

#[test]
fn the_job_is_the_last_line_of_the_log_and_the_keys_follow_the_columns() {
    let lake = Lake::new();
    lake.job(|_| run("a"));
    let log = files(&lake.path()).into_iter().find(|path| path.extension().is_some_and(|end| end == "jsonl"));
    let text = std::fs::read_to_string(log.expect("a log")).expect("text");
    let [run, job] = text.lines().collect::<Vec<_>>()[..] else { panic!("two lines: {text}") };
    assert!(run.starts_with(r#"{"_type":"dataflow_run_log","job_id":"default","#), "{run}");
    assert!(job.starts_with(r#"{"_type":"job_run_log","job_id":"default","job_num":1,"job_index":0,"#), "{job}");
    assert_eq!(keys(run), RunRow::COLUMNS.iter().map(|column| column.name).collect::<Vec<_>>());
    assert_eq!(keys(job), JobRow::COLUMNS.iter().map(|column| column.name).collect::<Vec<_>>());
}

/// The keys of a line of JSON whose texts hold neither quotes nor commas.
fn keys(line: &str) -> Vec<&str> {
    line.trim_matches(['{', '}'])
        .split(",\"")
        .map(|pair| pair.trim_start_matches('"').split('"').next().unwrap())
        .collect()
}

#[test]
fn columns_are_those_of_the_reference() {
    let names = |columns: &[spanlake_lake::runs::Column]| {
        columns.iter().map(|column| column.name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(JobRow::COLUMNS.len(), 34);
    assert_eq!(
        names(JobRow::COLUMNS),
        "_type job_id job_num job_index workspace_id stages engine_name platform_name metadata_provider_name \
         watermark_manager_name max_workers stop_on_error retry_count retry_delay dry_run retention_hours start_time \
         end_time duration_seconds status error_message total_dataflows total_succeeded total_failed total_skipped \
         total_rows_read total_rows_written total_rows_inserted total_rows_updated total_rows_deleted \
         total_files_added total_files_removed total_bytes_added total_bytes_removed"
    );
    assert_eq!(
        names(RunRow::COLUMNS),
        "_type job_id dataflow_id workspace_id dataflow_name dataflow_description stage group_number execution_order \
         processing_mode is_active configure dataflow_run_id task_key operation_type start_time end_time \
         duration_seconds status error_message retry_attempts source_id source_name source_connection_type \
         source_format source_catalog source_database source_schema source_table source_full_table source_path \
         source_query source_configure source_start_time source_end_time source_duration_seconds source_status \
         source_error_message source_rows_read source_action source_watermark_before source_watermark_after \
         source_watermark_effective transform_configure transform_start_time transform_end_time \
         transform_duration_seconds transform_status transform_error_message transformers_applied destination_id \
         destination_name destination_connection_type destination_format destination_catalog destination_database \
         destination_schema destination_table destination_full_table destination_path destination_load_type \
         destination_merge_keys destination_partition_columns destination_configure destination_start_time \
         destination_end_time destination_duration_seconds destination_status destination_error_message \
         destination_operation_type destination_rows_written destination_rows_inserted destination_rows_updated \
         destination_rows_deleted destination_files_added destination_files_removed destination_bytes_added \
         destination_bytes_removed destination_bytes_saved destination_operation_details"
    );
    assert!(row_schema::<RunRow>().fields().iter().all(|field| field.is_nullable()));
}

#[test]
fn runs_after_the_end_are_refused_and_counted() {
    let lake = Lake::new();
    let (layer, job) = lake.builder().build().expect("a lake");
    let handle = job.handle();
    job.finish().expect("a lake that can be written to");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || run("late"));
    assert!(!handle.log(RunRow::new("later")));
    assert_eq!(handle.metrics().lost, [("finished", 2), ("full", 0), ("forked", 0)]);
    assert_eq!(lake.left().runs.len(), 0);
    assert!(handle.flush(Duration::from_secs(5)).is_ok(), "nothing is left to write");
}

#[test]
fn one_output_that_fails_does_not_stop_the_others() {
    let lake = Lake::new();
    let (layer, job) = lake.builder().finish_timeout(Duration::from_millis(300)).build().expect("a lake");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || run("a"));
    let handle = job.handle();
    // Where the runs should go there is a file.
    std::fs::create_dir_all(lake.path().join("analyst")).expect("a folder");
    std::fs::write(lake.path().join("analyst/dataflow_run_log"), "in the way").expect("a file");
    let error = job.finish().expect_err("the runs cannot be written");
    assert_eq!(error.code().to_string(), "DISPATCH::Job::IO::ERROR");
    let report = handle.report().expect("a report");
    assert!(!report.is_written && !report.is_complete(), "{report}");
    assert!(report.errors[0].chain().contains("dataflow_run_log"), "{}", report.errors[0].chain());
    let left = names(&lake);
    assert!(left.iter().any(|name| name.contains("job_summary_")), "{left:?}");
    assert!(left.iter().any(|name| name.starts_with(".sessions/")), "whoever comes next sees to it: {left:?}");
    std::fs::remove_file(lake.path().join("analyst/dataflow_run_log")).expect("out of the way");
    let left = lake.left();
    assert_eq!((left.logged.len(), left.summaries.len(), left.jobs.len()), (1, 1, 1));
}

#[test]
fn a_lake_that_cannot_be_written_to_is_an_error_at_once() {
    let lake = Lake::new();
    std::fs::write(lake.path(), "no folder").expect("a file");
    let error = lake.builder().build().expect_err("no lake");
    assert!(error.is_io(), "{error:?}");
    assert!(error.chain().contains("lake"), "{}", error.chain());
}

#[test]
fn dropping_the_job_finishes_it() {
    let lake = Lake::new();
    let (layer, job) = lake.builder().build().expect("a lake");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || run("a"));
    drop(job);
    assert_eq!((lake.left().runs.len(), lake.left().jobs.len()), (1, 1));
}
