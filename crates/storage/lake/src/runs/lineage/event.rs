//! Events: JSON objects, made from rows and nothing else, so that they are the same whoever makes them.

use serde_json::{Map, Value as Json, json};
use spanlake_core::Outcome;
use spanlake_core::render::escape::is_harmful;
use spanlake_core::render::time;
use uuid::Uuid;

use super::dataset::Side;
use crate::runs::job::JobRow;
use crate::runs::name::{DEFAULT_JOB_ID, Stem};
use crate::runs::run::RunRow;
use crate::runs::word::{ETL, INTERRUPTED, RunStatus};

/// The namespace of the UUIDs that events have in place of ids.
pub const RUNS: Uuid = Uuid::from_u128(0x5b0d_3f6c_8c1e_4f57_9a52_0f6f_3c1d_7e21);

/// Who made the events: this version of spanlake.
const PRODUCER: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/tree/v", env!("CARGO_PKG_VERSION"));

/// What spanlake is called among those who make events.
const INTEGRATION: &str = "SPANLAKE";

/// Where the specification is published, and the version of it that events have.
const SPEC: &str = "https://openlineage.io/spec";
const EVENT: &str = "2-0-2/OpenLineage.json#/$defs/RunEvent";

/// Makes the events of a session's runs.
///
/// ```
/// use spanlake_lake::runs::lineage::Events;
/// use spanlake_lake::runs::{JobRow, RunRow, RunStatus, Stem};
///
/// let job = JobRow::default();
/// let events = Events::new("warehouse", &Stem::new(1_763_644_450_000_000, 1, 0, "nightly"), &job);
/// let row = RunRow::new("orders").status(RunStatus::Succeeded);
/// assert!(events.start(&row).contains(r#""eventType":"START""#));
/// assert!(events.end(&row, None).contains(r#""eventType":"COMPLETE""#));
/// ```
#[derive(Clone, Debug)]
pub struct Events {
    namespace: String,
    /// The session's own run, which is above all others.
    session: Uuid,
    job: String,
    engine: Option<Json>,
    /// When the job ended.
    ended_us: Option<i64>,
}

impl Events {
    /// Those of the session with this name, and of its job: as it was set up, or as it ended.
    pub fn new(namespace: &str, stem: &Stem, job: &JobRow) -> Self {
        Self {
            namespace: namespace.to_owned(),
            session: id_of(stem.as_str()),
            job: job.job_id.clone().unwrap_or_else(|| DEFAULT_JOB_ID.to_owned()),
            engine: job.engine_name.as_deref().map(engine),
            ended_us: job.end_time,
        }
    }

    /// The job has ended, then.
    pub fn job_ended(&mut self, end_us: Option<i64>) {
        self.ended_us = end_us;
    }

    /// The event of a run that begins: a line without its end.
    pub fn start(&self, row: &RunRow) -> String {
        line(&self.event("START", row.start_time, row))
    }

    /// The event of a run that is over: a line without its end. `name` is what its START called it, if that may have been
    /// otherwise.
    pub fn end(&self, row: &RunRow, name: Option<&str>) -> String {
        let at_us = row.end_time.or(self.ended_us).or(row.start_time);
        let mut event = self.event(end_type(row), at_us, row);
        if let Some(name) = name {
            event["job"]["name"] = json!(name);
        }
        if let Some(message) = &row.error_message {
            let fields = json!({ "message": message, "programmingLanguage": "rust" });
            event["run"]["facets"]["errorMessage"] = facet("1-0-1", "ErrorMessageRunFacet", fields);
        }
        let read = [("rowCount", row.source_rows_read)];
        put_statistics(&mut event["inputs"], "input", "1-0-0", read);
        let written = [
            ("rowCount", row.destination_rows_written),
            ("size", row.destination_bytes_added),
            ("fileCount", row.destination_files_added),
        ];
        put_statistics(&mut event["outputs"], "output", "1-0-2", written);
        line(&event)
    }

