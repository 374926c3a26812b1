//! What `spanlake config` takes.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

use super::{CHECK_EXAMPLES, EXPLAIN_EXAMPLES};

/// What to do with a configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Tell everything that is wrong with files
    #[command(after_long_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Show what holds by a file, and who said so
    #[command(after_long_help = EXPLAIN_EXAMPLES)]
    Explain(ExplainArgs),
    /// Print the JSON Schema of configuration files
    Schema,
}

/// What `spanlake config check` takes.
#[derive(ClapArgs, Debug)]
pub struct CheckArgs {
    /// Files that end in .yaml, .yml, .toml or .json
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Take SPANLAKE_* of the environment in, as programs do that ask for it
    #[arg(long)]
    pub env: bool,
}

/// What `spanlake config explain` takes.
#[derive(ClapArgs, Debug)]
pub struct ExplainArgs {
    /// A file that ends in .yaml, .yml, .toml or .json
    pub file: PathBuf,
    /// Only this key and what lies below it, such as sinks.console
    pub key: Option<String>,
    /// Take SPANLAKE_* of the environment in, as programs do that ask for it
    #[arg(long)]
    pub env: bool,
    /// Leave defaults out
    #[arg(long)]
    pub set: bool,
    /// Write JSON lines, an object for each value
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}
