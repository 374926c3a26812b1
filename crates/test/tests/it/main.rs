//! Behaviour of captures, with many tests in one process.

/// What a test recorded, and nobody else's.
mod captures;

/// Assertions pass and fail as they say.
mod assertions;

/// Threads, futures, and what belongs to no test.
mod apart;

/// Secrets are found where they reached a sink.
mod secrets;
