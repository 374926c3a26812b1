//! The settings: what a file can say, each with its default and its documentation.

mod lake;
mod queue;
mod loggers;
mod moment;
mod sinks;
mod renderers;
mod expression;
mod processors;
mod records;
mod etl;
pub mod collector;
mod addresses;
mod jetstream;

pub use etl::{Etl, Label, Lineage, LineageFile, LineageHttp, Store};
pub use expression::Expression;
pub use lake::{Lake, Limits};
pub use loggers::{Directive, Logger, Pipeline};
pub use moment::Moment;
pub use processors::{
    AddCallsite, AddDefaults, CallsiteParameter, FilterByContext, FilterByLevel, FilterByTarget, FilterByTime,
    FilterKeys, Processor, RedactFields, Rename,
};
pub use queue::{Block, End, Policy, Queue, Reload, ReloadSignal, Shutdown, Spool};
pub use records::{FlightRecorder, FoldRepeats, HeldLevel, Redact};
pub use renderers::{
    Bound, Color, Lifecycle, LogfmtLines, Pattern, PatternLines, PrettyLines, Renderer, TextLines, TreeLines,
};
pub use sinks::{
    Common, Compression, Existing, FileSink, JsonlSink, ParquetSink, RollingFileSink, Sink, SinkKind, StreamSink,
    SystemLogSink,
};

use spanlake_core::LevelFilter;

use crate::check::check;
use crate::config::{Effective, Whole};
use crate::fault::Fault;
use crate::node::Value;
use crate::setting::{Entries, Placed, Reserved, Toggle};
use crate::source::Origin;
use crate::table::table;

table! {
    /// What a program's spanlake does: where records go, which, and how they get there.
    pub struct Settings {
        /// The service's name, a column of every record.
        pub service: Option<String>,
        /// How much is told, of sinks that do not say it themselves.
        pub levels: Levels,
        /// Who is to be more or less verbose than that from the start, by target or by task.
        pub verbosity: Vec<Directive>,
        /// Which parts there are.
        pub layers: Layers,
        /// Where the lake is and how large it gets.
        pub lake: Lake,
        /// The way between the threads that record and the sinks.
        pub queue: Queue,
        /// How it ends.
        pub shutdown: Shutdown,
        /// When this file is read again.
        pub reload: Reload,
        /// What is replaced before a record is stored anywhere.
        pub redact: Redact,
        /// Steps on all records, in this order, in front of loggers and sinks.
        pub processors: Vec<Processor>,
        /// What becomes of records by their target: the longest prefix decides, then `root`.
        pub loggers: Entries<Logger>,
        /// Steps that several loggers share, under a name.
        pub pipelines: Entries<Pipeline>,
        /// Where records end, under names.
        pub sinks: Placed<Entries<Sink>> = default_sinks(),
        /// Holds back what is verbose, and writes it when the task fails.
        pub flight_recorder: Toggle<FlightRecorder>,
        /// Makes one record of many that repeat.
        pub fold_repeats: Toggle<FoldRepeats>,
        /// Rows for runs and jobs.
        pub etl: Toggle<Etl>,
        /// Sending records to a collector. Reserved: not available in this version.
        pub publish: Reserved,
    }
}

table! {
    /// How much is told, of sinks that do not say it themselves.
    pub struct Levels {
        /// The most verbose level of sinks that people watch: `stdout` and `stderr`.
        pub console: LevelFilter = "INFO",
        /// The most verbose level of all other sinks.
        pub files: LevelFilter = "DEBUG",
    }
}

table! {
    /// Which parts there are.
    pub struct Layers {
        /// Whether events and tasks are recorded.
        pub capture: bool = true,
        /// Whether `etl` counts, when it is there.
        pub etl: bool = true,
        /// Whether records of the crate `log` are taken in.
        pub log: bool = true,
        /// Whether tasks say what a panic said.
        pub panics: bool = true,
        /// Whether the task that the environment names is continued.
        pub carrier: bool = true,
    }
}

/// What `spanlake::init()` has: a console, and the lake in both formats.
fn default_sinks() -> Value {
    let kind = |kind: &str| Value::map([("kind", Value::from(kind))]);
    Value::map([("console", kind("stderr")), ("jsonl", kind("jsonl")), ("parquet", kind("parquet"))])
}

impl Settings {
    /// The most verbose level that a sink gets.
    pub fn level_of(&self, sink: &Sink) -> LevelFilter {
        sink.common.level.unwrap_or_else(|| self.level_source(sink).1)
    }

    /// The key, and what it says, that decides for a sink which does not say it itself.
    pub(crate) fn level_source(&self, sink: &Sink) -> (&'static str, LevelFilter) {
        if sink.is_console() { ("levels.console", self.levels.console) } else { ("levels.files", self.levels.files) }
    }
}

impl Whole for Settings {
    const TITLE: &'static str = "spanlake";

    fn check(&self) -> Vec<Fault> {
        check(self)
    }

    /// The level of a sink that does not say it itself.
    fn inherited(&self, key: &str, value: &str) -> Option<Effective> {
        let name = key.strip_prefix("sinks.")?.strip_suffix(".level").filter(|_| value == "none")?;
        let (from, level) = self.level_source(self.sinks.get(name)?);
        Some(Effective {
            key: key.to_owned(),
            value: level.to_string().to_uppercase(),
            origin: Origin::Setting { key: from.to_owned() },
        })
    }
}
