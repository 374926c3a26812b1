//! Settings that cannot be, and those that are noted.

use std::time::Duration;

use spanlake_etl::{EtlLayerBuilder, MAX_SETTING_BYTES};

use crate::support::Lake;

#[test]
fn settings_that_cannot_be_are_named() {
    type Change = fn(EtlLayerBuilder) -> EtlLayerBuilder;
    let table: [(Change, &str); 8] = [
        (|b| b.job_id(""), "a setting cannot be so (setting: job_id, value: , expected: a text that is not empty)"),
        (|b| b.job_num(0), "a setting cannot be so (setting: job_num, value: 0, expected: at least 1)"),
        (|b| b.max_workers(0), "a setting cannot be so (setting: max_workers, value: 0, expected: at least 1)"),
        (|b| b.retention_hours(0), "a setting cannot be so (setting: retention_hours, value: 0, expected: at least 1)"),
        (
            |b| b.workspace_id(""),
            "a setting cannot be so (setting: workspace_id, value: , expected: a text that is not empty)",
        ),
        (
            |b| b.engine_name("x".repeat(MAX_SETTING_BYTES + 1)),
            "a setting cannot be so (setting: engine_name, value: 1025 bytes, expected: at most 1024 bytes)",
        ),
        (
            |b| b.flush_every(Duration::MAX),
            "a setting cannot be so (setting: flush_every, value: 18446744073709551615.999999999s, expected: from 1ms to 86400s)",
        ),
        (
            |b| b.platform_name(""),
            "a setting cannot be so (setting: platform_name, value: , expected: a text that is not empty)",
        ),
    ];
    for (change, expected) in table {
        let lake = Lake::new();
        let error = change(lake.builder()).build().expect_err("a wrong setting");
        assert_eq!(error.to_string(), expected);
        assert_eq!(error.code().to_string(), "CONFIGURATION::EtlLayer::VALIDATION::ERROR");
        assert!(!lake.path().exists(), "nothing is opened before all is right");
    }
}

#[test]
fn settings_are_noted_in_the_jobs_row() {
    let lake = Lake::new();
    let builder = lake.builder().job_id("nightly").job_num(2).job_index(1).workspace_id("w").max_workers(8);
    let builder = builder.stop_on_error(true).retry_count(3).retry_delay(Duration::from_millis(1500)).dry_run(false);
    let builder = builder.retention_hours(168).engine_name("datafusion").platform_name("linux");
    let (_layer, job) = builder.metadata_provider_name("file").watermark_manager_name("table").build().expect("a lake");
    let report = job.finish().expect("a lake that can be written to");
    let job = &lake.left().jobs[0];
    assert_eq!(*job, report.job);
    assert_eq!((job.job_id.as_deref(), job.job_num, job.job_index), (Some("nightly"), Some(2), Some(1)));
    assert_eq!((job.workspace_id.as_deref(), job.max_workers, job.stop_on_error), (Some("w"), Some(8), Some(true)));
    assert_eq!((job.retry_count, job.retry_delay, job.dry_run), (Some(3), Some(1.5), Some(false)));
    assert_eq!((job.retention_hours, job.engine_name.as_deref()), (Some(168), Some("datafusion")));
    assert_eq!((job.platform_name.as_deref(), job.metadata_provider_name.as_deref()), (Some("linux"), Some("file")));
    assert_eq!(job.watermark_manager_name.as_deref(), Some("table"));
    assert_eq!(
        (job.status.as_deref(), job.stages.as_deref(), job.error_message.as_deref()),
        (Some("pending"), None, None)
    );
    let (start, end) = (job.start_time.expect("a start"), job.end_time.expect("an end"));
    assert!(((end - start) as f64 / 1e6 - job.duration_seconds.expect("a duration")).abs() < 2e-6);
}

#[test]
fn without_settings_a_job_has_defaults() {
    let lake = Lake::new();
    let (_layer, job) = lake.builder().build().expect("a lake");
    assert!(job.session().expect("a session").as_str().ends_with("_1_0_default"));
    drop(job);
    let job = &lake.left().jobs[0];
    assert_eq!((job.job_id.as_deref(), job.job_num, job.job_index), (Some("default"), Some(1), Some(0)));
    assert_eq!((job.max_workers, job.retry_delay, job.dry_run, job.engine_name.as_deref()), (None, None, None, None));
}
