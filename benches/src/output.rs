//! Counting what a peer left in its folder.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use crate::Result;

/// What was found after a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Output {
    /// Records of the work itself, without those of its contexts.
    pub records: u64,
    /// Bytes of all files.
    pub bytes: u64,
}

/// Counts the lines with `marker` in all files under `folder`.
pub fn lines(folder: &Path, marker: &str) -> Result<Output> {
    let mut output = Output::default();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let found = if path.is_dir() { lines(&path, marker)? } else { lines_of_file(&path, marker)? };
        output.records += found.records;
        output.bytes += found.bytes;
    }
    Ok(output)
}

/// All files under `folder`.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { files.extend(self::files(&path)?) } else { files.push(path) }
    }
    Ok(files)
}

fn lines_of_file(path: &Path, marker: &str) -> Result<Output> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut records = 0;
    for line in BufReader::with_capacity(1 << 20, file).split(b'\n') {
        records += u64::from(String::from_utf8_lossy(&line?).contains(marker));
    }
    Ok(Output { records, bytes })
}
