//! The command `spanlake`: shows the tree of tasks, the records and the runs of a lake, and the spools of its processes.
//!
//! # What
//!
//! `spanlake tree` prints tasks with their records, `spanlake cat` records as lines. Both take a lake, any folder with
//! records in it, or a single JSONL or Parquet file, finished or growing. `spanlake runs` prints ETL jobs with their runs,
//! and `spanlake runs diff` what differs between two of them. `spanlake recover` puts what dead processes left in their
//! spools into the lake, and closes their jobs; `spanlake spool ls` and `spanlake spool verify` show and check spools, also
//! of live processes, and change nothing.
//!
//! # Flow
//!
//! `args` says what can be typed, `tree`, `cat` and `runs` read through `spanlake-query`, `spool` through `spanlake-core`,
//! `recover` calls `spanlake-lake`, `config` asks
//! `spanlake-config`, `control` a collector, and `screen` writes lines. All text that comes from a lake is escaped where it is put
//! into a `Line`, and nowhere else.
//!
//! # What can be lost
//!
//! What cannot be read is told on stderr, and the rest is shown. On a terminal, lines that are wider than it are cut,
//! except those that explain a failure; `--wide` cuts none.
//!
//! # Features
//!
//! `s3`, `gcs`, `azure`: `runs` and `recover` take a lake in a bucket, by its URL.
//!
//! # Exit codes
//!
//! 0 also when nothing matched or the reader of a pipe went away; 1 when the lake cannot be read, the output cannot be
//! written, a spool that was to be verified is damaged, a configuration is wrong, or a spool or a job could not be recovered as a whole; 2 when the
//! command line is wrong.

#![warn(missing_docs)]

pub mod args;
mod words;
mod line;
mod screen;
mod notes;
mod pairs;
mod json;
mod cat;
mod tree;
mod place;
mod runs;
mod recover;
mod spool;
mod config;
mod control;

use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

use clap::Parser;
use spanlake_core::Error;

use args::{Args, Command};
use notes::Notes;
use screen::Screen;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    keep_quiet_about_damaged_files();
    main_from(std::env::args_os())
}

/// Runs a command line, the name of the program first, and says how it went; output and errors go where they always go.
///
/// ```no_run
/// spanlake_cli::main_from(["spanlake", "tree", "lake", "--failed"]);
/// ```
pub fn main_from<I, T>(words: I) -> ExitCode
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    match Args::try_parse_from(words) {
        Ok(args) => exit_code(run(args)),
        Err(error) => {
            // When even this cannot be printed there is nobody to tell.
            let _ = error.print();
            ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
        }
    }
}

/// Why the command stopped.
enum Failure {
    Lake(Error),
    Output(io::Error),
    /// Something that has been told.
    Told,
}

fn run(args: Args) -> Result<(), Failure> {
    let mut notes = Notes::new();
    match args.command {
        Command::Tree(tree) => {
            let mut screen = Screen::stdout(args.color, tree.wide);
            tree::run(&tree, &mut screen, &mut notes)
        }
        Command::Cat(cat) => {
            let mut screen = Screen::stdout(args.color, true);
            cat::run(&cat, &mut screen, &mut notes)
        }
        Command::Runs(runs) => {
            let mut screen = Screen::stdout(args.color, runs.is_wide());
            runs::run(&runs, &mut screen, &mut notes)
        }
        Command::Recover(recover) => recover::run(&recover, &mut Screen::stdout(args.color, true)),
        Command::Spool(command) => spool::run(&command, &mut Screen::stdout(args.color, true)),
        Command::Config(command) => config::run(&command, &mut Screen::stdout(args.color, true)),
        Command::Control(command) => control::run(&command, &mut Screen::stdout(args.color, true)),
    }
}

fn exit_code(result: Result<(), Failure>) -> ExitCode {
    let error = match result {
        Ok(()) => return ExitCode::SUCCESS,
        // The reader has seen enough, as `head` has.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
        Err(Failure::Output(error)) => Error::io("Screen", "cannot write the output", error),
        Err(Failure::Lake(error)) => error,
        Err(Failure::Told) => return ExitCode::FAILURE,
    };
    notes::print_error(&error);
    ExitCode::FAILURE
}

/// A Parquet file that breaks its decoder is told as damaged; the panic behind it is caught and says nothing more.
fn keep_quiet_about_damaged_files() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !spanlake_query::is_decoding() {
            hook(panic);
        }
    }));
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Lake(error)
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}
