//! Crashes of real processes: whatever was recorded when its call returned is in the lake exactly once.
//!
//! Each test runs this executable again as a child, told by an environment variable what to do, and kills it.

/// A child that records, and the oracle that knows which of its calls returned.
mod child;

/// What is in a lake, by the number of each record.
mod lake;

/// Children killed at any moment, also while they recover and while they publish.
mod kills;
