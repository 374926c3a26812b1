//! What a record costs: spanlake and its peers side by side, one process per run.
//!
//! The binary `peer` gives one [work](work::Work) to one [peer](peers::Peer) and prints what it [measured](trial). The
//! binary `compare` starts such a process for each peer in interleaved [rounds] and prints medians and ratios as a
//! [table]. How to run them and what each column means stands in this member's README.

pub mod work;
pub mod pace;
pub mod peers;
pub mod output;
pub mod trial;
pub mod order;
pub mod rounds;
pub mod setting;
pub mod table;

/// Any failure of a benchmark; it ends the run.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// A result whose failure ends the run.
pub type Result<T> = std::result::Result<T, Error>;
