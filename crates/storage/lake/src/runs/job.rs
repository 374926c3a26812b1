//! The row of a job: what all runs of a session come to.

use super::row::row;
use super::word::RunStatus;

row! {
    /// One job, as `job_run_log` has it. Times are UTC microseconds since the Unix epoch.
    JobRow: "job_run_log" {
        /// The job.
        job_id: Text,
        /// Which of the jobs that share its id.
        job_num: Integer,
        /// Its place among the workers of one job.
        job_index: Integer,
        /// The workspace.
        workspace_id: Text,
        /// The stages of its runs as they were first seen: one as it is, several as a JSON array.
        stages: Text,
        /// The engine.
        engine_name: Text,
        /// The platform.
        platform_name: Text,
        /// Where the metadata come from.
        metadata_provider_name: Text,
        /// What keeps the watermarks.
        watermark_manager_name: Text,
        /// How many runs may go on at once.
        max_workers: Integer,
        /// Whether the first failure ends the job.
        stop_on_error: Bool,
        /// How often a failed run is tried again.
        retry_count: Integer,
        /// How long it is waited before that, in seconds.
        retry_delay: Float,
        /// Whether nothing is written.
        dry_run: Bool,
        /// How long its logs are kept, in hours.
        retention_hours: Integer,
        /// When it began.
        start_time: Time,
        /// When it ended.
        end_time: Time,
        /// From begin to end on the monotonic clock, in seconds.
        duration_seconds: Float,
        /// `pending`, `succeeded`, `failed` or `skipped`.
        status: Text,
        /// A label for each failed run.
        error_message: Text,
        /// Runs.
        total_dataflows: Integer,
        /// Runs that succeeded.
        total_succeeded: Integer,
        /// Runs that failed.
        total_failed: Integer,
        /// Runs that were skipped.
        total_skipped: Integer,
        /// Rows read, without those of maintenance runs.
        total_rows_read: Integer,
        /// Rows written, without those of maintenance runs.
        total_rows_written: Integer,
        /// Rows inserted, without those of maintenance runs.
        total_rows_inserted: Integer,
        /// Rows updated, without those of maintenance runs.
        total_rows_updated: Integer,
        /// Rows deleted, without those of maintenance runs.
        total_rows_deleted: Integer,
        /// Files added.
        total_files_added: Integer,
        /// Files removed.
        total_files_removed: Integer,
        /// Bytes added.
        total_bytes_added: Integer,
        /// Bytes removed.
        total_bytes_removed: Integer,
    }
}

impl JobRow {
    /// The status; `None` when it has none, or not one of the known words.
    pub fn known_status(&self) -> Option<RunStatus> {
        self.status.as_deref()?.parse().ok()
    }
}
