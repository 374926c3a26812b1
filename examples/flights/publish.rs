//! Puts the figures where readers look for them, and makes that place when it is not there yet.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tracing::{Span, info, instrument};

use crate::error::Error;
use crate::figures::Figures;
use crate::retry::{Policy, retry};

const POLICY: Policy = Policy { attempts_max: 3, pause: Duration::from_millis(20) };

/// In a folder that nobody has made yet the first attempt fails, as it does for a job on its first day.
#[instrument(skip_all, err, fields(figures = figures.len(), bytes))]
pub(crate) async fn publish_report(figures: &Figures, folder: &Path) -> Result<PathBuf, Error> {
    let path = folder.join("figures.csv");
    let text = figures.to_csv();
    retry(POLICY, || write(&path, &text), |error| make_folder(folder, error)).await?;
    Span::current().record("bytes", text.len());
    info!(figures = figures.len(), bytes = text.len(), "report published");
    Ok(path)
}

async fn write(path: &Path, text: &str) -> Result<(), Error> {
    tokio::fs::write(path, text).await.map_err(|source| Error::Write { path: path.to_owned(), source })
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
