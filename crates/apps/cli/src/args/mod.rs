//! What can be typed.

mod examples;
mod runs;
mod config;
mod control;

pub use config::{CheckArgs, ConfigCommand, ExplainArgs};
pub use control::{ClearArgs, CollectorArgs, ControlCommand, DEFAULT_COLLECTOR, GetArgs, SetArgs};
pub use examples::{
    CAT_EXAMPLES, CHECK_EXAMPLES, DIFF_EXAMPLES, EXAMPLES, EXPLAIN_EXAMPLES, GET_EXAMPLES, LS_EXAMPLES,
    RECOVER_EXAMPLES, RUNS_EXAMPLES, SET_EXAMPLES, TREE_EXAMPLES, VERIFY_EXAMPLES,
};
pub use runs::{DEFAULT_JOBS, DiffArgs, RunsArgs, RunsCommand, ShowRunsArgs};

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use spanlake_core::clock::utc_now_ns;
use spanlake_core::{Error, Level, TaskKey};
use spanlake_query::{FieldFilter, Filter, Format, Lake, Status, moment};

/// Shows the tasks, records and runs that a program left in a lake, and what it left in its spool.
#[derive(Debug, Parser)]
#[command(name = "spanlake", version, after_help = EXAMPLES)]
pub struct Args {
    /// What to show.
    #[command(subcommand)]
    pub command: Command,
    /// Use colour: auto, always or never; auto is on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t, hide_possible_values = true)]
    #[arg(hide_default_value = true)]
    pub color: Color,
}

/// What to show.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show tasks as a tree, with their records, outcomes and durations
    #[command(after_long_help = TREE_EXAMPLES)]
    Tree(TreeArgs),
    /// Show records, one a line, in order of time
    #[command(after_long_help = CAT_EXAMPLES)]
    Cat(CatArgs),
    /// Show jobs with their runs: states, rows, times, and why one failed
    #[command(after_long_help = RUNS_EXAMPLES)]
    Runs(RunsArgs),
    /// Put what dead processes left in their spools into the lake, and close their jobs
    #[command(after_long_help = RECOVER_EXAMPLES)]
    Recover(RecoverArgs),
    /// Show or check the crash-proof spools of a lake
    #[command(subcommand)]
    Spool(SpoolCommand),
    /// Check a program's configuration file, or show what holds by it
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Ask running services for other levels, through their collector
    #[command(subcommand)]
    Control(ControlCommand),
}

