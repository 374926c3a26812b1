//! What `spanlake control` takes.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args as ClapArgs, Subcommand};
use spanlake_core::{Directive, Directives, Error};
use spanlake_query::moment;

use super::{GET_EXAMPLES, SET_EXAMPLES};

/// The collector that is asked when nobody says which.
pub const DEFAULT_COLLECTOR: &str = "http://127.0.0.1:4600";

/// What to do with the levels that services are asked to record at.
#[derive(Debug, Subcommand)]
pub enum ControlCommand {
    /// Ask a service to be more or less verbose, by target and by task, in place of what was asked before
    #[command(after_long_help = SET_EXAMPLES)]
    Set(SetArgs),
    /// Show what a service is asked for, or all that are asked for anything
    #[command(after_long_help = GET_EXAMPLES)]
    Get(GetArgs),
    /// Ask a service for nothing any more
    Clear(ClearArgs),
}

/// Which collector.
#[derive(ClapArgs, Debug)]
pub struct CollectorArgs {
    /// The collector's address
    #[arg(long, value_name = "URL", default_value = DEFAULT_COLLECTOR)]
    pub collector: String,
    /// A file with the token that opens it; without one, SPANLAKE_TOKEN in the environment
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// A file of PEM certificates to trust in place of the machine's, for https://
    #[arg(long, value_name = "FILE")]
    pub roots: Option<PathBuf>,
    /// A PEM file with a certificate to show, for a collector that lets nobody in without one
    #[arg(long, value_name = "FILE", requires = "key")]
    pub certificate: Option<PathBuf>,
    /// Its private key
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,
}

/// What `spanlake control set` takes.
#[derive(ClapArgs, Debug)]
pub struct SetArgs {
    /// Which service
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub service: String,
    /// Directives: a level, target=level, with /10m behind it for one that ends by itself
    #[arg(value_name = "DIRECTIVE", required_unless_present = "task")]
    pub directives: Vec<Directives>,
    /// A task's level, by name or by key: task=level
    #[arg(long, value_name = "TASK=LEVEL", value_parser = task_directive)]
    pub task: Vec<Directive>,
    /// How long those last that do not say it
    #[arg(long = "for", value_name = "DURATION", value_parser = moment::parse_duration)]
    pub lasts: Option<Duration>,
    /// Which collector.
    #[command(flatten)]
    pub collector: CollectorArgs,
}

/// What `spanlake control get` takes.
#[derive(ClapArgs, Debug)]
pub struct GetArgs {
    /// Which service; without one, all that are asked for anything
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub service: Option<String>,
    /// Write JSON as the collector says it
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Which collector.
    #[command(flatten)]
    pub collector: CollectorArgs,
}

/// What `spanlake control clear` takes.
#[derive(ClapArgs, Debug)]
pub struct ClearArgs {
    /// Which service
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub service: String,
    /// Which collector.
    #[command(flatten)]
    pub collector: CollectorArgs,
}

impl SetArgs {
    /// All of them.
    pub fn all(&self) -> Directives {
        let listed = self.directives.iter().flat_map(|directives| directives.iter().cloned());
        listed.chain(self.task.iter().cloned()).collect()
    }
}

fn task_directive(text: &str) -> Result<Directive, Error> {
    format!("task={text}").parse()
}
