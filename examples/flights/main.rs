//! A bronze, silver, gold job over the New York departures of January 2013, which checks its own result.
//!
//! Run it with `cargo run --release --example flights`. The data and their source are in `examples/data`.

mod error;
mod bronze;
mod flight;
mod silver;
mod gold;
mod figures;
mod retry;
mod publish;
mod check;
mod summary;

use std::path::Path;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tracing::instrument;

use crate::error::Error;
use crate::gold::Gold;
use crate::silver::Silver;
use crate::summary::Summary;

const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let _guard = ();

    let outcome = run_job(Path::new(DATA))?;
    print!("{}", Summary(&outcome));
    Ok(())
}

/// What a run leaves behind for the summary.
struct Outcome {
    silver: Arc<Silver>,
    gold: Gold,
    figures_checked: usize,
}

#[instrument(name = "flights", skip_all, err)]
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