/// What to do with the spools.
#[derive(Debug, Subcommand)]
pub enum SpoolCommand {
    /// List spools, those of live processes and those left behind
    #[command(after_long_help = LS_EXAMPLES)]
    Ls(SpoolArgs),
    /// Read all segments and check them against their checksums
    #[command(after_long_help = VERIFY_EXAMPLES)]
    Verify(SpoolArgs),
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What `spanlake tree` takes.
#[derive(ClapArgs, Debug)]
pub struct TreeArgs {
    /// Which lake.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Which records.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Unfold only what leads to a task that failed, was cancelled or was interrupted
    #[arg(long, help_heading = "Folding", conflicts_with = "status")]
    pub failed: bool,
    /// Unfold only what leads to a task that succeeded, failed, was cancelled, was interrupted, or is open
    ///
    /// One or more of succeeded, failed, cancelled, interrupted, open, with commas between them.
    #[arg(long, help_heading = "Folding", value_name = "OUTCOME", value_delimiter = ',')]
    #[arg(value_parser = status_parser(), hide_possible_values = true)]
    pub status: Vec<Status>,
    /// Unfold this many levels: 0 shows a line for each root, 1 also what is directly in them
    #[arg(long, help_heading = "Folding", value_name = "N")]
    pub depth: Option<usize>,
    /// Show the values of observed objects, whatever the level, and mark those that their work has changed
    #[arg(long, help_heading = "Output", conflicts_with = "follow")]
    pub values: bool,
    /// Show whole keys, not only the numbers below the root
    #[arg(long, help_heading = "Output")]
    pub keys: bool,
    /// Never fit lines to the width of the terminal
    #[arg(long, help_heading = "Output")]
    pub wide: bool,
    /// Write one JSON document
    #[arg(long, help_heading = "Output", conflicts_with = "follow")]
    pub json: bool,
    /// How long to go on.
    #[command(flatten)]
    pub follow: FollowArgs,
}

/// What `spanlake cat` takes.
#[derive(ClapArgs, Debug)]
pub struct CatArgs {
    /// Which lake.
    #[command(flatten)]
    pub source: SourceArgs,
    /// Which records.
    #[command(flatten)]
    pub filter: FilterArgs,
    /// Write JSON lines with the columns of the lake
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// How long to go on.
    #[command(flatten)]
    pub follow: FollowArgs,
}

/// What `spanlake recover` takes.
#[derive(ClapArgs, Debug)]
pub struct RecoverArgs {
    /// A lake: a folder, or a URL such as s3://bucket/lake, with credentials from the environment
    ///
    /// Records go to the lakes that their processes wrote to, and to this one where such a lake is gone. Jobs are closed
    /// in this one. A bucket has no spools; it needs a program that was built with the feature s3, gcs or azure, and
    /// credentials and settings are taken from the variables AWS_*, GOOGLE_* and AZURE_*.
    pub lake: PathBuf,
    /// The folder of the spools, when it is not `.spool` in the lake
    #[arg(long, value_name = "FOLDER")]
    pub spool: Option<PathBuf>,
    /// Write JSON lines, an object for each spool and each session
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// What `spanlake spool ls` and `spanlake spool verify` take.
#[derive(ClapArgs, Debug)]
pub struct SpoolArgs {
    /// A lake, whose spools are in its folder `.spool`, or the folder of the spools
    pub path: PathBuf,
    /// Write JSON lines, an object for each process
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// Which lake is read.
#[derive(ClapArgs, Debug)]
pub struct SourceArgs {
    /// A lake, a folder with records in it, or one JSONL or Parquet file
    pub path: PathBuf,
    /// Read files of this format only
    ///
    /// Both formats of a lake hold the same records. Without this, JSONL is read where a process left any, else Parquet.
    #[arg(long, value_name = "FORMAT", value_parser = format_parser())]
    pub format: Option<Format>,
}

/// Which records are shown.
#[derive(ClapArgs, Debug)]
#[command(next_help_heading = "Filters")]
pub struct FilterArgs {
    /// Only records that are at least this severe; a tree folds the others, and has INFO as default
    #[arg(long, short, value_name = "LEVEL", ignore_case = true, value_parser = level_parser())]
    pub level: Option<Level>,
    /// Only records whose target starts with this; given again, with any of them
    #[arg(long, value_name = "PREFIX")]
    pub target: Vec<String>,
    /// Only records whose message or error contains this; given again, all of them
    #[arg(long, value_name = "TEXT")]
    pub text: Vec<String>,
    /// Only records with this field, in their own fields or else in the context; given again, all of them
    #[arg(long, value_name = "NAME=VALUE")]
    pub field: Vec<FieldFilter>,
    /// Only records from this moment on: RFC 3339, a date, or a duration before now such as 10m or 2h
    #[arg(long, value_name = "WHEN", value_parser = parse_moment)]
    pub since: Option<i64>,
    /// Only records before this moment
    #[arg(long, value_name = "WHEN", value_parser = parse_moment)]
    pub until: Option<i64>,
    /// Only this task and what lies below it
    #[arg(long, value_name = "KEY")]
    pub task: Option<TaskKey>,
    /// Only tasks with this name and what lies below them
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
}

/// Whether to go on when all was shown.
#[derive(ClapArgs, Debug)]
pub struct FollowArgs {
    /// Show what comes, as it comes, until Ctrl-C
    #[arg(long, short, help_heading = "Output")]
    pub follow: bool,
    /// Follow only this long, such as 10s or 5m
    #[arg(long = "for", help_heading = "Output", value_name = "DURATION", value_parser = moment::parse_duration)]
    #[arg(requires = "follow")]
    pub follow_for: Option<Duration>,
}

// === what it means ===

impl SourceArgs {
    /// The lake that is meant.
    pub fn lake(&self) -> Result<Lake, Error> {
        let lake = Lake::open(&self.path)?;
        Ok(match self.format {
            Some(only) => lake.format(only),
            None => lake,
        })
    }
}

impl FilterArgs {
    /// The filter that is meant.
    pub fn filter(&self) -> Filter {
        let Self { level, target, text, field, since, until, task, name } = self;
        let mut filter = Filter::new();
        filter = target.iter().fold(filter, |filter, prefix| filter.target(prefix));
        filter = text.iter().fold(filter, |filter, part| filter.text(part));
        filter = field.iter().fold(filter, |filter, field| filter.field(field.clone()));
        filter = level.iter().fold(filter, |filter, least| filter.level(*least));
        filter = since.iter().fold(filter, |filter, since_us| filter.since_us(*since_us));
        filter = until.iter().fold(filter, |filter, until_us| filter.until_us(*until_us));
        filter = task.iter().fold(filter, |filter, key| filter.task(key.clone()));
        name.iter().fold(filter, |filter, name| filter.name(name))
    }
}

fn status_parser() -> impl TypedValueParser<Value = Status> {
    PossibleValuesParser::new(Status::ALL.map(Status::as_str)).try_map(|word| word.parse())
}

fn format_parser() -> impl TypedValueParser<Value = Format> {
    PossibleValuesParser::new(Format::ALL.map(Format::as_str)).try_map(|word| word.parse())
}

fn level_parser() -> impl TypedValueParser<Value = Level> {
    PossibleValuesParser::new(["error", "warn", "info", "debug", "trace"]).try_map(|word| word.parse())
}

fn parse_moment(text: &str) -> Result<i64, Error> {
    moment::parse(text, utc_now_ns() / 1_000)
}
