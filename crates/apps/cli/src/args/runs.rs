//! What `spanlake runs` takes.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args as ClapArgs, Subcommand};
use spanlake_query::runs::{RunFilter, RunStatus};

use super::{DIFF_EXAMPLES, parse_moment};
use crate::runs::STRIP_RUNS;

/// Default of `--limit`: how many jobs are shown.
pub const DEFAULT_JOBS: usize = 20;

/// What `spanlake runs` takes.
#[derive(ClapArgs, Debug)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct RunsArgs {
    /// What to do instead of showing them.
    #[command(subcommand)]
    pub command: Option<RunsCommand>,
    /// What to show.
    #[command(flatten)]
    pub show: Option<ShowRunsArgs>,
}

/// What to do with runs, beside showing them.
#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// Show what differs between two jobs: failures, times, rows
    #[command(after_long_help = DIFF_EXAMPLES)]
    Diff(DiffArgs),
}

/// Which runs are shown.
#[derive(ClapArgs, Debug)]
pub struct ShowRunsArgs {
    /// A lake: a folder, or a URL such as s3://bucket/lake, with credentials from the environment
    ///
    /// Buckets need a program that was built with the feature s3, gcs or azure. Credentials and settings are taken from
    /// the variables AWS_*, GOOGLE_* and AZURE_*.
    #[arg(required = true)]
    pub lake: PathBuf,
    /// Only runs of this stage; given again, of any of them
    #[arg(long, value_name = "STAGE", help_heading = "Filters")]
    pub stage: Vec<String>,
    /// Only runs that are pending, running, succeeded, failed or skipped
    ///
    /// One or more of these words, with commas between them.
    #[arg(long, value_name = "STATUS", value_delimiter = ',', help_heading = "Filters")]
    #[arg(value_parser = status_parser(), hide_possible_values = true)]
    pub status: Vec<RunStatus>,
    /// Only runs that failed, or were interrupted
    #[arg(long, help_heading = "Filters", conflicts_with = "status")]
    pub failed: bool,
    /// Only runs of the dataflow with this name or id; with * at its end, of those that begin so; given again, of any
    #[arg(long, value_name = "NAME", help_heading = "Filters")]
    pub dataflow: Vec<String>,
    /// Only jobs that began at this moment or later: RFC 3339, a date, or a duration before now such as 10m or 2h
    #[arg(long, value_name = "WHEN", value_parser = parse_moment, help_heading = "Filters")]
    pub since: Option<i64>,
    /// Only jobs that began before this moment
    #[arg(long, value_name = "WHEN", value_parser = parse_moment, help_heading = "Filters")]
    pub until: Option<i64>,
    /// Only the job with this id, or sessions whose name begins so; given again, any of them
    #[arg(long, value_name = "ID", help_heading = "Filters")]
    pub job: Vec<String>,
    /// Show this many jobs; without it 20, or 30 for strips
    #[arg(long, value_name = "N", help_heading = "Output")]
    pub limit: Option<NonZeroUsize>,
    /// Show all jobs
    #[arg(long, help_heading = "Output", conflicts_with = "limit")]
    pub all: bool,
    /// Show only the last runs of each dataflow, a mark for each
    #[arg(long, help_heading = "Output", conflicts_with = "json")]
    pub strip: bool,
    /// Never fit lines to the width of the terminal
    #[arg(long, help_heading = "Output")]
    pub wide: bool,
    /// Write JSON lines, each job before its runs, with the columns of the lake
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// What `spanlake runs diff` takes.
#[derive(ClapArgs, Debug)]
pub struct DiffArgs {
    /// The first one: a session, a job, `latest`, `previous`, or another lake
    #[arg(value_name = "A")]
    pub first: String,
    /// The second one
    #[arg(value_name = "B")]
    pub second: String,
    /// The lake in which they are looked up: a folder, or a URL, with credentials from the environment
    #[arg(long, default_value = "lake", value_name = "LAKE")]
    pub lake: PathBuf,
    /// Never fit lines to the width of the terminal
    #[arg(long, help_heading = "Output")]
    pub wide: bool,
    /// Write one JSON document
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

// === what it means ===

impl RunsArgs {
    /// Whether lines are left as wide as they are.
    pub(crate) fn is_wide(&self) -> bool {
        match (&self.command, &self.show) {
            (Some(RunsCommand::Diff(args)), _) => args.wide,
            (None, Some(args)) => args.wide,
            (None, None) => false,
        }
    }
}

impl ShowRunsArgs {
    /// The filter that is meant.
    pub fn filter(&self) -> RunFilter {
        let failed = self.failed.then_some(RunStatus::Failed);
        let mut filter = RunFilter::new();
        filter = self.stage.iter().fold(filter, |filter, stage| filter.stage(stage));
        filter = self.status.iter().copied().chain(failed).fold(filter, RunFilter::status);
        filter = self.dataflow.iter().fold(filter, |filter, name| filter.dataflow(name));
        filter = self.since.iter().fold(filter, |filter, since_us| filter.since_us(*since_us));
        filter = self.until.iter().fold(filter, |filter, until_us| filter.until_us(*until_us));
        self.job.iter().fold(filter, |filter, job| filter.job(job))
    }

    /// How many jobs are shown at most.
    pub fn limit(&self) -> usize {
        let default = if self.strip { STRIP_RUNS } else { DEFAULT_JOBS };
        if self.all { usize::MAX } else { self.limit.map_or(default, NonZeroUsize::get) }
    }
}

fn status_parser() -> impl TypedValueParser<Value = RunStatus> {
    PossibleValuesParser::new(RunStatus::ALL.map(RunStatus::as_str)).try_map(|word| word.parse())
}
