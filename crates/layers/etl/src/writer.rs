//! The thread that writes: runs to the session's files, and its lineage.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use spanlake_core::guest::{self, Place};
use spanlake_core::{Category, Error, Stage};
use spanlake_lake::runs::{ClosedSession, JobRow, RunRow, Session, SessionRecovery, Written};

use crate::lineage::Outbox;
use crate::metrics::Refusal;
use crate::phase::{seconds, whole_us};
use crate::report::JobReport;
use crate::run::LiveRun;
use crate::shared::{Shared, Work};

/// How long runs may gather before they are taken.
const GATHER: Duration = Duration::from_millis(50);

/// How long it waits before it tries again at the end, the first time and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Writes what a job's runs leave.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    session: Session,
    outbox: Option<Outbox>,
    interval: Duration,
    /// When it is to be heard of next.
    beat: Instant,
    recovered: u64,
    failed: Failures,
}

/// What failed last, of each thing that can.
#[derive(Debug, Default)]
struct Failures {
    log: Option<Arc<Error>>,
    runs: Option<Arc<Error>>,
    lineage: Option<Arc<Error>>,
    recovery: Vec<Arc<Error>>,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, session: Session, outbox: Option<Outbox>, interval: Duration) -> Self {
        let (beat, failed) = (Instant::now() + interval, Failures::default());
        Self { shared, session, outbox, interval, beat, recovered: 0, failed }
    }

    /// Works until the job is finished. What libraries log on this thread is their own affair.
    pub(crate) fn run(mut self) {
        let _inside = guest::enter(Place::Pump);
        self.recover();
        loop {
            let work = self.shared.take(self.beat, GATHER);
            let (flush, end_by) = (work.flush, work.end_by);
            self.write(work);
            if let Some(end_by) = end_by {
                return self.end(end_by);
            }
            if flush.is_some() || Instant::now() >= self.beat {
                self.beat();
            }
            if let Some(flush) = flush {
                self.shared.flushed(flush, self.failed.log.clone());
            }
        }
    }

    /// Closes what earlier processes left.
    fn recover(&mut self) {
        let outbox = &mut self.outbox;
        let told = SessionRecovery::new(self.session.store()).run(|closed| tell(outbox.as_mut(), closed));
        match told {
            Ok(closed) => {
                self.recovered = closed.iter().filter(|session| session.error.is_none()).count() as u64;
                self.failed.recovery.extend(closed.into_iter().filter_map(|session| session.error).map(Arc::new));
            }
            Err(error) => self.failed.recovery.push(Arc::new(error)),
        }
    }

    fn write(&mut self, work: Work) {
        let Work { ended, begun, open, .. } = work;
        let open_rows = open.map(|open| rows(&open));
        let begun_rows = if self.outbox.is_some() { rows(&begun) } else { Vec::new() };
        for row in &ended {
            self.failed.runs = self.session.add(row).err().map(Arc::new).or(self.failed.runs.take());
        }
        // Where nothing can grow, each write is a file of its own, and waits for the next beat.
        let is_now = self.session.store().appends();
        if is_now || !begun_rows.is_empty() {
            self.note(|session| {
                if is_now {
                    session.write()?;
                }
                open_rows.map_or(Ok(()), |open| session.note(open))
            });
        }
        self.send(&begun_rows, &ended);
    }

    /// Runs a step on the session, and remembers what failed.
    fn note(&mut self, step: impl FnOnce(&mut Session) -> Result<(), Error>) {
        match step(&mut self.session) {
            Ok(()) => {
                self.failed.log = None;
                self.shared.written();
            }
            Err(error) => self.failed.log = Some(Arc::new(error)),
        }
    }

    fn beat(&mut self) {
        self.beat = Instant::now() + self.interval;
        let open = self.shared.open_rows();
        self.note(|session| session.beat(open));
        if let Some(outbox) = &mut self.outbox {
            self.failed.lineage = outbox.flush().err().map(Arc::new);
        }
    }

    fn send(&mut self, begun: &[RunRow], ended: &[RunRow]) {
        if let Some(outbox) = &mut self.outbox {
            begun.iter().for_each(|row| outbox.begun(row));
            ended.iter().for_each(|row| outbox.ended(row));
            self.failed.lineage = outbox.flush().err().map(Arc::new);
        }
    }

    // === the end ===

    /// Writes all that is left, again and again until it succeeds or the time is over.
    fn end(mut self, end_by: Instant) {
        let (ended, open) = self.shared.take_rest();
        for row in ended.iter().chain(&open) {
            self.failed.runs = self.session.add(row).err().map(Arc::new).or(self.failed.runs.take());
        }
        open.iter().for_each(|row| self.shared.metrics.add(row));
        self.send(&[], &ended);
        self.send(&[], &open);
        let job = self.job();
        let mut pause = FIRST_PAUSE;
        loop {
            let written = self.session.finish(&job);
            let lineage = self.outbox.as_mut().map_or(Ok(()), Outbox::flush);
            self.failed.lineage = lineage.err().map(Arc::new);
            let is_done = written.is_whole() && self.failed.lineage.is_none();
            let left = end_by.saturating_duration_since(Instant::now());
            if is_done || left.is_zero() || !self.can_be_tried_again(&written) {
                return self.report(written);
            }
            thread::sleep(pause.min(left));
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    fn can_be_tried_again(&self, written: &Written) -> bool {
        written.errors().chain(self.failed.lineage.as_deref()).any(Error::is_recoverable)
    }

    /// The job as it ends now.
    fn job(&self) -> JobRow {
        let mut job = self.shared.job.clone();
        let took_ns = self.shared.clock.monotonic_ns().saturating_sub(self.shared.began.monotonic_ns);
        job.end_time = Some(self.shared.began.utc_us.saturating_add(whole_us(took_ns)));
        job.duration_seconds = Some(seconds(took_ns));
        job
    }

    fn report(mut self, written: Written) {
        let lost_events = self.outbox.as_mut().map_or(0, Outbox::give_up);
        self.shared.metrics.add_lineage_lost(lost_events);
        let Written { log, runs, job, .. } = written;
        let of_files = [log, runs, job].into_iter().flatten().map(Arc::new).collect::<Vec<_>>();
        let is_written = of_files.is_empty() && self.failed.runs.is_none();
        let Failures { runs, lineage, recovery, .. } = std::mem::take(&mut self.failed);
        let metrics = &self.shared.metrics;
        let report = JobReport {
            session: self.session.stem().clone(),
            job: self.session.summary().cloned().unwrap_or_default(),
            refused: metrics.refused(Refusal::Finished),
            lost: metrics.refused(Refusal::Full) + metrics.refused(Refusal::Forked),
            unlogged: self.session.unlogged(),
            lineage_lost: metrics.lineage_lost(),
            recovered: self.recovered,
            errors: of_files.into_iter().chain(runs).chain(lineage).chain(recovery).collect(),
            is_written,
        };
        self.shared.set_report(report);
    }
}

/// A panic on the thread leaves nobody who waits for it.
impl Drop for Writer {
    fn drop(&mut self) {
        if self.shared.report().is_none() {
            self.shared.abandon();
        }
    }
}

fn rows(runs: &[Arc<LiveRun>]) -> Vec<RunRow> {
    runs.iter().map(|run| run.open_row()).collect()
}

/// Sends the events that a session which is closed now still owes. Without anywhere to send them it stays as it is, for
/// the next start that has.
fn tell(outbox: Option<&mut Outbox>, closed: &ClosedSession) -> Result<(), Error> {
    match (outbox, &closed.lineage) {
        (_, None) => Ok(()),
        (Some(outbox), Some(_)) => outbox.close(closed),
        (None, Some(lineage)) => {
            let message = "a session owes events of its lineage, and this program sends none";
            Err(Error::new(Stage::Dispatch, "EtlLayer", Category::Routing, message).with("lineage", &lineage.place))
        }
    }
}
