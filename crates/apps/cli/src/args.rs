//! What can be typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use spanlake_core::clock::utc_now_ns;
use spanlake_core::{Error, Level, TaskKey};
use spanlake_query::{FieldFilter, Filter, Format, Lake, Status, moment};

/// The examples of `spanlake --help`.
pub const EXAMPLES: &str = "\
Examples:
  spanlake tree lake                     tasks, with their records from INFO on
  spanlake tree lake --failed            what went wrong last night
  spanlake tree lake --follow            a job that is running
  spanlake cat lake --level warn         warnings and errors, one a line
  spanlake cat lake --json > all.jsonl   everything, one JSON object a line
  spanlake spool ls lake                 crash-proof spools, and what was left
  spanlake recover lake                  what killed processes left behind

`spanlake tree --help` and so on have more.";

/// The examples of `spanlake tree --help`.
pub const TREE_EXAMPLES: &str = "\
How to read it:
  ✓ succeeded   ✗ failed   ⊘ cancelled   ! interrupted: its process went away
  ▸ open: no end was seen   ? not seen: known only from the tasks below it
  The records of a task stand by their number, never by a clock, and a subtask
  stands where it began. Times are UTC. (+120 debug) counts records below the
  level, (+12 tasks, 340 records) what is folded away.

Examples:
  spanlake tree lake
      all tasks, with their records from INFO on
  spanlake tree lake --failed
      only what leads to a failure is unfolded
  spanlake tree lake --failed --level debug
      the same, with all that was recorded around it
  spanlake tree lake --status open
      what is still running, or hangs
  spanlake tree lake --depth 1
      each root with its records, and a line for each of its subtasks
  spanlake tree lake --since 2h --text timeout
      the tasks in which something timed out lately
  spanlake tree lake --name load --field table=orders
      the tasks called `load`, where they touch one table
  spanlake tree lake --task e252a11f-d33d-483d-ba08-bc8f642b2f10/1/2
      one task and what lies below it
  spanlake tree lake --follow
      the tree of now, then what comes, as it comes
  spanlake tree lake --json
      one JSON document with tasks, records and a summary
  spanlake tree run.jsonl
      a single file";

/// The examples of `spanlake cat --help`.
pub const CAT_EXAMPLES: &str = "\
Examples:
  spanlake cat lake
      all records in order of time
  spanlake cat lake --level warn --since 10m
      what is wrong just now
  spanlake cat lake --target flights::silver --text rejected
      what one module says about it
  spanlake cat lake --task e252a11f-d33d-483d-ba08-bc8f642b2f10
      one root task and all below it
  spanlake cat lake --follow --since 0s
      only what comes from now on
  spanlake cat lake --format parquet --json
      the Parquet files as JSON lines";

/// The examples of `spanlake spool ls --help`.
pub const LS_EXAMPLES: &str = "\
How to read it:
  ▸ live: its process runs, or somebody is recovering it
  ! orphaned: its process is gone; recovery puts the rest into the lake
  ✗ damaged: it has no ledger, or one that cannot be read
  ⊘ quarantine: what recovery could not read, kept for people to look at
  A line tells the process, its segments, when it began and what its sinks are.
  Live processes keep a few segments ready that nothing is in yet.

Examples:
  spanlake spool ls lake
      the spools in lake/.spool, the newest process first
  spanlake spool ls fast-disk/spool
      those in another folder
  spanlake spool ls lake --json
      one JSON object for each process

Exit code:
  0 also when there is none; 1 when something cannot be read";

/// The examples of `spanlake spool verify --help`.
pub const VERIFY_EXAMPLES: &str = "\
How to read it:
  whole        every frame matches its checksum
  open         it was being written, or is, and has room behind that place
  blank        nothing was written into it
  damaged      what stands behind that place cannot be read
  in the lake  the sinks have it, and recovery passes it over
  Records are counted with statements of loss. Nothing is changed.

Examples:
  spanlake spool verify lake
      every segment of every spool, against its checksums
  spanlake spool verify lake --json
      one JSON object for each process, with its segments

Exit code:
  0 when nothing is damaged; 1 when something is, or cannot be read";

/// The examples of `spanlake recover --help`.
pub const RECOVER_EXAMPLES: &str = "\
How to read it:
  ✓ all of it is in the lake, and the spool is gone
  ! what stood before the damage is in the lake; a copy of each damaged segment
    is in quarantine, and the spool is gone
  ✗ nothing of it could be recovered, for the reason that is told
  Tasks that were open end as interrupted. Spools of live processes are left
  alone. It may be killed and run again, by several at once: each record comes
  into the lake once.

Examples:
  spanlake recover lake
      what dead processes left in lake/.spool
  spanlake recover lake --spool fast-disk/spool
      what they left in another folder
  spanlake recover lake --json
      one JSON object for each process

Exit code:
  0 when all was recovered, or nothing was there; 1 when something could not be";

/// Shows the tasks and records that a program left in a lake, and what it left in its spool.
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
    /// Put what dead processes left in their spools into the lake
    #[command(after_long_help = RECOVER_EXAMPLES)]
    Recover(RecoverArgs),
    /// Show or check the crash-proof spools of a lake
    #[command(subcommand)]
    Spool(SpoolCommand),
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
    /// A lake; records go to the lakes that their processes wrote to, and to this one where such a lake is gone
    pub lake: PathBuf,
    /// The folder of the spools, when it is not `.spool` in the lake
    #[arg(long, value_name = "FOLDER")]
    pub spool: Option<PathBuf>,
    /// Write JSON lines, an object for each process
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
