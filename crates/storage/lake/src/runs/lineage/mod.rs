//! Lineage: what runs read and wrote, as events of [OpenLineage](https://openlineage.io), made from their rows.
//!
//! A run has two events: a START, and one of COMPLETE, FAIL and ABORT. [`Events`] makes them, [`EventFile`] keeps them in
//! a file, and [`complete`] adds to such a file what a session that was closed by others still owes it.
//!
//! # What becomes what
//!
//! | in an event | from |
//! |---|---|
//! | `run.runId` | [`run_id`]: a UUIDv5 from the run's id, with what tells runs apart that share one |
//! | `eventTime` | when the run began or ended; if it did not end, when its job did |
//! | `eventType` | `succeeded` and `skipped` are COMPLETE; `failed` is FAIL, unless the error is `interrupted` or `cancelled`: these, and what is still open when the job ends, are ABORT |
//! | `job.namespace` | the [`Destination`]'s |
//! | `job.name` | `<stage>.<dataflow>` as the START has it; the dataflow alone where there is no stage |
//! | `job.facets` | `jobType`: `SPANLAKE`, `BATCH`, and the operation; `documentation` |
//! | `run.facets` | `parent`: the session, whose run has the UUIDv5 of its [`Stem`], of the job with the job's id; `tags`: the run's own id and its task's key; `processing_engine`; `errorMessage` |
//! | `inputs`, `outputs` | the source, the destination, if anything names them |
//! | `inputStatistics`, `outputStatistics` | rows read; rows written, bytes and files added; of ends only |
//!
//! A dataset is called by its table, else by its path, else by its name or id:
//!
//! | of | namespace | name |
//! |---|---|---|
//! | a table | the connection's type, else the job's namespace | the parts with dots between them, not quoted |
//! | a path | `file`; of a URL its scheme and host, `s3://bucket` | the path; in a bucket without a slash in front |
//! | a name or id | as that of a table | itself |
//!
//! A table that has a path as well has that as a `symlinks` facet. Users, passwords and queries of URLs are left out.

mod dataset;
mod event;
mod file;

pub use event::{Events, RUNS, job_name, run_id};
pub use file::{EventFile, LOCK_TIMEOUT, complete};

#[cfg(doc)]
use super::Stem;

/// Where the events of a session go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Destination {
    /// The absolute path of a file, or the `http://` or `https://` URL of an endpoint, without what opens it.
    pub place: String,
    /// The namespace of the jobs.
    pub namespace: String,
}

impl Destination {
    /// This place, for jobs in this namespace.
    pub fn new(place: impl Into<String>, namespace: impl Into<String>) -> Self {
        Self { place: place.into(), namespace: namespace.into() }
    }

    /// Whether it is an endpoint, and no file.
    pub fn is_endpoint(&self) -> bool {
        self.place.starts_with("http://") || self.place.starts_with("https://")
    }
}
