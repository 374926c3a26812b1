//! The work every peer is given: the same records inside the same contexts.

use std::{fmt, time::Duration};

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// Value of `user` in the outer context, `job`.
pub const USER: &str = "ada";

/// Value of `table` in the inner context, `load`; peers with flat records call it `load_table`.
pub const LOAD_TABLE: &str = "orders";

/// Value of `attempt` in the inner context, `load`.
pub const ATTEMPT: u64 = 1;

/// How many events a burst has.
pub const BURST_LEN: u64 = 2_000;

/// How long a caller rests after a burst, so that the background catches up.
pub const BURST_PAUSE: Duration = Duration::from_millis(20);

/// Values of a record's own `table`, in turn; all of one length, so that bytes a record compare.
const TABLES: [&str; 4] = ["orders", "claims", "routes", "prices"];

/// What a peer is asked to do, many times over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// INFO events with three fields inside two contexts, at full speed.
    Events,
    /// The same events in bursts, with a pause after each.
    Burst,
    /// Create, enter and close a span with one field, under one root.
    Spans,
    /// DEBUG events while the level is INFO.
    Disabled,
}

impl Work {
    /// How many operations make a run long enough to measure.
    pub fn count_default(self) -> u64 {
        match self {
            Work::Events | Work::Spans => 1_000_000,
            Work::Burst => 200_000,
            Work::Disabled => 100_000_000,
        }
    }

    /// The peer whose cost the others are divided into.
    pub fn yardstick(self) -> &'static str {
        match self {
            Work::Events | Work::Burst | Work::Disabled => "tracing-json-nb",
            Work::Spans => "tracing-json-new-close",
        }
    }

    /// The text by which a line of this work is told from the lines of its contexts.
    pub fn marker(self) -> &'static str {
        match self {
            Work::Events | Work::Burst | Work::Disabled => "wrote batch",
            Work::Spans => "step",
        }
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Work::Events => "events",
            Work::Burst => "burst",
            Work::Spans => "spans",
            Work::Disabled => "disabled",
        })
    }
}

/// The fields of one event.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// A number that grows.
    pub rows: u64,
    /// A short string.
    pub table: &'static str,
    /// A flag, mostly true.
    pub ok: bool,
}

impl Row {
    /// The fields of event `n`.
    #[inline]
    pub fn nth(n: u64) -> Self {
        Self { rows: n, table: TABLES[(n % 4) as usize], ok: !n.is_multiple_of(16) }
    }
}
