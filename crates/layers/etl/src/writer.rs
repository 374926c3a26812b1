//! The thread that writes: runs to the session's files, and its lineage.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use spanlake_core::Error;
use spanlake_core::guest::{self, Place};
use spanlake_lake::runs::{
    ClosedSession, JobRow, OpenSession, RunRow, Session, SessionRecovery, Stem, Written, lineage,
};

use crate::lineage::Outbox;
use crate::metrics::Refusal;
use crate::phase::{seconds, whole_us};
use crate::report::JobReport;
use crate::run::LiveRun;
use crate::shared::{Shared, Work};

/// How long runs may gather before they are taken; and where the log cannot be written to.
const GATHER: Duration = Duration::from_millis(50);
const GATHER_WHILE_STUCK: Duration = Duration::from_secs(1);

/// The part of the time that goes into noting which runs are open, at most: one of so many.
const NOTE_PART: u32 = 10;

/// How long the end of a job may take for sessions of processes that went away; the next start has its turn too.
const RECOVERY_AT_END: Duration = Duration::from_secs(2);

/// The part of the end's time that is kept for the answer to whoever waits for it.
const ANSWER_PART: u32 = 10;

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
    /// Whether other runs are open than is noted, and when that may be noted.
    is_open_changed: bool,
    next_note: Instant,
    /// Sessions that may have to be closed; `None` until it was looked for them.
    dead: Option<VecDeque<Stem>>,
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
        let now = Instant::now();
        Self {
            shared,
            session,
            outbox,
            interval,
            beat: now + interval,
            is_open_changed: false,
            next_note: now,
            dead: None,
            recovered: 0,
            failed: Failures::default(),
        }
    }

    /// Works until the job is finished. What libraries log on this thread is their own affair.
    pub(crate) fn run(mut self) {
        let _inside = guest::enter(Place::Pump);
        loop {
            let work = self.take();
            let (flush, end_by) = (work.flush, work.end_by);
            self.write(work);
            if let Some(end_by) = end_by {
                return self.end(end_by);
            }
            self.close_what_was_sent();
            if flush.is_some() || Instant::now() >= self.beat {
                self.beat();
            }
            if let Some(flush) = flush {
                self.shared.flushed(flush, self.failed.log.clone());
            }
            self.recover_one();
        }
    }

    /// What there is to do, waited for unless there are sessions to close meanwhile.
    fn take(&self) -> Work {
        let note = if self.is_open_changed { self.next_note.max(Instant::now()) } else { self.beat };
        let gather = if self.failed.log.is_some() { GATHER_WHILE_STUCK } else { GATHER };
        match &self.dead {
            Some(dead) if dead.is_empty() => self.shared.take(self.beat.min(note), gather),
            _ => self.shared.take(Instant::now(), Duration::ZERO),
        }
    }

    /// Closes one of the sessions that earlier processes left. One at a time, because this one goes on.
    fn recover_one(&mut self) {
        let Some(dead) = &mut self.dead else {
            return self.look_for_the_dead();
        };
        let Some(stem) = dead.pop_front() else {
            return;
        };
        let outbox = &mut self.outbox;
        let and = |closed: &ClosedSession| tell(outbox.as_mut(), closed);
        match SessionRecovery::new(self.session.store()).close(&stem, and) {
            None => {}
            Some(ClosedSession { error: None, .. }) => self.recovered += 1,
            Some(ClosedSession { error, .. }) => self.failed.recovery.extend(error.map(Arc::new)),
        }
    }

    fn look_for_the_dead(&mut self) {
        self.failed.recovery.clear();
        let own = self.session.stem().clone();
        match OpenSession::list(self.session.store()) {
            Ok(stems) => self.dead = Some(stems.into_iter().filter(|stem| *stem != own).collect()),
            Err(error) => {
                self.dead = Some(VecDeque::new());
                self.failed.recovery.push(Arc::new(error));
            }
        }
    }

    /// Closes sessions whose events had to be sent first.
    fn close_what_was_sent(&mut self) {
        if self.outbox.as_ref().is_some_and(Outbox::has_closed) {
            self.look_for_the_dead();
        }
    }

    fn write(&mut self, work: Work) {
        let Work { ended, begun, has_open_changed, .. } = work;
        self.is_open_changed |= has_open_changed;
        let begun_rows = if self.outbox.is_some() { rows(&begun) } else { Vec::new() };
        for row in &ended {
            self.failed.runs = self.session.add(row).err().map(Arc::new).or(self.failed.runs.take());
        }
        self.count_told();
        // Where nothing can grow, each write is a file of its own, and waits for the next beat: or for a START, because a
        // run that is noted as open no more has to be in the log.
        let is_now = self.session.store().appends() || !begun_rows.is_empty();
        let is_written = is_now && self.note(Session::write) && self.note_open(!begun_rows.is_empty());
        self.send(&begun_rows, &ended, is_written);
    }

    /// Notes which runs are open, if others than before are. Many take long to note: then not at each change, unless it
    /// is wanted now.
    fn note_open(&mut self, is_wanted: bool) -> bool {
        let began = Instant::now();
        if self.is_open_changed && (is_wanted || began >= self.next_note) {
            let open = self.shared.open_rows();
            if !self.note(|session| session.note(open)) {
                return false;
            }
            self.is_open_changed = false;
            self.next_note = Instant::now() + began.elapsed() * NOTE_PART;
        }
        if !self.is_open_changed {
            self.shared.written();
        }
        true
    }

    /// Runs a step on the session, and remembers what failed.
    fn note(&mut self, step: impl FnOnce(&mut Session) -> Result<(), Error>) -> bool {
        self.failed.log = step(&mut self.session).err().map(Arc::new);
        self.shared.set_last_error(self.failed.log.clone());
        self.failed.log.is_none()
    }

    fn beat(&mut self) {
        self.beat = Instant::now() + self.interval;
        let open = self.shared.open_rows();
        self.count_told();
        let is_written = self.note(|session| session.beat(open));
        if is_written {
            self.is_open_changed = false;
            self.shared.written();
        }
        self.send(&[], &[], is_written);
    }

    // === the lineage ===

    /// Hands events over. A START goes out when it is noted that its run is open, an end when the log has its run; a run
    /// that could not be noted has both of them at its end.
    fn send(&mut self, begun: &[RunRow], ended: &[RunRow], is_written: bool) {
        let Some(outbox) = &mut self.outbox else {
            return;
        };
        if is_written {
            begun.iter().for_each(|row| outbox.begun(row));
        }
        ended.iter().for_each(|row| outbox.ended(row));
        if is_written {
            outbox.release();
        } else {
            outbox.flush();
        }
        self.failed.lineage = outbox.error();
        self.shared.metrics.add_lineage_lost(outbox.take_lost());
    }

    /// Lets the session know which of its runs need not be told of again.
    fn count_told(&mut self) {
        if let Some(run) = self.outbox.as_mut().and_then(Outbox::told) {
            self.session.told(run);
        }
    }

    /// Waits for the events of a job that has ended, once its log has all runs. Says whether they are where they go.
    fn deliver(&mut self, is_logged: bool, until: Instant) -> bool {
        let Some(outbox) = &mut self.outbox else {
            return true;
        };
        if is_logged {
            outbox.release();
        }
        let is_there = outbox.drain(until);
        self.failed.lineage = outbox.error();
        if is_there {
            self.session.told_all();
            self.close_what_was_sent();
        }
        is_there
    }

    // === the end ===

    /// Writes all that is left, again and again until it succeeds or the time is over.
    fn end(mut self, end_by: Instant) {
        let (ended, open) = self.shared.take_rest();
        for row in ended.iter().chain(&open) {
            self.failed.runs = self.session.add(row).err().map(Arc::new).or(self.failed.runs.take());
        }
        open.iter().for_each(|row| self.shared.metrics.add(row));
        let job = self.job();
        if let Some(outbox) = &mut self.outbox {
            ended.iter().for_each(|row| outbox.ended(row));
            outbox.job_ended(&job, &open);
        }
        let told_by = end_by - end_by.saturating_duration_since(Instant::now()) / ANSWER_PART;
        let mut pause = FIRST_PAUSE;
        loop {
            let mut written = self.session.finish(&job);
            // An endpoint gets all the time that is left, but not that of the files.
            let until = if written.is_whole() { told_by } else { Instant::now() };
            let is_told = self.deliver(written.log.is_none(), until);
            if is_told && self.outbox.is_some() {
                written = self.session.finish(&job);
            }
            let left = told_by.saturating_duration_since(Instant::now());
            let is_done = written.is_whole() && is_told;
            if is_done {
                self.recover_the_rest(told_by);
                // Their events come first, and then they are closed.
                if self.outbox.as_ref().is_some_and(|outbox| outbox.owed() > 0) && self.deliver(true, told_by) {
                    self.recover_the_rest(told_by);
                }
            }
            if is_done || left.is_zero() || !self.can_be_tried_again(&written, is_told) {
                return self.report(written, is_told);
            }
            thread::sleep(pause.min(left));
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }

    fn recover_the_rest(&mut self, end_by: Instant) {
        let end_by = end_by.min(Instant::now() + RECOVERY_AT_END);
        while self.dead.as_ref().is_none_or(|dead| !dead.is_empty()) && Instant::now() < end_by {
            self.recover_one();
        }
    }

    fn can_be_tried_again(&self, written: &Written, is_told: bool) -> bool {
        let lineage = self.failed.lineage.as_deref().filter(|_| !is_told);
        written.errors().chain(lineage).any(Error::is_recoverable)
    }

    /// The job as it ends now.
    fn job(&self) -> JobRow {
        let mut job = self.shared.job.clone();
        let took_ns = self.shared.clock.monotonic_ns().saturating_sub(self.shared.began.monotonic_ns);
        job.end_time = Some(self.shared.began.utc_us.saturating_add(whole_us(took_ns)));
        job.duration_seconds = Some(seconds(took_ns));
        job
    }

    /// What is still owed is left to a recovery, which finds the session as it is.
    fn report(mut self, written: Written, is_told: bool) {
        if !is_told {
            self.count_told();
            // If it cannot be noted, more is sent again than need be.
            let _ = self.session.owe();
        }
        let (lost, owed) = self.outbox.as_mut().map_or((0, 0), |outbox| (outbox.take_lost(), outbox.owed()));
        self.shared.metrics.add_lineage_lost(lost);
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
            lineage_owed: owed,
            recovered: self.recovered,
            errors: of_files.into_iter().chain(runs).chain(lineage).chain(recovery).collect(),
            is_written,
        };
        self.shared.set_report(report);
    }
}

fn rows(runs: &[Arc<LiveRun>]) -> Vec<RunRow> {
    runs.iter().map(|run| run.open_row()).collect()
}

/// Sees to the events that a session which is closed now still owes. Those of an endpoint that this program sends none to
/// stay owed, for the next start that does.
fn tell(outbox: Option<&mut Outbox>, closed: &ClosedSession) -> Result<(), Error> {
    match (outbox, &closed.lineage) {
        (Some(outbox), Some(to)) if to.is_endpoint() && outbox.leads_to(&to.place) => {
            outbox.close(closed, &to.namespace)
        }
        _ => lineage::complete(closed).map(drop),
    }
}
