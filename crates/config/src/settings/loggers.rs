//! Loggers and pipelines: which records go where.

use std::time::Duration;

use spanlake_core::LevelFilter;

use super::Processor;
use crate::setting::{Entries, Placed, Scalar};
use crate::table::{Wrong, table};

table! {
    /// What becomes of the records whose target begins with a prefix.
    pub struct Logger {
        /// The most verbose level that is kept; without one, that of the next shorter prefix.
        pub level: Option<LevelFilter>,
        /// Whether records go on to the logger with the next shorter prefix.
        pub propagate: bool = true,
        /// Its sinks; the root has all of them unless it names some or a pipeline.
        pub sinks: Option<Vec<Placed<String>>>,
        /// Its pipelines.
        pub pipelines: Option<Vec<Placed<String>>>,
        /// Steps on all records that come to it, in this order.
        pub processors: Vec<Processor>,
        /// Values bound to all records that come to it.
        pub context: Entries<Scalar>,
    }
}

table! {
    /// Steps that several loggers share, and the sinks behind them.
    pub struct Pipeline {
        /// The most verbose level that it takes.
        pub level: LevelFilter = "TRACE",
        /// Steps, in this order.
        pub processors: Vec<Processor>,
        /// The sinks behind it, at least one.
        pub sinks: Vec<Placed<String>>,
    }
}

table! {
    /// Who is to be more or less verbose than the loggers say: one target, or one task with what is below it.
    pub struct Directive {
        /// A prefix of targets.
        pub target: Option<Placed<String>>,
        /// The name of a task.
        pub task: Option<String>,
        /// The most verbose level.
        pub level: LevelFilter,
        /// How long it holds; without it, until the next reload.
        pub lasts: Option<Placed<Duration>>,
    }
    wrong = wrong_with;
}

fn wrong_with(directive: &Directive) -> Wrong {
    match (&directive.target, &directive.task) {
        (Some(_), None) | (None, Some(_)) => None,
        (Some(_), Some(_)) => Some(("a target and a task at once", "one of `target` and `task`")),
        (None, None) => Some(("nothing says who is to be so verbose", "`target` or `task`")),
    }
}
