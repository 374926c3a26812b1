//! Puts the figures where readers look for them, and makes that place when it is not there yet.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use spanlake::prelude::Run;
use tracing::{info, instrument};

use crate::error::Error;
use crate::figures::Figures;
use crate::retry::{Policy, retry};

const POLICY: Policy = Policy { attempts_max: 3, pause: Duration::from_millis(20) };

/// Figures of a part, as a job writes them that does not hold all of them at once.
const FIGURES_PER_PART: usize = 50;

/// In a folder that nobody has made yet the first attempt fails, as it does for a job on its first day.
#[instrument(skip_all, err, fields(etl.dataflow = "report", etl.stage = "gold", figures = figures.len()))]
pub(crate) async fn publish_report(figures: &Figures, folder: &Path) -> Result<(), Error> {
    let parts = figures.to_csv_parts(FIGURES_PER_PART);
    retry(POLICY, || write(&parts, folder), |error| make_folder(folder, error)).await?;
    Run::current().rows_read(figures.len() as u64);
    info!(figures = figures.len(), parts = parts.len(), "report published");
    Ok(())
}

#[instrument(name = "destination", skip_all, err(level = "warn"), fields(etl.path = "figures", etl.format = "csv"))]
async fn write(parts: &[String], folder: &Path) -> Result<(), Error> {
    let run = Run::current();
    for (number, part) in parts.iter().enumerate() {
        let path = folder.join(format!("figures-{number:03}.csv"));
        let failed = |source| Error::Write { path: path.clone(), source };
        tokio::fs::write(&path, part).await.map_err(failed)?;
        run.files_added(1);
        run.bytes_added(part.len() as u64);
        run.rows_written(part.lines().skip(1).count() as u64);
    }
    Ok(())
}

#[instrument(skip_all, err)]
fn make_folder(folder: &Path, cause: &Error) -> Result<(), Error> {
    match cause {
        Error::Write { source, .. } if source.kind() == ErrorKind::NotFound => {
            fs::create_dir_all(folder).map_err(|source| Error::Write { path: folder.to_owned(), source })
        }
        // Anything else may pass by itself.
        _ => Ok(()),
    }
}
