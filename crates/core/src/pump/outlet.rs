//! One sink behind its own walls: what it fails to take is kept for it, in order, and it holds nobody else up.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use tracing_core::LevelFilter;

use crate::clock::deadline;
use crate::error::{Category, Error, Severity, Stage};
use crate::loss::Loss;
use crate::processor::Processor;
use crate::processor::Tally;
use crate::pump::chain::{self, Chain};
use crate::pump::control::Board;
use crate::pump::kept::Kept;
use crate::pump::pipe::{Pipe, recipe};
use crate::pump::report::{SinkReport, SinkState};
use crate::record::{Kind, Record, Source};
use crate::segment::SegmentWriter;
use crate::sink::{Batch, Deleted, FileState, Recipe, Sink};
use crate::sync::{Arc, Mutex, lock};

/// First pause after a failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

pub(super) struct Outlet {
    name: String,
    sink: Box<dyn Sink>,
    fallback: Option<Box<dyn Sink>>,
    level: LevelFilter,
    /// Steps on what this sink gets.
    own: Vec<Box<dyn Processor>>,
    /// Steps that the sink and its fallback want in front of all sinks.
    brought: Vec<Box<dyn Processor>>,
    /// What it failed to take, oldest first.
    backlog: VecDeque<Kept>,
    backlog_bytes: usize,
    most_backlog_bytes: usize,
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

impl Outlet {
    /// Opens a pipe; `backlog_bytes` is what is kept for a sink that names no bound itself.
    pub(super) fn new(pipe: Pipe, backlog_bytes: NonZeroUsize) -> Self {
        let Pipe { mut sink, name, level, processors, mut fallback, backlog_bytes: own_bytes } = pipe;
        let brought = sink.processor().into_iter().chain(fallback.as_mut().and_then(|fallback| fallback.processor()));
        Self {
            brought: brought.collect(),
            sink,
            fallback,
            level,
            own: processors,
            backlog: VecDeque::new(),
            backlog_bytes: 0,
            most_backlog_bytes: own_bytes.unwrap_or(backlog_bytes).get(),
            lost: Vec::new(),
            unpublished: 0,
            is_unflushed: false,
            failures: 0,
            retry_at: None,
            board: Arc::new(Mutex::new(SinkReport { name: name.clone(), ..SinkReport::default() })),
            name,
        }
    }

