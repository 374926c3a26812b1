//! Reads a lake: records from JSONL and Parquet files, filters, the tree of tasks, and what a growing lake gains.
//!
//! # What
//!
//! [`Lake`] finds the files that hold records, below a lake's root, in any folder, or one single file. It reads them
//! as the files lie ([`Lake::scan`]), in order of time ([`Lake::read`]), or again and again ([`Lake::follow`]).
//! [`TaskTree`] puts records into the tree of their tasks. The module `runs` reads the run logs of ETL jobs.
//!
//! # Flow
//!
//! Files are chosen so that each record comes once: both formats hold the same records, so of one process and one
//! partition folder only one format is read, JSONL where it is present. A [`Filter`] acts while reading: on a JSON line
//! before it is copied, on Parquet already by the statistics and the bloom filter of a row group.
//!
//! # What can be lost
//!
//! A line that is cut or is not a record, and a file that is not what its name says. Each is left out, counted, and
//! handed over as a [`Damage`]; nothing of it stops the reader. Lines longer than [`MAX_LINE_BYTES`] are damaged.
//!
//! # Features
//!
//! - `parquet` (default): reads Parquet files, which brings in Arrow.
//! - `runs`: the module `runs`, run logs of ETL jobs, with `parquet`.
//!
//! # Example
//!
//! ```no_run
//! use spanlake_query::{Filter, Lake, Status, TaskTree};
//!
//! let lake = Lake::open("lake")?;
//! let mut tree = TaskTree::builder(Filter::new());
//! let mut scan = lake.scan(&tree.filter_to_scan())?;
//! scan.by_ref().for_each(|record| tree.add(record));
//! let tree = tree.finish();
//! for root in tree.roots().filter(|root| root.status() == Status::Failed) {
//!     println!("{} failed: {}", root.key(), root.error().unwrap_or("no error given"));
//! }
//! for damage in scan.damages() {
//!     eprintln!("{damage}");
//! }
//! # Ok::<(), spanlake_core::Error>(())
//! ```

#![warn(missing_docs)]

mod files;
mod damage;
pub mod fields;
pub mod moment;
mod row;
mod filter;
mod jsonl;
#[cfg(feature = "parquet")]
mod parquet;
mod reader;
mod named;
mod timeline;
mod lake;
mod follow;
mod tree;
#[cfg(feature = "runs")]
pub mod runs;

pub use damage::{Damage, Extent};
pub use files::{Format, RecordFile};
pub use filter::{FieldFilter, Filter};
pub use follow::Follower;
pub use jsonl::MAX_LINE_BYTES;
pub use lake::Lake;
pub use named::NamedTasks;
#[cfg(feature = "parquet")]
pub use parquet::is_decoding;
pub use reader::Scan;
pub use timeline::Timeline;
pub use tree::{Dump, DumpValue, Entry, Outside, Status, Summary, TaskNode, TaskTree, TaskTreeBuilder, TreeRecord};
