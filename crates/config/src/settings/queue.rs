//! The way between the threads that record and the sinks, how it ends, and when the file is read again.

use std::num::NonZeroU64;
use std::time::Duration;

use crate::setting::{Placed, Toggle};
use crate::table::{kinds, table, words};
use crate::units::Size;

table! {
    /// The way between the threads that record and the sinks.
    pub struct Queue {
        /// Most bytes in memory.
        pub capacity: Size = "64 MiB",
        /// Most records in memory, besides; counting them costs all threads a shared counter.
        pub records: Option<NonZeroU64>,
        /// What happens to records that find it full.
        pub policy: Policy = "drop_lowest",
        /// The longest a record waits before the sinks get it.
        pub drain_every: Placed<Duration> = "100 ms",
        /// How often sinks make what they have durable and visible to readers.
        pub flush_every: Placed<Duration> = "60 s",
        /// Most bytes kept for each sink that fails.
        pub backlog: Size = "64 MiB",
        /// Keeps records in files instead of memory, so that a kill loses none.
        pub spool: Toggle<Spool>,
    }
}

kinds! {
    /// What happens to records that find the queue full.
    pub enum Policy {
        /// The thread that records waits.
        "block" => Block(Block),
        /// The new record is dropped.
        "drop_newest" => DropNewest,
        /// The oldest events are dropped.
        "drop_oldest" => DropOldest,
        /// Less severe events are dropped, else the new record.
        "drop_lowest" => DropLowest,
    }
}

table! {
    /// How long a thread waits for room.
    pub struct Block {
        /// The longest that it waits; then the record is dropped.
        pub timeout: Duration,
    }
}

table! {
    /// Files that keep records until the sinks have them.
    pub struct Spool {
        /// The folder, on a local disk; without one it is `.spool` in the lake, where `spanlake recover` looks.
        pub folder: Option<String>,
        /// How often it is synced, which is what a power cut can take; `null` for never.
        pub sync_every: Option<Duration> = "1 s",
    }
}

table! {
    /// How it ends.
    pub struct Shutdown {
        /// How long the end may take.
        pub timeout: Duration = "5 s",
        /// The ends of a process that shut down as well, besides the guard.
        pub on: Vec<End> = crate::node::Value::list(["exit".into(), "fatal_panic".into()]),
    }
}

words! {
    /// A way in which a process ends.
    pub enum End {
        /// `std::process::exit`, and a `main` that returns past a guard which was leaked.
        "exit" => Exit,
        /// A panic that aborts.
        "fatal_panic" => FatalPanic,
        /// SIGTERM and SIGINT.
        "signals" => Signals,
    }
}

table! {
    /// When this file is read again. What is wrong then changes nothing, and is told.
    pub struct Reload {
        /// Signals at which it is.
        pub on: Vec<ReloadSignal>,
    }
}

words! {
    /// A signal.
    pub enum ReloadSignal {
        /// SIGHUP.
        "hangup" => Hangup,
    }
}
