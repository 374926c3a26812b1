//! Reading lakes: which files, which records, in which order, and what becomes of what cannot be read.

mod lake;
mod files;
mod jsonl;
#[cfg(feature = "parquet")]
mod parquet;
mod filter;
mod timeline;
mod tree;
mod follow;
#[cfg(feature = "runs")]
mod runs;
