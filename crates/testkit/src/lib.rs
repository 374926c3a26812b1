//! What the tests of spanlake share, and what authors of sinks, renderers and processors may run against their own.
//!
//! [`Script`] makes records by hand, without `tracing`. [`conformance`] is the suite that every sink passes, [`renderers`]
//! and [`processors`] are those of renderers and processors. [`disk`] is a disk that fails and forgets, [`servers`] are real
//! ones, each for a test. The rules of the tree are tests of this package, in `tests/it`.

pub mod conformance;
pub mod renderers;
pub mod processors;
pub mod disk;
pub mod servers;
mod script;

pub use script::{NO_TASK, Script, TaskId, give};

/// So that what a document shows to be typed compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/ends.md")]
struct Ends;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/spool.md")]
struct Spool;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/runs.md")]
struct Runs;
