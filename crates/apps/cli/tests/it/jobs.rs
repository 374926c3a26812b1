//! Lakes with run logs, written as the library writes them, with times that stay the same.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use spanlake_lake::Partition;
use spanlake_lake::runs::lineage::Destination;
use spanlake_lake::runs::{JobRow, RunRow, RunStatus, Session, SessionFile, SessionOptions, Stem, Tally, put_line};
use spanlake_lake::store::Store;

use crate::lake::{Lake, ROOT};

/// 2026-11-20T13:14:10Z
pub(crate) const START_US: i64 = 1_795_180_450_000_000;

const DAY_US: i64 = 86_400_000_000;

/// A job that is put together run by run.
pub(crate) struct Job {
    pub(crate) row: JobRow,
    pub(crate) runs: Vec<RunRow>,
}

impl Job {
    /// A job that began so many days after [`START_US`].
    pub(crate) fn new(id: &str, day: i64) -> Self {
        let mut row = JobRow::default();
        (row.job_id, row.job_num, row.job_index) = (Some(id.to_owned()), Some(1), Some(0));
        row.start_time = Some(START_US + day * DAY_US);
        Self { row, runs: Vec::new() }
    }

    /// Adds a run that took so many seconds, read and wrote so many rows.
    pub(crate) fn run(self, dataflow: &str, stage: &str, status: RunStatus, seconds: f64, rows: [i64; 2]) -> Self {
        self.run_with(dataflow, stage, status, seconds, rows, |_| {})
    }

    pub(crate) fn run_with(
        mut self,
        dataflow: &str,
        stage: &str,
        status: RunStatus,
        seconds: f64,
        rows: [i64; 2],
        change: impl FnOnce(&mut RunRow),
    ) -> Self {
        let mut run = RunRow::new(dataflow).status(status);
        let number = self.runs.len() + 1;
        run.job_id = self.row.job_id.clone();
        run.stage = Some(stage.to_owned());
        run.operation_type = Some("etl".to_owned());
        run.dataflow_run_id = Some(format!("{}-{number}", self.stem()));
        run.task_key = Some(format!("{ROOT}/{number}"));
        run.start_time = self.row.start_time;
        run.duration_seconds = Some(seconds);
        run.end_time = self.row.start_time.map(|start_us| start_us.saturating_add((seconds * 1e6) as i64));
        (run.source_rows_read, run.destination_rows_written) = (Some(rows[0]), Some(rows[1]));
        change(&mut run);
        self.runs.push(run);
        self
    }

    pub(crate) fn stem(&self) -> Stem {
        let row = &self.row;
        Stem::new(row.start_time.expect("a start"), 1, 0, row.job_id.as_deref().expect("an id"))
    }

    /// The job as it ends.
    fn summary(&self) -> JobRow {
        let (mut tally, mut row) = (Tally::default(), self.row.clone());
        self.runs.iter().for_each(|run| tally.add(run));
        tally.fill(&mut row);
        let seconds = self.runs.iter().filter_map(|run| run.duration_seconds).sum();
        row.duration_seconds = Some(seconds);
        row.end_time = row.start_time.map(|start_us| start_us.saturating_add((seconds * 1e6) as i64));
        row
    }

    /// Puts its log, with its summary, into a lake.
    pub(crate) fn put(&self, lake: &Lake) -> PathBuf {
        let mut log = Vec::new();
        self.runs.iter().for_each(|run| put_line(&mut log, run));
        put_line(&mut log, &self.summary());
        self.put_bytes(lake, &log)
    }

    /// Puts a log with this content.
    pub(crate) fn put_bytes(&self, lake: &Lake, log: &[u8]) -> PathBuf {
        let partition = Partition::default().folder(self.row.start_time.expect("a start"));
        let path = lake.path().join(self.stem().path(&partition, SessionFile::Log(0)));
        fs::create_dir_all(path.parent().expect("a folder")).expect("create");
        fs::write(&path, log).expect("write");
        path
    }

    /// Begins it, adds its runs and notes those that are open; it does not end.
    pub(crate) fn begin(&self, lake: &Lake, open: Vec<RunRow>, lineage: Option<&str>) -> Session {
        self.begin_in(Store::folder(lake.path()), open, lineage)
    }

