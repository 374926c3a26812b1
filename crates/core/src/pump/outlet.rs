//! One sink behind its own walls: what it fails to take is kept for it, in order, and it holds nobody else up.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use tracing_core::LevelFilter;

use crate::error::{Category, Error, Severity, Stage};
use crate::pump::control::Board;
use crate::pump::report::{SinkReport, SinkState};
use crate::record::{Kind, Record};
use crate::segment::{Segment, SegmentWriter};
use crate::sink::{Batch, Sink};
use crate::sync::{Arc, Mutex, lock};

/// First pause after a failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(super) struct Outlet {
    sink: Box<dyn Sink>,
    fallback: Option<Box<dyn Sink>>,
    level: LevelFilter,
    /// What it failed to take, oldest first, each a segment with records of its level only.
    backlog: VecDeque<Segment>,
    backlog_bytes: usize,
    failures: u32,
    retry_at: Option<Instant>,
    board: Arc<Board>,
}

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
            failures: 0,
            retry_at: None,
            board: Arc::new(Mutex::new(report)),
        }
    }

    pub(super) fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board)
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
        if self.backlog.is_empty() {
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
        while let Some(segment) = self.backlog.front() {
            if let Err(error) = write_segment(&mut *self.sink, segment, self.level) {
                return self.failed(&error);
            }
            self.forget_front(|board, records| board.written += records);
        }
        self.recovered();
    }

    /// Makes what was written durable and visible.
    pub(super) fn flush(&mut self) {
        let result = guarded(|| self.sink.flush());
        let fallback = self.fallback.as_mut().map_or(Ok(()), |fallback| guarded(|| fallback.flush()));
        for error in [result, fallback].into_iter().filter_map(Result::err) {
            self.note(&error);
        }
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
    }

    fn keep(&mut self, batch: &Batch<'_>, records: u64, most: usize) {
        let segment = encode(batch);
        self.backlog_bytes += segment.bytes.len();
        self.backlog.push_back(segment);
        lock(&self.board).pending += records;
        while self.backlog_bytes > most {
            self.give_up_front();
        }
    }

    fn give_up_front(&mut self) {
        let Some(segment) = self.backlog.front() else {
            return;
        };
        let taken = match &mut self.fallback {
            Some(fallback) => write_segment(&mut **fallback, segment, self.level),
            None => Err(Error::new(Stage::Dispatch, "Pump", Category::Routing, "no fallback sink")),
        };
        self.forget_front(|board, records| {
            let count = if taken.is_ok() { &mut board.written } else { &mut board.lost };
            *count += records;
            board.state = SinkState::Degraded;
        });
    }

    fn forget_front(&mut self, count: impl FnOnce(&mut SinkReport, u64)) {
        if let Some(segment) = self.backlog.pop_front() {
            self.backlog_bytes -= segment.bytes.len();
            let mut board = lock(&self.board);
            board.pending -= segment.records();
            count(&mut board, segment.records());
        }
    }

    fn failed(&mut self, error: &Error) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(16)).min(LONGEST_PAUSE);
        self.failures += 1;
        self.retry_at = Some(Instant::now() + pause);
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

fn write_segment(sink: &mut dyn Sink, segment: &Segment, level: LevelFilter) -> Result<(), Error> {
    let decoded = segment.decode().map_err(|error| {
        Error::new(Stage::Dispatch, "Pump", Category::Unexpected, "cannot read a kept batch").caused_by(error)
    })?;
    let records: Vec<Record<'_>> = decoded.records().collect();
    guarded(|| sink.write(&Batch::new(&records, level)))
}

/// The batch as a segment of its own, which no longer borrows anything.
fn encode(batch: &Batch<'_>) -> Segment {
    let source = batch.records().next().map(|record| record.source.clone()).unwrap_or_default();
    let mut writer = SegmentWriter::new(&source);
    batch.records().for_each(|record| writer.copy(record));
    writer.take(Vec::new())
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
