//! The lineage: which events runs have, once each, whatever happens to the process.

/// A job with lineage, its events, and children to be killed.
mod stand;

/// Events of runs, in a file.
mod runs;

/// Processes that are killed leave nothing out and nothing twice.
mod killed;

/// An endpoint that answers well, badly, or not at all.
#[cfg(feature = "lineage-http")]
mod http;