    pub(super) fn board(&self) -> Arc<Board> {
        Arc::clone(&self.board)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn level(&self) -> LevelFilter {
        self.level
    }

    pub(super) fn all_brought(&self) -> &[Box<dyn Processor>] {
        &self.brought
    }

    /// The steps in front of all sinks that this one brought.
    pub(super) fn brought(&mut self) -> &mut [Box<dyn Processor>] {
        &mut self.brought
    }

    /// Hands it a batch, of `handed` records of which it might have got all; the others were not meant for it.
    pub(super) fn write(&mut self, records: &[Record<'_>], handed: u64, source: &Source) {
        if self.own.is_empty() {
            let taken = self.take(records);
            return self.filter(handed, taken);
        }
        let mut wanted: Vec<Record<'_>> = Batch::new(records, self.level).records().cloned().collect();
        let most = count(&wanted);
        let held = self.tally().holding;
        let passed = Chain::of(&mut self.own).pass(&mut wanted);
        let mut taken = self.lose(source, &passed.losses, most);
        passed.each_released(|records| taken += self.take(records));
        taken += self.take(&wanted);
        self.account(handed, held, taken);
    }

    /// Lets its own processors do something without a batch.
    pub(super) fn prompt(&mut self, what: &mut dyn FnMut(&mut dyn Processor), source: &Source) {
        if self.own.is_empty() {
            return;
        }
        let held = self.tally().holding;
        let passed = Chain::of(&mut self.own).prompt(usize::MAX, what);
        let mut taken = self.lose(source, &passed.losses, u64::MAX);
        passed.each_released(|records| taken += self.take(records));
        self.account(0, held, taken);
    }

    /// Whether its own processors keep records that other sinks have.
    pub(super) fn holds(&self) -> bool {
        self.own.iter().any(|processor| !processor.held().is_empty())
    }

    /// Counts and states what was lost on the way to it alone, of at most so many records that it was to get.
    pub(super) fn lose(&mut self, source: &Source, losses: &[Loss], most: u64) -> u64 {
        let lost = losses.iter().map(Loss::count).sum::<u64>().min(most);
        if lost > 0 {
            losses.iter().for_each(|loss| self.remember(source.with_thread(""), *loss));
            let mut board = lock(&self.board);
            board.lost += lost;
            board.state = SinkState::Degraded;
        }
        lost
    }

    /// Of `handed` records so many came to something: the others were filtered. Where more did than were handed, they had
    /// been kept on the way, and counted as filtered until now.
    pub(super) fn filter(&mut self, handed: u64, came: u64) {
        let mut board = lock(&self.board);
        board.filtered = (board.filtered + handed).saturating_sub(came);
    }

    fn tally(&self) -> Tally {
        chain::tally(&self.own)
    }

    /// Counts what its processors keep, of which there were `held` before, as pending.
    fn account(&mut self, handed: u64, held: u64, came: u64) {
        let holding = self.tally().holding;
        {
            let mut board = lock(&self.board);
            board.pending = (board.pending + holding).saturating_sub(held);
        }
        self.filter(handed + held, came + holding);
    }

    /// Writes records, or keeps them behind what is kept already; gives how many are of its level.
    fn take(&mut self, records: &[Record<'_>]) -> u64 {
        let batch = Batch::new(records, self.level);
        let wanted = batch.records().filter(|record| record.kind != Kind::Loss).count() as u64;
        if batch.records().next().is_none() {
            return 0;
        }
        if self.retry_at.is_none() {
            match self.state_loss().and_then(|()| guarded(|| self.sink.write(&batch))) {
                Ok(()) => {
                    lock(&self.board).written += wanted;
                    return wanted;
                }
                Err(error) => self.failed(&error),
            }
        }
        self.keep(&batch, wanted);
        wanted
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
            if let Err(error) = write(kept, &mut *self.sink, self.level) {
                return self.failed(&error);
            }
            self.forget_front(|board, records| board.written += records);
        }
        self.recovered();
    }

    /// Makes what was written durable and visible.
    pub(super) fn flush(&mut self) {
        if self.retry_at.is_none()
            && let Err(error) = self.state_loss()
        {
            self.failed(&error);
        }
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

    /// How recovery puts records where the sink would.
    pub(super) fn recipe(&self) -> Option<Recipe> {
        recipe(&*self.sink, self.level)
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

    fn keep(&mut self, batch: &Batch<'_>, records: u64) {
        let kept = Kept::new(batch);
        self.backlog_bytes += kept.bytes();
        self.backlog.push_back(kept);
        lock(&self.board).pending += records;
        while self.backlog_bytes > self.most_backlog_bytes {
            self.give_up_front();
        }
    }

    fn give_up_front(&mut self) {
        let Some(kept) = self.backlog.front() else {
            return;
        };
        let taken = match &mut self.fallback {
            Some(fallback) => write(kept, &mut **fallback, self.level),
            None => Err(Error::new(Stage::Dispatch, "Pump", Category::Routing, "no fallback sink")),
        };
        if taken.is_err() {
            kept.losses().into_iter().for_each(|(source, loss)| self.remember(source, loss));
        }
        self.forget_front(|board, records| {
            let count = if taken.is_ok() { &mut board.written } else { &mut board.lost };
            *count += records;
            board.state = SinkState::Degraded;
        });
    }

    /// Leaves a loss to be stated.
    fn remember(&mut self, source: Source, loss: Loss) {
        match self.lost.iter_mut().find(|(_, lost)| lost.cause == loss.cause) {
            Some((_, lost)) => lost.add(&loss),
            None => self.lost.push((source, loss)),
        }
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
        write(&Kept::of(self.lost.iter().map(statement).collect()), &mut *self.sink, self.level)?;
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

fn write(kept: &Kept, sink: &mut dyn Sink, level: LevelFilter) -> Result<(), Error> {
    kept.read(|records| guarded(|| sink.write(&Batch::new(records, level))))?
}

/// How many records, statements of loss left out.
pub(super) fn count(records: &[Record<'_>]) -> u64 {
    records.iter().filter(|record| record.kind != Kind::Loss).count() as u64
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
