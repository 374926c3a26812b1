//! Behaviour of the ETL layer.

/// A job on a lake of its own, and what it left there.
mod support;

/// The rules for the status of runs and jobs, and for what is counted.
mod rules;

/// Runs, phases and attempts among spans, and where what is told goes.
mod spans;

/// The three files: names, columns, what is written when.
mod files;

/// Settings that cannot be, and those that are noted.
mod settings;

/// Exact totals from many threads, and runs that go on elsewhere.
mod threads;

/// Counters for programs that expose metrics.
mod metrics;

/// The layer alone, beside others, and twice.
mod stacks;

/// Values that misbehave.
mod guest;

/// The lineage: which events runs have, once each, whatever happens to the process.
mod lineage;
