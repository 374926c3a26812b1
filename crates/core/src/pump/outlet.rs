//! One sink behind its own walls: what it fails to take is kept for it, in order, and it holds nobody else up.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use tracing_core::LevelFilter;

use crate::clock::deadline;
use crate::error::{Category, Error, Severity, Stage};
use crate::loss::{Cause, Loss};
use crate::processor::Processor;
use crate::pump::control::Board;
use crate::pump::report::{SinkReport, SinkState};
use crate::record::{Kind, Record, Source};
use crate::segment::{Segment, SegmentWriter, merge};
use crate::sink::{Batch, Deleted, FileState, Recipe, Sink};
use crate::sync::{Arc, Mutex, lock};

/// First pause after a failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(super) struct Outlet {
    sink: Box<dyn Sink>,
    fallback: Option<Box<dyn Sink>>,
    level: LevelFilter,
    /// What it failed to take, oldest first.
    backlog: VecDeque<Kept>,
    backlog_bytes: usize,
    /// What it will never get, and what was stated among that, by cause: to be stated before anything newer is written.
    lost: Vec<(Source, Loss)>,
    /// What the sink took and had not made visible at the last flush; it counts as pending.
    unpublished: u64,
    /// Whether the last flush failed.
    is_unflushed: bool,
    failures: u32,
    retry_at: Option<Instant>,
    board: Arc<Board>,
}

/// A batch that was not written: its records of the sink's level, a segment for each thread they come from.
struct Kept(Vec<Segment>);

impl Outlet {
    pub(super) fn new(sink: Box<dyn Sink>, fallback: Option<Box<dyn Sink>>) -> Self {
        let level = sink.level();
        let report = SinkReport { name: sink.name().to_owned(), ..SinkReport::default() };
        Self {
            sink,
            fallback,
            level,
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            lost: Vec::new(),
            unpublished: 0,
            is_unflushed: false,
            failures: 0,
            retry_at: None,
            board: Arc::new(Mutex::new(report)),
        }
    }

    pub(super) fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board)
    }

    /// What its sinks want in front of all sinks.
    pub(super) fn processors(&mut self) -> Vec<Box<dyn Processor>> {
        let fallback = self.fallback.as_mut().and_then(|fallback| fallback.processor());
        self.sink.processor().into_iter().chain(fallback).collect()
    }

    /// Writes a batch, or keeps it behind what is kept already.
    pub(super) fn write(&mut self, records: &[Record<'_>], most_backlog: usize) {
        let batch = Batch::new(records, self.level);
        let wanted = batch.records().filter(|record| record.kind != Kind::Loss).count() as u64;
        let all = records.iter().filter(|record| record.kind != Kind::Loss).count() as u64;
        lock(&self.board).filtered += all - wanted;
        if batch.records().next().is_none() {
            return;
        }
        if self.backlog.is_empty() && self.lost.is_empty() {
            match guarded(|| self.sink.write(&batch)) {
                Ok(()) => return lock(&self.board).written += wanted,
                Err(error) => self.failed(&error),
            }
        }
        self.keep(&batch, wanted, most_backlog);
    }

    /// Tries what is kept again, if its time has come or `now` is forced.
    pub(super) fn retry(&mut self, forced: bool) {
        let due = self.retry_at.is_some_and(|at| forced || Instant::now() >= at);
        if !due {
            return;
        }
        if let Err(error) = self.state_loss() {
            return self.failed(&error);
        }
        while let Some(kept) = self.backlog.front() {
            if let Err(error) = kept.write(&mut *self.sink, self.level) {
                return self.failed(&error);
            }
            self.forget_front(|board, records| board.written += records);
        }
        self.recovered();
    }

    /// Makes what was written durable and visible.
    pub(super) fn flush(&mut self) {
        let result = guarded(|| self.sink.flush());
        self.is_unflushed = result.is_err();
        let fallback = self.fallback.as_mut().map_or(Ok(()), |fallback| guarded(|| fallback.flush()));
        if result.is_ok() && fallback.is_ok() && self.backlog.is_empty() && self.lost.is_empty() {
            self.recovered();
        }
        for error in [result, fallback].into_iter().filter_map(Result::err) {
            self.note(&error);
        }
        self.count_unpublished();
        self.count_deleted();
    }

    /// Whether, right after a flush, the sink has everything it was given for good.
    pub(super) fn is_settled(&self) -> bool {
        !self.is_unflushed && self.backlog.is_empty() && self.lost.is_empty() && self.unpublished == 0
    }

    pub(super) fn changed_files(&mut self) -> Vec<FileState> {
        catch_unwind(AssertUnwindSafe(|| self.sink.changed_files())).unwrap_or_default()
    }

    pub(super) fn recipe(&self) -> Option<Recipe> {
        self.sink.recipe()
    }

    pub(super) fn tick(&mut self) {
        if let Err(error) = guarded(|| self.sink.tick()) {
            self.note(&error);
        }
    }

    /// Gives what is still kept to the fallback, or up.
    pub(super) fn close(&mut self) {
        while !self.backlog.is_empty() {
            self.give_up_front();
        }
        self.flush();
        if self.unpublished > 0 {
            let mut board = lock(&self.board);
            board.pending -= self.unpublished;
            board.lost += self.unpublished;
            board.state = SinkState::Degraded;
        }
    }

    /// What a flush could not publish is not written, whatever the sink said when it took it.
    fn count_unpublished(&mut self) {
        let unpublished = catch_unwind(AssertUnwindSafe(|| self.sink.unpublished())).unwrap_or(self.unpublished);
        let mut board = lock(&self.board);
        board.written = (board.written + self.unpublished).saturating_sub(unpublished);
        board.pending = (board.pending + unpublished).saturating_sub(self.unpublished);
        self.unpublished = unpublished;
    }

    fn count_deleted(&mut self) {
        let sinks = std::iter::once(&self.sink).chain(&self.fallback);
        let count = || sinks.fold(Deleted::default(), |all, sink| all + sink.deleted());
        if let Ok(deleted) = catch_unwind(AssertUnwindSafe(count)) {
            lock(&self.board).deleted = deleted;
        }
    }

    fn keep(&mut self, batch: &Batch<'_>, records: u64, most: usize) {
        let kept = Kept::new(batch);
        self.backlog_bytes += kept.bytes();
        self.backlog.push_back(kept);
        lock(&self.board).pending += records;
        while self.backlog_bytes > most {
            self.give_up_front();
        }
    }

    fn give_up_front(&mut self) {
        let Some(kept) = self.backlog.front() else {
            return;
        };
        let taken = match &mut self.fallback {
            Some(fallback) => kept.write(&mut **fallback, self.level),
            None => Err(Error::new(Stage::Dispatch, "Pump", Category::Routing, "no fallback sink")),
        };
        if taken.is_err() {
            for (source, loss) in kept.losses() {
                match self.lost.iter_mut().find(|(_, lost)| lost.cause == loss.cause) {
                    Some((_, lost)) => lost.add(&loss),
                    None => self.lost.push((source, loss)),
                }
            }
        }
        self.forget_front(|board, records| {
            let count = if taken.is_ok() { &mut board.written } else { &mut board.lost };
            *count += records;
            board.state = SinkState::Degraded;
        });
    }

    fn forget_front(&mut self, count: impl FnOnce(&mut SinkReport, u64)) {
        if let Some(kept) = self.backlog.pop_front() {
            self.backlog_bytes -= kept.bytes();
            let mut board = lock(&self.board);
            board.pending -= kept.records();
            count(&mut board, kept.records());
        }
    }

    /// Tells the sink what it will never get.
    fn state_loss(&mut self) -> Result<(), Error> {
        if self.lost.is_empty() {
            return Ok(());
        }
        let statement = |(source, loss): &(Source, Loss)| {
            let mut writer = SegmentWriter::new(source);
            writer.loss(loss);
            writer.take()
        };
        Kept(self.lost.iter().map(statement).collect()).write(&mut *self.sink, self.level)?;
        self.lost.clear();
        Ok(())
    }

    fn failed(&mut self, error: &Error) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        self.failures += 1;
        self.retry_at = Some(deadline(pause));
        self.note(error);
    }

    fn note(&self, error: &Error) {
        let mut board = lock(&self.board);
        board.errors += 1;
        board.last_error = Some(format!("{error:?}"));
        if board.state == SinkState::Ok {
            board.state = SinkState::Retrying;
        }
    }

    fn recovered(&mut self) {
        self.failures = 0;
        self.retry_at = None;
        let mut board = lock(&self.board);
        if board.state == SinkState::Retrying {
            board.state = SinkState::Ok;
        }
    }
}

