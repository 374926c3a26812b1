//! The row of a run: one execution of a dataflow or of a maintenance operation.

use super::row::row;
use super::word::{MAINTENANCE, RunStatus};

row! {
    /// One run, as `dataflow_run_log` has it. Times are UTC microseconds since the Unix epoch.
    ///
    /// ```
    /// use spanlake_lake::runs::{RunRow, RunStatus};
    ///
    /// let row = RunRow::new("orders").status(RunStatus::Failed);
    /// assert_eq!(row.label(), "orders");
    /// ```
    RunRow: "dataflow_run_log" {
        // === identity ===
        /// The job that the run belongs to.
        job_id: Text,
        /// The dataflow, as its records have it in `dataflow_id`.
        dataflow_id: Text,
        /// The workspace.
        workspace_id: Text,
        /// The dataflow's name.
        dataflow_name: Text,
        /// What the dataflow is for.
        dataflow_description: Text,
        /// The stage, such as `bronze`.
        stage: Text,
        /// The group it is executed in.
        group_number: Integer,
        /// Its place within the group.
        execution_order: Integer,
        /// How it processes, such as `batch`.
        processing_mode: Text,
        /// Whether the dataflow is active.
        is_active: Bool,
        /// What else was said of it: a JSON object.
        configure: Text,

        // === run ===
        /// No other run has it.
        dataflow_run_id: Text,
        /// The key of its task, by which it joins to its records.
        task_key: Text,
        /// `etl`, `replay`, `maintenance`, or a word of the program's.
        operation_type: Text,
        /// When it began.
        start_time: Time,
        /// When it ended.
        end_time: Time,
        /// From begin to end on the monotonic clock, in seconds.
        duration_seconds: Float,
        /// `pending`, `running`, `succeeded`, `failed` or `skipped`.
        status: Text,
        /// The error and its causes.
        error_message: Text,
        /// Attempts behind the first.
        retry_attempts: Integer,

        // === source ===
        /// Which source.
        source_id: Text,
        /// Its name.
        source_name: Text,
        /// How it is connected to.
        source_connection_type: Text,
        /// Its format, such as `csv`.
        source_format: Text,
        /// The catalog.
        source_catalog: Text,
        /// The database.
        source_database: Text,
        /// The schema.
        source_schema: Text,
        /// The table.
        source_table: Text,
        /// Catalog, database, schema and table, quoted, with dots between them.
        source_full_table: Text,
        /// The path.
        source_path: Text,
        /// The query.
        source_query: Text,
        /// What else was said of it: a JSON object.
        source_configure: Text,
        /// When reading began.
        source_start_time: Time,
        /// When reading ended.
        source_end_time: Time,
        /// How long reading took, in seconds.
        source_duration_seconds: Float,
        /// How reading ended.
        source_status: Text,
        /// The error and its causes.
        source_error_message: Text,
        /// Rows read.
        source_rows_read: Integer,
        /// What was done to read.
        source_action: Text,
        /// The watermark before.
        source_watermark_before: Text,
        /// The watermark after.
        source_watermark_after: Text,
        /// The watermark that reading began from.
        source_watermark_effective: Text,

        // === transform ===
        /// What was said of it: a JSON object.
        transform_configure: Text,
        /// When transforming began.
        transform_start_time: Time,
        /// When transforming ended.
        transform_end_time: Time,
        /// How long transforming took, in seconds.
        transform_duration_seconds: Float,
        /// How transforming ended.
        transform_status: Text,
        /// The error and its causes.
        transform_error_message: Text,
        /// The transformers, in order: a JSON array.
        transformers_applied: Text,

        // === destination ===
        /// Which destination.
        destination_id: Text,
        /// Its name.
        destination_name: Text,
        /// How it is connected to.
        destination_connection_type: Text,
        /// Its format, such as `delta`.
        destination_format: Text,
        /// The catalog.
        destination_catalog: Text,
        /// The database.
        destination_database: Text,
        /// The schema.
        destination_schema: Text,
        /// The table.
        destination_table: Text,
        /// Catalog, database, schema and table, quoted, with dots between them.
        destination_full_table: Text,
        /// The path.
        destination_path: Text,
        /// How it is loaded, such as `merge`.
        destination_load_type: Text,
        /// The keys that rows are merged by: a JSON array.
        destination_merge_keys: Text,
        /// The columns that it is partitioned by: a JSON array.
        destination_partition_columns: Text,
        /// What else was said of it: a JSON object.
        destination_configure: Text,
        /// When writing began.
        destination_start_time: Time,
        /// When writing ended.
        destination_end_time: Time,
        /// How long writing took, in seconds.
        destination_duration_seconds: Float,
        /// How writing ended.
        destination_status: Text,
        /// The error and its causes.
        destination_error_message: Text,
        /// What was done to write.
        destination_operation_type: Text,
        /// Rows written.
        destination_rows_written: Integer,
        /// Rows inserted.
        destination_rows_inserted: Integer,
        /// Rows updated.
        destination_rows_updated: Integer,
        /// Rows deleted.
        destination_rows_deleted: Integer,
        /// Files added.
        destination_files_added: Integer,
        /// Files removed.
        destination_files_removed: Integer,
        /// Bytes added.
        destination_bytes_added: Integer,
        /// Bytes removed.
        destination_bytes_removed: Integer,
        /// Bytes removed beyond those added; never below 0.
        destination_bytes_saved: Integer,
        /// What else is to say of the operation: a JSON object.
        destination_operation_details: Text,
    }
}

/// Longest error, in characters, that stands for a run that has neither name nor id.
const MAX_LABEL: usize = 128;

impl RunRow {
    /// A run of this dataflow, of which nothing else is known.
    pub fn new(dataflow: impl Into<String>) -> Self {
        let dataflow = dataflow.into();
        Self { dataflow_id: Some(dataflow.clone()), dataflow_name: Some(dataflow), ..Self::default() }
    }

    /// With this status.
    #[must_use]
    pub fn status(mut self, status: RunStatus) -> Self {
        self.status = Some(status.as_str().to_owned());
        self
    }

    /// The status; `None` when it has none, or not one of the known words.
    pub fn known_status(&self) -> Option<RunStatus> {
        self.status.as_deref()?.parse().ok()
    }

    /// Whether it is a maintenance operation, whose rows count nowhere.
    pub fn is_maintenance(&self) -> bool {
        self.operation_type.as_deref() == Some(MAINTENANCE)
    }

    /// What people call it: its name, else its id, else the beginning of its error.
    pub fn label(&self) -> &str {
        let present = |text: &'_ Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        let names = [&self.dataflow_name, &self.dataflow_id];
        let named = names.into_iter().find(|name| present(name)).and_then(Option::as_deref);
        named.unwrap_or_else(|| first_chars(self.error_message.as_deref().unwrap_or_default(), MAX_LABEL))
    }
}

fn first_chars(text: &str, count: usize) -> &str {
    text.char_indices().nth(count).map_or(text, |(end, _)| &text[..end])
}
