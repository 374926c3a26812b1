//! What takes records of many processes over the network, keeps them on disk, and hands them to plugins.
//!
//! # What
//!
//! [`queue`] is the durable queue between whoever receives segments and whoever puts them where they belong.
//!
//! # What can be lost
//!
//! Nothing that was acknowledged, as long as the disk keeps what it said it had synced. What is not taken is refused, with a
//! reason that says whether the sender should come back, and counted.

#![warn(missing_docs)]

pub mod queue;
