//! ETL runs summed up: a row for each run, a row for the job, from the spans that the program already has.
//!
//! # What
//!
//! [`EtlLayer`] takes a span with the field `etl.dataflow` for a *run*, and spans below it that are called `source`,
//! `transform` or `destination` for its phases. What is told of a run, by fields that begin with `etl.` on spans and
//! events, or with [`Run::current`], becomes its row. [`Job`] ends all runs of the process: it writes their rows and its
//! own, and says in its [`JobReport`] what became of them.
//!
//! | file | has |
//! |---|---|
//! | `debug_json/job_run_log/run_date=…/job_<session>.jsonl` | each run as it ends, the job behind them |
//! | `analyst/dataflow_run_log/run_date=…/dataflow_<session>.parquet` | the runs, when the job is finished |
//! | `analyst/job_run_log/run_date=…/job_summary_<session>.parquet` | the job |
//!
//! # Flow
//!
//! `layer` finds runs among the spans; `slot` is what a span's extensions hold, `run` the live run, `told` and `name` what
//! is told and where it goes. When the span closes, `ending` settles its status, and its row goes to the queue in `shared`.
//! `writer` is the thread that takes it to the files of the session, and `lineage` makes events of it, if [`Lineage`] says
//! where they go.
//!
//! # What can be lost
//!
//! - *The process is killed*: in a folder nothing of a run whose span had closed: its row is in memory that is a file. In
//!   a bucket the rows since the last flush. The next start, or `spanlake recover`, closes the session: its runs that
//!   were open, and the job, are `failed`, with the error `interrupted`.
//! - *Runs end faster than they are written*: what is more than [`QUEUE_BYTES`] has no row, and is counted.
//! - *A run ends after the job was finished, or in a forked child*: it has no row, and is counted.
//! - *Lineage cannot be sent*: events wait, up to [`LINEAGE_BYTES`]; what does not fit, or is refused for good, is lost and
//!   counted. What waits when the job is finished, or killed, is owed, and sent by the next start with the same lineage.
//!
//! # Features
//!
//! - `s3`, `gcs`, `azure`: lakes in buckets.
//! - `object-store`: what these have in common, and `memory://` lakes for tests.
//! - `lineage-http`: lineage to an endpoint. It brings in HTTP and TLS, with rustls and ring.
//!
//! # Example
//!
//! ```
//! use spanlake_etl::{EtlLayer, Run};
//! use tracing::{info_span, instrument};
//! use tracing_subscriber::prelude::*;
//!
//! #[instrument(fields(etl.dataflow = "orders", etl.stage = "bronze"))]
//! fn load_orders() {
//!     let rows = info_span!("source", etl.table = "orders").in_scope(|| vec![1, 2, 3]);
//!     Run::current().rows_read(rows.len() as u64);
//!     info_span!("destination", etl.table = "bronze_orders").in_scope(|| tracing::info!(etl.rows_written = 3));
//! }
//!
//! # let folder = tempfile::tempdir()?;
//! # let lake = folder.path();
//! let (etl, job) = EtlLayer::builder(lake).job_id("nightly").build()?;
//! let subscriber = tracing_subscriber::registry().with(etl);
//! tracing::subscriber::with_default(subscriber, load_orders);
//! let report = job.finish()?;
//! assert_eq!(report.to_string(), "1 runs: 1 succeeded, 0 failed, 0 skipped; 3 rows read, 3 written");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![warn(missing_docs)]

mod told;
mod name;
mod counter;
mod phase;
mod chunks;
mod ending;
mod run;
mod slot;
mod layer;
mod shared;
mod metrics;
mod lineage;
mod writer;
mod report;
mod builder;
mod guard;
mod handle;

pub use builder::{
    DEFAULT_FINISH_TIMEOUT, DEFAULT_FLUSH_EVERY, DEFAULT_JOB_NUM, EtlLayerBuilder, LEAST_FLUSH_EVERY,
    LONGEST_FLUSH_EVERY, MAX_SETTING_BYTES, START_TIMEOUT,
};
pub use guard::Job;
pub use handle::JobHandle;
pub use layer::EtlLayer;
pub use lineage::{DEFAULT_NAMESPACE, LINEAGE_BYTES, Lineage};
pub use metrics::JobMetrics;
pub use report::JobReport;
pub use run::{MAX_CONFIGURE_KEYS, OMITTED_KEYS, Run};
pub use shared::QUEUE_BYTES;
pub use spanlake_lake::Partition;
pub use spanlake_lake::runs::{DEFAULT_JOB_ID, JobRow, RunRow, RunStatus, Stem};
pub use spanlake_lake::store::StoreOptions;
pub use told::{MAX_TEXT_BYTES, Told};