// === impl Kept ===

impl Kept {
    fn new(batch: &Batch<'_>) -> Self {
        let mut writers: Vec<(&Source, SegmentWriter)> = Vec::new();
        for record in batch.records() {
            let at = writers.iter().position(|(source, _)| source.is(record.source)).unwrap_or_else(|| {
                writers.push((record.source, SegmentWriter::new(record.source)));
                writers.len() - 1
            });
            writers[at].1.copy(record);
        }
        Self(writers.into_iter().map(|(_, mut writer)| writer.take()).collect())
    }

    fn bytes(&self) -> usize {
        self.0.iter().map(|segment| segment.bytes().len()).sum()
    }

    fn records(&self) -> u64 {
        self.0.iter().map(Segment::records).sum()
    }

    fn write(&self, sink: &mut dyn Sink, level: LevelFilter) -> Result<(), Error> {
        let decoded = self.0.iter().map(Segment::decode).collect::<Result<Vec<_>, _>>().map_err(|error| {
            Error::new(Stage::Dispatch, "Pump", Category::Unexpected, "cannot read a kept batch").caused_by(error)
        })?;
        let records: Vec<Record<'_>> = merge(&decoded).collect();
        guarded(|| sink.write(&Batch::new(&records, level)))
    }

    /// What is lost with it, and what was stated in it and nobody would hear of any more; with the process.
    fn losses(&self) -> Vec<(Source, Loss)> {
        let decoded: Vec<_> = self.0.iter().filter_map(|segment| segment.decode().ok()).collect();
        let source = decoded.first().map(|segment| segment.source().with_thread("")).unwrap_or_default();
        let mut lost = Loss::of(Cause::Sink, merge(&decoded));
        lost.bytes = self.bytes() as u64;
        let stated = merge(&decoded).filter_map(|record| record.loss().copied());
        let all = std::iter::once(lost).chain(stated).filter(|loss| loss.count() > 0);
        all.map(|loss| (source.clone(), loss)).collect()
    }
}

/// Runs a sink's code; a panic becomes an error.
fn guarded(work: impl FnOnce() -> Result<(), Error>) -> Result<(), Error> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic_text(&*panic);
        let error = Error::new(Stage::Handler, "Sink", Category::Unexpected, format!("the sink panicked: {text}"));
        Err(error.severity(Severity::Critical))
    })
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message")
}
