//! Faults under one oracle: processes killed, collectors away, networks cut, receivers slow, disks full, batches again and otherwise.
//!
//! The tests run this executable again as a program that publishes, and `spanlaked` as the collector. What is random follows from a
//! seed that is printed; `SPANLAKE_SEED` repeats it.

mod away;
mod calls;
mod daemon;
mod dice;
mod disk;
mod kills;
mod link;
mod network;
mod oracle;
mod program;
mod repeats;
mod sender;
mod slow;
mod valve;

use std::time::Duration;

/// Longer than anything takes.
const LONG: Duration = Duration::from_secs(60);