    /// The `runId` that the events of the session's runs have for their parent.
    pub(super) fn session(&self) -> String {
        self.session.to_string()
    }

    fn event(&self, kind: &str, at_us: Option<i64>, row: &RunRow) -> Json {
        let datasets = |side: Side<'_>| Vec::from_iter(side.dataset(&self.namespace));
        json!({
            "eventType": kind,
            "eventTime": time::format_us(at_us.unwrap_or(0)),
            "run": { "runId": run_id(row), "facets": self.run_facets(row) },
            "job": { "namespace": self.namespace, "name": job_name(row), "facets": job_facets(row) },
            "inputs": datasets(Side::source(row)),
            "outputs": datasets(Side::destination(row)),
            "producer": PRODUCER,
            "schemaURL": format!("{SPEC}/{EVENT}"),
        })
    }

    fn run_facets(&self, row: &RunRow) -> Json {
        let parent = json!({
            "run": { "runId": self.session.to_string() },
            "job": { "namespace": self.namespace, "name": self.job },
        });
        let mut facets = json!({ "parent": facet("1-2-0", "ParentRunFacet", parent) });
        if let Some(engine) = &self.engine {
            facets["processing_engine"] = engine.clone();
        }
        let tags = [("dataflow_run_id", &row.dataflow_run_id), ("task_key", &row.task_key)];
        let tags = tags
            .into_iter()
            .filter_map(|(key, value)| Some(json!({ "key": key, "value": value.as_deref()?, "source": INTEGRATION })));
        let tags: Vec<_> = tags.collect();
        if !tags.is_empty() {
            facets["tags"] = facet("1-0-0", "TagsRunFacet", json!({ "tags": tags }));
        }
        facets
    }
}

/// An event as a line. What could act on a terminal, or break the line for some reader, is escaped, as it is in all logs.
pub(super) fn line(event: &Json) -> String {
    let text = event.to_string();
    if !text.contains(is_harmful) {
        return text;
    }
    // Outside of strings JSON has nothing of the kind.
    text.chars().map(|c| if is_harmful(c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() }).collect()
}

/// The `runId` of a run: the UUIDv5, in [`RUNS`], of `<run id>/<task key>@<start>/<dataflow>`, with the start in microseconds
/// since the Unix epoch.
///
/// The run's id alone would not do: it is the program's to say, and may be that of an orchestrator for several runs.
pub fn run_id(row: &RunRow) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let (id, key, dataflow) = (text(&row.dataflow_run_id), text(&row.task_key), text(&row.dataflow_id));
    id_of(&format!("{id}/{key}@{}/{dataflow}", row.start_time.unwrap_or(0))).to_string()
}

/// A facet, by the version of its schema and the schema's name.
pub(super) fn facet(version: &str, schema: &str, mut fields: Json) -> Json {
    fields["_producer"] = json!(PRODUCER);
    fields["_schemaURL"] = json!(format!("{SPEC}/facets/{version}/{schema}.json#/$defs/{schema}"));
    fields
}

fn id_of(name: &str) -> Uuid {
    Uuid::new_v5(&RUNS, name.as_bytes())
}

/// How a run ended, in the words of OpenLineage.
fn end_type(row: &RunRow) -> &'static str {
    let error = row.error_message.as_deref();
    let is_cut_off = error.is_some_and(|error| [INTERRUPTED, Outcome::Cancelled.as_str()].contains(&error));
    match row.known_status() {
        Some(RunStatus::Succeeded | RunStatus::Skipped) => "COMPLETE",
        Some(RunStatus::Pending | RunStatus::Running) => "ABORT",
        Some(RunStatus::Failed) if is_cut_off => "ABORT",
        Some(RunStatus::Failed) => "FAIL",
        // A word of the program's.
        None => error.map_or("COMPLETE", |_| "FAIL"),
    }
}

