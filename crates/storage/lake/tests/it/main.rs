//! The lake's tests, by topic.

mod support;

mod partition;
mod layout;
mod jsonl;
mod many_days;
mod system_log;
mod stream;
mod memory;
mod rolling;
mod rolling_faults;
#[cfg(any(feature = "gzip", feature = "zstd"))]
mod rolling_compressed;
mod faults;
mod changes;
mod recover;
mod limits;
mod budget;
mod numbers;
#[cfg(feature = "store")]
mod store;
#[cfg(feature = "runs")]
mod runs;
#[cfg(feature = "runs")]
mod lineage;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(feature = "parquet")]
mod publish;
#[cfg(feature = "parquet")]
mod pump;
#[cfg(feature = "parquet")]
mod every_call;
#[cfg(feature = "parquet")]
mod power_cut;
