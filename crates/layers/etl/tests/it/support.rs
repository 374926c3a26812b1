//! A job on a lake of its own, and what it left there.

use std::path::{Path, PathBuf};

use spanlake_etl::{EtlLayer, EtlLayerBuilder, Job, JobReport, JobRow, RunRow};
use spanlake_lake::runs::{Line, Row, parse_line, read_table};
use tempfile::TempDir;
use tracing_subscriber::prelude::*;

/// A lake that goes with its value.
pub(crate) struct Lake {
    folder: TempDir,
}

/// What a job left.
#[derive(Debug)]
pub(crate) struct Left {
    /// The runs of the log, and of the Parquet file.
    pub(crate) logged: Vec<RunRow>,
    pub(crate) runs: Vec<RunRow>,
    /// The job's lines in the log, and its rows in Parquet.
    pub(crate) summaries: Vec<JobRow>,
    pub(crate) jobs: Vec<JobRow>,
}

impl Lake {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    pub(crate) fn builder(&self) -> EtlLayerBuilder {
        EtlLayer::builder(self.path())
    }

    /// Runs `work` as a job, and finishes it.
    pub(crate) fn job(&self, work: impl FnOnce(&Job)) -> (JobReport, Left) {
        let (layer, job) = self.builder().build().expect("a lake");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || work(&job));
        let report = job.finish().expect("a lake that can be written to");
        (report, self.left())
    }

    pub(crate) fn left(&self) -> Left {
        let mut left = Left { logged: vec![], runs: vec![], summaries: vec![], jobs: vec![] };
        for path in files(&self.path()) {
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            if name.starts_with("job_summary_") {
                left.jobs.extend(table::<JobRow>(&path));
            } else if name.starts_with("dataflow_") {
                left.runs.extend(table::<RunRow>(&path));
            } else if name.ends_with(".jsonl") {
                for line in std::fs::read(&path).expect("a log").split_inclusive(|byte| *byte == b'\n') {
                    match parse_line(line).expect("a line") {
                        Line::Run(run) => left.logged.push(*run),
                        Line::Job(job) => left.summaries.push(*job),
                    }
                }
            }
        }
        left
    }
}

impl Left {
    /// The only run.
    pub(crate) fn run(&self) -> &RunRow {
        assert_eq!(self.runs.len(), 1, "{:#?}", self.runs);
        &self.runs[0]
    }

    pub(crate) fn named(&self, name: &str) -> &RunRow {
        self.runs.iter().find(|run| run.dataflow_name.as_deref() == Some(name)).expect("a run of this name")
    }
}

/// All files below a folder, in order.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

fn table<R: Row>(path: &Path) -> Vec<R> {
    read_table(std::fs::read(path).expect("a file")).expect("a table")
}