    /// The same in any place.
    pub(crate) fn begin_in(&self, store: Store, open: Vec<RunRow>, lineage: Option<&str>) -> Session {
        let options = SessionOptions {
            job: self.row.clone(),
            partition: Partition::default(),
            interval: Duration::from_secs(60),
            lineage: lineage.map(|place| Destination::new(place, "spanlake")),
        };
        let mut session = Session::begin(store, options).expect("begin");
        self.runs.iter().for_each(|run| session.add(run).expect("add"));
        session.beat(open).expect("write");
        session
    }

    /// Begins it and lets its process be gone.
    pub(crate) fn kill(&self, lake: &Lake, open: Vec<RunRow>, lineage: Option<&str>) {
        drop(self.begin(lake, open, lineage));
        self.bury(&mut Store::folder(lake.path()));
    }

    /// Lets its process be gone, last heard of ten minutes after it began.
    pub(crate) fn bury(&self, store: &mut Store) {
        let heard_us = self.row.start_time.expect("a start") + 600_000_000;
        self.change_marker(store, |marker| {
            (marker["heard_us"], marker["process"]["started"]) = (heard_us.into(), 1.into());
            (marker["process"]["host"], marker["process"]["pid"]) = ("obelix".into(), 6156.into());
        });
    }

    /// Changes what is known of it while it is not closed.
    pub(crate) fn change_marker(&self, store: &mut Store, change: impl FnOnce(&mut serde_json::Value)) {
        let path = format!(".sessions/{}.json", self.stem());
        let marker = store.read(&path).expect("read").expect("a marker");
        let mut marker = serde_json::from_slice(&marker).expect("JSON");
        change(&mut marker);
        store.put(&path, marker.to_string().as_bytes()).expect("put");
    }
}

/// A lake in which much has happened: a week of one job, an hourly one, one that was killed.
pub(crate) fn week() -> Lake {
    let lake = Lake::empty();
    let (good, bad, skipped) = (RunStatus::Succeeded, RunStatus::Failed, RunStatus::Skipped);
    for day in 0..5 {
        let slower = if day == 4 { 45.0 } else { day as f64 };
        let mut job = Job::new("nightly", day)
            .run_with("orders", "bronze", good, 71.2 + slower, [1_204_000 + 917 * day, 1_203_992 + 917 * day], |run| {
                run.destination_bytes_added = Some(12 << 20);
            })
            .run("airports", "bronze", if day % 2 == 0 { skipped } else { good }, 0.012, [1_458 * (day % 2); 2]);
        job = if day < 4 {
            job.run("customers", "bronze", good, 4.1, [5_000, 5_000])
        } else {
            job.run_with("customers", "bronze", bad, 4.2, [1_459, 0], |run| {
                let error = "read customers.csv (line: 1459): cannot parse the column `credit_limit` as a decimal";
                run.error_message = Some(format!("{error}: invalid digit found in string"));
                run.retry_attempts = Some(2);
            })
        };
        job = job.run("orders", "silver", good, 12.5, [1_203_992, 1_198_200]);
        if day % 2 == 0 {
            job = job.run_with("orders", "silver", good, 2.25, [0, 0], |run| {
                run.operation_type = Some("maintenance".to_owned());
                (run.source_rows_read, run.destination_rows_written) = (None, None);
                (run.destination_bytes_added, run.destination_bytes_removed) = (Some(31 << 20), Some(40 << 20));
            });
        }
        job.put(&lake);
    }
    let mut hourly = Job::new("hourly", 5).run("prices", "gold", good, 0.8, [96, 96]);
    let mut open = hourly.runs[0].clone();
    (open.dataflow_name, open.dataflow_run_id) = (Some("forecast".to_owned()), Some("open".to_owned()));
    (open.status, open.end_time, open.duration_seconds) = (Some("running".to_owned()), None, None);
    hourly.runs[0].task_key = hourly.runs[0].task_key.as_ref().map(|key| key.replace("/1", "/2"));
    hourly.kill(&lake, vec![open], None);
    lake
}
