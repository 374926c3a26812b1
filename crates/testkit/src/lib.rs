//! What the tests of spanlake share, and no user needs.
//!
//! [`Script`], [`conformance`], [`renderers`] and [`processors`] are those of `spanlake-test`, for users' tests. [`disk`] is a disk
//! that fails and forgets, [`servers`] are real ones, each for a test, [`apart`] gives a test disks or a network for itself. The rules of the tree are tests of this package, in
//! `tests/it`.

pub mod apart;
pub mod disk;
pub mod servers;

pub use spanlake_test::{NO_TASK, Script, TaskId, conformance, give, processors, renderers};

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

#[cfg(doctest)]
#[doc = include_str!("../../../docs/observe.md")]
struct Observe;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/collector.md")]
struct Collector;
