//! Behaviour of capture.

/// Sinks that remember, and what they remember in short words.
mod support;

/// Records come out of memory once, as text, columns and JSON.
mod drain;

/// What is kept, by level, and what else a builder can say.
mod builder;

/// Sinks get everything when the guard says so, and the guard says what became of it.
mod guard;

/// Processors, fallbacks and reports together.
mod pipeline;

/// Spans, events and bound context go where their targets say.
mod routes;

/// Details are held until something makes them worth writing.
mod flight;

/// Repeats are left out and counted.
mod folds;

/// The layer on a plain registry, beside others, and wrapped.
mod stacks;

/// Huge, many, deep and hostile values.
mod bounds;

/// Secrets reach no record.
mod secrets;

/// What rules name is replaced before it is stored.
mod redaction;

/// Errors with their type and a backtrace.
mod errors;

/// The known ways to break a layer, one by one.
mod traps;

/// Which task a record belongs to where spans overlap, are entered twice, hidden or too verbose.
mod nesting;
