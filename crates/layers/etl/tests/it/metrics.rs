//! Counters for programs that expose metrics.

use spanlake_etl::{RunRow, RunStatus};

use crate::support::Lake;

#[test]
fn metrics_grow_as_runs_end_and_are_text_for_prometheus() {
    let lake = Lake::new();
    let (_layer, job) = lake.builder().job_id("night \"ly\"\n").build().expect("a lake");
    let mut row = RunRow::new("a");
    (row.source_rows_read, row.destination_bytes_added, row.duration_seconds) = (Some(5), Some(100), Some(0.7));
    job.log(row.clone());
    row.operation_type = Some("maintenance".to_owned());
    row.duration_seconds = Some(100_000.0);
    job.log(row.status(RunStatus::Failed));
    let metrics = job.metrics();
    assert_eq!(metrics.runs[RunStatus::Succeeded as usize], (RunStatus::Succeeded, 1));
    assert_eq!(metrics.runs[RunStatus::Failed as usize], (RunStatus::Failed, 1));
    assert!(metrics.counts.contains(&("rows_read", 5)), "without those of maintenance: {metrics:?}");
    assert!(metrics.counts.contains(&("bytes_added", 200)), "{metrics:?}");
    let text = metrics.to_string();
    let expected = [
        "# TYPE spanlake_runs_total counter",
        r#"spanlake_runs_total{job="night \"ly\"\n",status="succeeded"} 1"#,
        r#"spanlake_rows_read_total{job="night \"ly\"\n"} 5"#,
        r#"spanlake_run_duration_seconds_bucket{job="night \"ly\"\n",le="0.5"} 0"#,
        r#"spanlake_run_duration_seconds_bucket{job="night \"ly\"\n",le="1"} 1"#,
        r#"spanlake_run_duration_seconds_bucket{job="night \"ly\"\n",le="86400"} 1"#,
        r#"spanlake_run_duration_seconds_bucket{job="night \"ly\"\n",le="+Inf"} 2"#,
        r#"spanlake_run_duration_seconds_sum{job="night \"ly\"\n"} 100000.7"#,
        r#"spanlake_runs_lost_total{job="night \"ly\"\n",cause="full"} 0"#,
    ];
    for line in expected {
        assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
    }
    drop(job);
}
