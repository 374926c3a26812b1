//! Sinks that lay records down in a lake: a folder that people read with `less` and engines read as tables.
//!
//! # What
//!
//! | sink | writes | where |
//! |---|---|---|
//! | [`JsonlSink`] | JSON lines, at once | `<lake>/debug_json/records/` |
//! | [`SystemLogSink`] | lines of text, at once | `<lake>/debug_json/system_log/` |
//! | [`ParquetSink`] | columns, whole files | `<lake>/analyst/records/` |
//! | [`FileSink`] | what a renderer makes, at once | a file that somebody named |
//! | [`RollingFileSink`] | what a renderer makes, at once | `name`, and `name.0001` and so on for what was before |
//! | [`StreamSink`] | what a renderer makes, at once | standard error or output |
//! | [`TestSink`] | records, and what a renderer makes | memory |
//! | [`NullSink`] | nothing | |
//!
//! Below the folders of the first three lie the folders of a [`Partition`], one a day unless told otherwise, by the UTC
//! time of each record. Files carry the name of the process whose records they hold ([`LakeFile`]), so any number of
//! processes share a lake.
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
//! - *The machine goes down*: what was written since the last flush, and of a log no more than some 8 MiB
//!   ([`JsonlSink::max_unsynced_bytes`]), because a log that has more syncs by itself. A flush syncs logs and publishes
//!   Parquet, and syncs the folders of new files up to the lake's own entry.
//! - *A write fails*: nothing. Logs are cut back to where they were, a Parquet file that is not whole is removed, and the
//!   pump tries the batch again. A stream cannot be cut back.
//! - *A sync fails*, of a file or of the folder that its name is in: nothing. Nobody knows what is on the disk then, and a
//!   later sync that succeeds does not say, so that the file is sealed: a log is cut back to what is known to be durable
//!   and never written to again; the text that it was to hold is still in memory and goes to the next file within the
//!   same flush. A file that somebody named is cut back too, and its text written again where it was. A Parquet file is removed, visible or not, and its rows are published under the next free number. If
//!   that does not succeed either, both are kept, counted as pending, and come before anything newer.
//! - *The disk stays broken until the end*: what is pending then is lost, as `SinkReport::lost` says.
//! - *Somebody removes a file that is being written*: what was durable in it. What came since goes to the next file at
//!   the next flush, unless the file was filled before that.
//!
//! # What can be there twice
//!
//! What a failure left behind is cut back or removed at once, and if that fails too, before the next write and at each
//! flush. Until then records of a log may stand at the end of a sealed file and in the next one, and rows in two Parquet
//! files, under the same keys and word for word the same. It stays so if the disk does not allow it to the end, or if the
//! power goes before the cut has reached the disk. Without a failed call nothing is there twice.
//!
//! A reader meets a cut line only behind what was flushed of a log whose process or machine died within a write, and
//! never half a Parquet file. Names that start with [`layout::HIDDEN_PREFIX`] are files that were not finished; engines pass over
//! them.
//!
//! # Limits
//!
//! [`Limits`] say how many bytes and files a lake may have, how old they get, and how many bytes an hour brings. A
//! [`Keeper`], given to each sink, deletes the oldest files before something is written, and drops the least severe
//! records when the hour has no room for them. Without it a lake grows as it is written to.
//!
//! # Features
//!
//! - `gzip`, `zstd`: rolled files are compressed.
//! - `parquet` (default): [`ParquetSink`], with Arrow and zstd.
//! - `runs`: the module `runs`, run logs of ETL jobs, with `parquet` and `store`.
//! - `store`: `store::Store`, where small files and line logs lie; in a folder. Brings nothing in.
//! - `object-store`: stores in memory, and what all buckets share, with the crate of that name and Tokio's smallest runtime.
//! - `s3`, `gcs`, `azure`: stores in buckets, with an HTTP client.
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
mod null;
mod test_sink;
mod rolling;
mod recover;
#[cfg(feature = "parquet")]
mod draft;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(feature = "store")]
pub mod store;
#[cfg(feature = "runs")]
pub mod runs;

pub use append::{DEFAULT_MAX_FILE_BYTES, DEFAULT_MAX_UNSYNCED_BYTES};
pub use jsonl::JsonlSink;
pub use layout::{LakeFile, LogType, Purpose};
pub use limits::{DEFAULT_LOOK_EVERY, Keeper, LIVE_FOR, Limits};
pub use null::NullSink;
pub use partition::{DEFAULT_PARTITION, Partition};
pub use recover::{Recovered, Recovery, take_back};
#[cfg(any(feature = "gzip", feature = "zstd"))]
pub use rolling::Compression;
pub use rolling::{DEFAULT_MAX_FILES, Every, Existing, FileSink, RollingFileSink, RollingHandle};
pub use stream::{DEFAULT_STREAM_LEVEL, StreamSink};
pub use test_sink::{DEFAULT_TEST_BYTES, TestHandle, TestSink};
pub use text::SystemLogSink;

#[cfg(feature = "parquet")]
pub use self::parquet::{
    DEFAULT_MAX_AGE, DEFAULT_MAX_BUFFERED_BYTES, DEFAULT_MAX_FILE_ROWS, DEFAULT_ROW_GROUP_ROWS, ParquetSink,
    record_schema,
};
