//! Looks after the report: the parts that it was written in become one file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use spanlake::prelude::Run;
use tracing::{info, instrument};

use crate::error::Error;
use crate::figures::HEADER;

/// Puts the parts together under one header and removes them. Gives the file.
#[instrument(skip_all, err, fields(etl.dataflow = "report", etl.stage = "gold", etl.operation = "maintenance"))]
pub(crate) fn compact(folder: &Path) -> Result<PathBuf, Error> {
    let report = folder.join("figures.csv");
    let parts = parts(folder).map_err(Error::Compact)?;
    let text = merge(&parts).map_err(Error::Compact)?;
    fs::write(&report, &text).map_err(Error::Compact)?;
    let run = Run::current();
    run.files_added(1);
    run.bytes_added(text.len() as u64);
    for part in &parts {
        run.bytes_removed(fs::metadata(part).map_or(0, |part| part.len()));
        fs::remove_file(part).map_err(Error::Compact)?;
        run.files_removed(1);
    }
    info!(parts = parts.len(), "report compacted");
    Ok(report)
}

fn parts(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut parts = entries.collect::<io::Result<Vec<_>>>()?;
    parts.sort();
    Ok(parts)
}

fn merge(parts: &[PathBuf]) -> io::Result<String> {
    let mut text = format!("{HEADER}\n");
    for part in parts {
        let part = fs::read_to_string(part)?;
        text.extend(part.lines().skip(1).flat_map(|line| [line, "\n"]));
    }
    Ok(text)
}
