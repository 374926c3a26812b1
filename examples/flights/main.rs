//! A bronze, silver, gold job over the New York departures of January 2013, which checks its own result.
//!
//! Run it with `cargo run --release -p spanlake-examples --example flights`. The data and their source are in `examples/data`. It leaves its
//! records and the rows of its runs in `./lake`, and prints the tree of its tasks and its runs from there.

mod error;
mod bronze;
mod flight;
mod silver;
mod gold;
mod figures;
mod retry;
mod publish;
mod maintenance;
mod check;
mod summary;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use spanlake::etl::Stem;
use spanlake::prelude::{EtlLayer, LevelFilter};
use spanlake::{DEFAULT_LAKE, Task, TaskKey};
use tokio::runtime::Runtime;
use tracing::info_span;

use crate::error::Error;
use crate::gold::Gold;
use crate::silver::Silver;
use crate::summary::Summary;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data");

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    // The hundreds of odd rows are warnings in the lake; on the console the tree says enough.
    let (etl, job) = EtlLayer::builder(DEFAULT_LAKE).job_id("flights").engine_name("plain Rust").build()?;
    let guard = spanlake::builder().console(LevelFilter::ERROR).etl(etl).init()?;

    let root = info_span!("flights");
    let task = Task::of(&root).ok_or("the layers are set up, so every span has a task")?;
    let outcome = root.in_scope(|| run_job(Path::new(DATA))).inspect_err(|error| task.fail(error));
    drop(root);

    let runs = job.finish()?;
    let report = guard.shutdown(Duration::from_secs(30))?;
    let shown = [show_tree(&task.key()), show_runs(&runs.session)];
    print!("{}", Summary(&outcome?));
    println!("\n{report}\n{runs}");
    let is_well = report.is_complete() && runs.is_complete() && shown == [ExitCode::SUCCESS; 2];
    Ok(if is_well { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints the upper part of this job's tree, as `spanlake tree lake --task <key> --depth 2` does.
fn show_tree(key: &TaskKey) -> ExitCode {
    spanlake_cli::main_from(["spanlake", "tree", DEFAULT_LAKE, "--task", &key.to_string(), "--depth", "2"])
}

/// Prints this job's runs, as `spanlake runs lake --job <session>` does.
fn show_runs(session: &Stem) -> ExitCode {
    spanlake_cli::main_from(["spanlake", "runs", DEFAULT_LAKE, "--job", session.as_str()])
}

/// What a run leaves behind for the summary.
struct Outcome {
    silver: Arc<Silver>,
    gold: Gold,
    figures_checked: usize,
}

fn run_job(data: &Path) -> Result<Outcome, Error> {
    // A new folder per run: runs never meet each other's report, and nothing stays behind once it is checked.
    let output = tempfile::tempdir().map_err(Error::Prepare)?;
    let raw = bronze::run(data)?;
    let silver = Arc::new(silver::run(&raw)?);
    let runtime = Runtime::new().map_err(Error::Prepare)?;
    let (gold, report) = runtime.block_on(gold::run(Arc::clone(&silver), &output.path().join("gold")))?;
    let figures_checked = check::run(&report, &data.join("expected.csv"))?;
    Ok(Outcome { silver, gold, figures_checked })
}