/// What events call the job that a run is of.
pub fn job_name(row: &RunRow) -> String {
    let dataflow = Some(row.label()).filter(|label| !label.is_empty()).unwrap_or("unnamed");
    match row.stage.as_deref().filter(|stage| !stage.is_empty()) {
        Some(stage) => format!("{stage}.{dataflow}"),
        None => dataflow.to_owned(),
    }
}

fn job_facets(row: &RunRow) -> Json {
    let kind = row.operation_type.as_deref().unwrap_or(ETL).to_uppercase();
    let kind = json!({ "processingType": "BATCH", "integration": INTEGRATION, "jobType": kind });
    let mut facets = json!({ "jobType": facet("2-0-4", "JobTypeJobFacet", kind) });
    if let Some(description) = &row.dataflow_description {
        let description = json!({ "description": description });
        facets["documentation"] = facet("1-1-0", "DocumentationJobFacet", description);
    }
    facets
}

/// The engine, by its name and, if that ends in one, its version, which the facet must have.
fn engine(name: &str) -> Json {
    let (name, version) = match name.rsplit_once([' ', '/']) {
        Some((name, version)) if version.starts_with(|c: char| c.is_ascii_digit()) => (name, version),
        _ => (name, "unknown"),
    };
    let adapter = env!("CARGO_PKG_VERSION");
    let fields = json!({ "name": name, "version": version, "openlineageAdapterVersion": adapter });
    facet("1-1-1", "ProcessingEngineRunFacet", fields)
}

