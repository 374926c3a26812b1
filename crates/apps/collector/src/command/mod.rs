//! The command `spanlaked`.

mod queue;
mod files;
mod run;
mod watch;

use std::error::Error as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args as ClapArgs, Parser, Subcommand};
use spanlake_core::Error;
use spanlake_core::render::escape::Escaped;

/// Takes records of many processes over the network, keeps them on disk, and hands them to plugins.
#[derive(Debug, Parser)]
#[command(name = "spanlaked", version)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Collect, until SIGTERM or SIGINT
    Run(ConfigArgs),
    /// Tell everything that is wrong with a configuration file; tokens and certificates are read, and nothing else opened
    Check(ConfigArgs),
    /// Print the JSON Schema of configuration files
    Schema,
    /// Show, check or repair what waits on the disk
    #[command(subcommand)]
    Queue(QueueCommand),
}

/// Which configuration.
#[derive(ClapArgs, Debug)]
pub struct ConfigArgs {
    /// A file that ends in .yaml, .yml, .toml or .json
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// Take SPANLAKE_* of the environment in
    #[arg(long)]
    pub env: bool,
}

/// What to do with the queue.
#[derive(Debug, Subcommand)]
pub enum QueueCommand {
    /// List the files, and how far each plugin is; also while the collector runs
    Ls(FolderArgs),
    /// Read everything and check it against its checksums; also while the collector runs
    Verify(FolderArgs),
    /// Put what is damaged aside, and keep what can be read; not while the collector runs
    Repair(FolderArgs),
}

/// Which queue.
#[derive(ClapArgs, Debug)]
pub struct FolderArgs {
    /// The folder of the queue
    pub folder: PathBuf,
}

/// Why the command stopped.
enum Failure {
    Wrong(Error),
    /// Something that has been told.
    Told,
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => run::check(&args),
        Command::Schema => run::schema(),
        Command::Queue(command) => queue::run(&command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Told) => ExitCode::FAILURE,
        Err(Failure::Wrong(error)) => {
            tell(&error);
            ExitCode::FAILURE
        }
    }
}

/// The code, the message, and the causes indented, on standard error.
fn tell(error: &Error) {
    let mut text = format!("spanlaked: {}: {}", error.code(), Escaped(&error.to_string()));
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!("\n  caused by: {}", Escaped(&cause.to_string())));
        next = cause.source();
    }
    say_to(&mut std::io::stderr(), &text);
}

/// A closed output must not end the daemon, as `println!` would.
fn say_to(out: &mut dyn std::io::Write, line: &str) {
    let _ = writeln!(out, "{line}");
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Wrong(error)
    }
}
