//! Sinks that lay records down in a lake: a folder that people read with `less` and engines read as tables.
//!
//! # What
//!
//! | sink | writes | where |
//! |---|---|---|
//! | [`JsonlSink`] | JSON lines, at once | `<lake>/debug_json/records/` |
//! | [`SystemLogSink`] | lines of text, at once | `<lake>/debug_json/system_log/` |
//! | [`ParquetSink`] | columns, whole files | `<lake>/analyst/records/` |
//! | [`StreamSink`] | lines of text, at once | standard error or output |
//!
//! Below that lie the folders of a [`Partition`], one a day unless told otherwise, by the UTC time of each record. Files
//! carry the name of the process whose records they hold ([`LakeFile`]), so any number of processes share a lake.
//!
//! # Flow
//!
//! A pump gives each sink its batches. Logs grow: a batch is rendered into one piece of memory and appended with one
//! write, and a file that is full is followed by the next. Parquet files do not grow: rows are kept as numbers until
//! there are enough of them or they are old enough, then sorted, written under a hidden name, synced and renamed.
//!
//! # What can be lost
//!
//! - *The process is killed*: Parquet rows that are not published yet, which the JSON lines beside them have. What was
//!   appended to a log stays, because the operating system has it.
//! - *The machine goes down*: what was written since the last flush. A flush syncs logs and publishes Parquet, and syncs
//!   the folders of new files.
//! - *A write fails*: nothing. Logs are cut back to where they were, a Parquet file that is not whole is removed, and the
//!   pump tries the batch again. If a log cannot even be cut back, it is left as it is and the next one begun: then
//!   records of that batch may stand in both, under the same keys. A stream cannot be cut back at all.
//! - *Somebody removes a file that is being written*: what was in it, and what comes until the next flush.
//!
//! A reader meets a cut line only at the end of a log whose process or machine died within a write, and never half a
//! Parquet file. Names that start with [`layout::HIDDEN_PREFIX`] are files that were not finished; engines pass over
//! them.
//!
//! # Features
//!
//! - `parquet` (default): [`ParquetSink`], with Arrow and zstd.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use spanlake_core::{Buffer, BufferOptions, LevelFilter, PumpBuilder, Source};
//! use spanlake_lake::{JsonlSink, Partition, SystemLogSink};
//!
//! let lake = std::env::temp_dir().join("spanlake-lake-example");
//! let buffer = Buffer::new(&BufferOptions::default(), Source::this_process("orders"));
//! let pump = PumpBuilder::new()
//!     .sink(JsonlSink::new(&lake).partition(Partition::new("run_date={year}-{month}-{day}/hour={hour}")?))
//!     .sink(SystemLogSink::new(&lake).level(LevelFilter::INFO))
//!     .spawn(buffer)?;
//! // … layers record into the buffer …
//! assert!(pump.shutdown(Duration::from_secs(5)).is_complete());
//! # Ok::<(), spanlake_core::Error>(())
//! ```

#![warn(missing_docs)]
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod layout;
mod partition;
mod places;
mod file;
mod limits;
mod debts;
mod changes;
mod ground;
mod chain;
mod append;
mod jsonl;
mod text;
mod stream;
mod recover;
#[cfg(feature = "parquet")]
mod draft;
#[cfg(feature = "parquet")]
mod parquet;

pub use append::{DEFAULT_MAX_FILE_BYTES, DEFAULT_MAX_UNSYNCED_BYTES};
pub use jsonl::JsonlSink;
pub use layout::{LakeFile, LogType, Purpose};
pub use limits::{DEFAULT_LOOK_EVERY, Keeper, LIVE_FOR, Limits};
pub use partition::{DEFAULT_PARTITION, Partition};
pub use recover::{Recovered, Recovery};
pub use stream::{DEFAULT_STREAM_LEVEL, StreamSink};
pub use text::SystemLogSink;

#[cfg(feature = "parquet")]
pub use self::parquet::{
    DEFAULT_MAX_AGE, DEFAULT_MAX_BUFFERED_BYTES, DEFAULT_MAX_FILE_ROWS, DEFAULT_ROW_GROUP_ROWS, ParquetSink,
    record_schema,
};