/// Puts what is known of the numbers to the datasets of one side, of which there is one at most.
fn put_statistics<const N: usize>(datasets: &mut Json, side: &str, version: &str, numbers: [(&str, Option<i64>); N]) {
    let known = numbers.into_iter().filter_map(|(name, number)| Some((name.to_owned(), json!(number?))));
    let known: Map<String, Json> = known.collect();
    let Some(dataset) = datasets.get_mut(0).filter(|_| !known.is_empty()) else {
        return;
    };
    let schema = match side {
        "input" => "InputStatisticsInputDatasetFacet",
        _ => "OutputStatisticsOutputDatasetFacet",
    };
    let statistics = facet(version, schema, Json::Object(known));
    dataset[format!("{side}Facets")] = json!({ (format!("{side}Statistics")): statistics });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events() -> Events {
        let (id, engine) = (Some("nightly".to_owned()), Some("datafusion 53.1".to_owned()));
        let job = JobRow { job_id: id, engine_name: engine, end_time: Some(4_000_000), ..JobRow::default() };
        Events::new("warehouse", &Stem::new(0, 1, 0, "nightly"), &job)
    }

    fn parsed(event: &str) -> Json {
        serde_json::from_str(event).expect("JSON")
    }

    fn row() -> RunRow {
        let mut row = RunRow::new("orders");
        row.dataflow_run_id = Some("run-1".to_owned());
        row.start_time = Some(1_000_000);
        row.end_time = Some(2_500_000);
        row
    }

    #[test]
    fn statuses_become_types() {
        let table = [
            (Some("succeeded"), None, "COMPLETE"),
            (Some("skipped"), None, "COMPLETE"),
            (Some("failed"), Some("no such table"), "FAIL"),
            (Some("failed"), None, "FAIL"),
            (Some("failed"), Some("interrupted"), "ABORT"),
            (Some("failed"), Some("cancelled"), "ABORT"),
            (Some("running"), None, "ABORT"),
            (Some("pending"), None, "ABORT"),
            (Some("done"), None, "COMPLETE"),
            (Some("done"), Some("but badly"), "FAIL"),
            (None, None, "COMPLETE"),
        ];
        for (status, error, expected) in table {
            let mut row = row();
            row.status = status.map(str::to_owned);
            row.error_message = error.map(str::to_owned);
            let event = parsed(&events().end(&row, None));
            assert_eq!(event["eventType"], expected, "{status:?}, {error:?}");
            assert_eq!(event["run"]["facets"]["errorMessage"]["message"].as_str(), error);
        }
    }

    #[test]
    fn ids_are_the_same_for_ever() {
        let event = parsed(&events().start(&row()));
        assert_eq!(event["run"]["runId"], "f7b546b9-0524-5651-bfaf-ec9bfb7f5c68");
        assert_eq!(event["run"]["facets"]["parent"]["run"]["runId"], "2deffd4c-b740-520e-bd4b-488fcbb21e78");
        assert_eq!(event["run"]["facets"]["parent"]["job"], json!({ "namespace": "warehouse", "name": "nightly" }));
    }

    #[test]
    fn runs_that_share_an_id_are_told_apart() {
        let (first, mut other) = (row(), row());
        other.task_key = Some("0198f0c0-0000-7000-8000-000000000000/1".to_owned());
        assert_ne!(run_id(&first), run_id(&other));
        let tags = &parsed(&events().start(&other))["run"]["facets"]["tags"]["tags"];
        assert_eq!(tags[0], json!({ "key": "dataflow_run_id", "value": "run-1", "source": "SPANLAKE" }));
        other = row();
        (other.status, other.end_time, other.stage) = (Some("failed".to_owned()), None, Some("bronze".to_owned()));
        assert_eq!(run_id(&first), run_id(&other), "what is known later changes nothing");
    }

    #[test]
    fn times_are_those_of_the_run_and_else_of_its_job() {
        let mut row = row();
        assert_eq!(parsed(&events().start(&row))["eventTime"], "1970-01-01T00:00:01.000000Z");
        assert_eq!(parsed(&events().end(&row, None))["eventTime"], "1970-01-01T00:00:02.500000Z");
        row.end_time = None;
        assert_eq!(parsed(&events().end(&row, None))["eventTime"], "1970-01-01T00:00:04.000000Z");
        let mut events = events();
        events.job_ended(None);
        assert_eq!(parsed(&events.end(&row, None))["eventTime"], "1970-01-01T00:00:01.000000Z");
    }

    #[test]
    fn the_name_of_a_start_stays() {
        let (begun, mut ended) = (row(), row());
        ended.stage = Some("bronze".to_owned());
        assert_eq!(parsed(&events().end(&ended, None))["job"]["name"], "bronze.orders");
        assert_eq!(parsed(&events().end(&ended, Some(&job_name(&begun))))["job"]["name"], "orders");
        assert_eq!(job_name(&RunRow::default()), "unnamed");
    }

    #[test]
    fn an_event_is_one_line_for_everybody() {
        let name = "a\nb\u{2028}c\u{85}d\u{202e}e\u{1b}";
        let event = events().start(&RunRow::new(name));
        assert!(!event.contains(is_harmful), "{event}");
        assert_eq!(parsed(&event)["job"]["name"], name);
    }

    #[test]
    fn engines_have_a_version() {
        for (name, expected) in [("spark/4.0", ("spark", "4.0")), ("my engine", ("my engine", "unknown"))] {
            let facet = engine(name);
            assert_eq!((facet["name"].as_str(), facet["version"].as_str()), (Some(expected.0), Some(expected.1)));
        }
    }

    #[test]
    fn numbers_stand_at_the_datasets_of_ends() {
        let mut row = row();
        row.source_rows_read = Some(5);
        row.destination_files_added = Some(2);
        let event = parsed(&events().end(&row, None));
        assert_eq!((&event["inputs"], &event["outputs"]), (&json!([]), &json!([])), "nothing names a dataset");
        row.source_table = Some("raw".to_owned());
        row.destination_path = Some("out".to_owned());
        let start = parsed(&events().start(&row));
        assert_eq!(start["inputs"], json!([{ "namespace": "warehouse", "name": "raw" }]));
        let end = parsed(&events().end(&row, None));
        assert_eq!(end["inputs"][0]["inputFacets"]["inputStatistics"]["rowCount"], 5);
        let written = &end["outputs"][0]["outputFacets"]["outputStatistics"];
        assert_eq!((written["fileCount"].as_i64(), written.get("rowCount")), (Some(2), None));
    }
}
