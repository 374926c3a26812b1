//! What is known of a session that is not closed, for whoever has to close it when its process cannot.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::job::JobRow;
use super::line::{row_from_json, row_to_json};
use super::lineage::Destination;
use super::process::Process;
use super::run::RunRow;

/// The version of its form.
const VERSION: u64 = 1;

/// How many of its intervals a session is silent before it is taken for dead from afar, and the least time.
const SILENT_INTERVALS: u32 = 5;
const LEAST_SILENCE: Duration = Duration::from_secs(300);

/// A session that is not closed.
#[derive(Clone, Debug, Default)]
pub(super) struct Marker {
    pub(super) process: Process,
    /// The folders of its partition.
    pub(super) partition: String,
    /// The job as it was set up.
    pub(super) job: JobRow,
    /// The job as it ended, once it has: what is left to do is to write it.
    pub(super) summary: Option<JobRow>,
    /// When the process was last heard of, UTC microseconds since the Unix epoch.
    pub(super) heard_us: i64,
    /// How often it lets itself be heard.
    pub(super) interval: Duration,
    /// Runs that had begun, and not ended.
    pub(super) open: Vec<RunRow>,
    /// Where the events of its lineage go; `None` when nobody wants any, or all are there.
    pub(super) lineage: Option<Destination>,
    /// The last run of the log whose events are there, with those of all before it, by the id that events have.
    pub(super) told: Option<String>,
}

impl Marker {
    /// Whether its process is gone: it can be seen, or nothing was heard of it for long.
    pub(super) fn is_dead(&self, now_us: i64) -> bool {
        self.process.is_gone().unwrap_or_else(|| {
            let silence = (self.interval * SILENT_INTERVALS).max(LEAST_SILENCE);
            now_us.saturating_sub(self.heard_us) > i64::try_from(silence.as_micros()).unwrap_or(i64::MAX)
        })
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let json = json!({
            "version": VERSION,
            "process": self.process.to_json(),
            "partition": self.partition,
            "job": row_to_json(&self.job),
            "summary": self.summary.as_ref().map(row_to_json),
            "heard_us": self.heard_us,
            "interval_ms": u64::try_from(self.interval.as_millis()).unwrap_or(u64::MAX),
            "open": self.open.iter().map(row_to_json).collect::<Vec<_>>(),
            "lineage": self.lineage.as_ref().map(|to| json!({ "place": to.place, "namespace": to.namespace })),
            "told": self.told,
        });
        json.to_string().into_bytes()
    }

    /// `Err` says why it cannot be read, as a fragment.
    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let json: Json = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if json["version"].as_u64() != Some(VERSION) {
            return Err(format!("its version is {}, and this program knows {VERSION}", json["version"]));
        }
        let summary = &json["summary"];
        Ok(Self {
            process: Process::from_json(&json["process"]),
            partition: json["partition"].as_str().unwrap_or_default().to_owned(),
            job: row_from_json(&json["job"]),
            summary: summary.is_object().then(|| row_from_json(summary)),
            heard_us: json["heard_us"].as_i64().unwrap_or(0),
            interval: Duration::from_millis(json["interval_ms"].as_u64().unwrap_or(0)),
            open: json["open"].as_array().into_iter().flatten().map(row_from_json).collect(),
            lineage: json["lineage"].is_object().then(|| destination(&json["lineage"])),
            told: json["told"].as_str().map(str::to_owned),
        })
    }
}

fn destination(json: &Json) -> Destination {
    let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
    Destination { place: text("place"), namespace: text("namespace") }
}
