//! The durable queue.

/// A queue under test, and those who offer and read.
mod stand;

/// What is stored, and what is a repeat.
mod deliveries;

/// How plugins go through the queue.
mod plugins;

/// How much is taken.
mod bounds;

/// What is found when a queue is opened.
mod opening;

/// Each call to the disk fails.
mod faults;

/// The power goes at any call.
mod cuts;

/// `kill -9` at random instants.
mod kills;
