//! The yardsticks: `fmt().json()` into the non-blocking writer of `tracing-appender`.

use std::fs::File;

use tracing::level_filters::LevelFilter;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::fmt::format::FmtSpan;

use super::{Peer, QUEUE_LEN, Session, Traced};
use crate::{Result, trial::Trial, work::Work};

/// A line for each event; spans leave none.
pub(super) const NON_BLOCKING: Peer = Peer {
    name: "tracing-json-nb",
    takes: &[(Work::Events, 1), (Work::Burst, 1), (Work::Spans, 0), (Work::Disabled, 0)],
    open: |trial| open(trial, FmtSpan::NONE),
};

/// A line for each span's begin and one for its end.
pub(super) const NEW_CLOSE: Peer = Peer {
    name: "tracing-json-new-close",
    takes: &[(Work::Spans, 2)],
    open: |trial| open(trial, FmtSpan::NEW | FmtSpan::CLOSE),
};

fn open(trial: &Trial, span_events: FmtSpan) -> Result<Box<dyn Session>> {
    let (writer, guard) = lossless_writer(trial)?;
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_max_level(LevelFilter::INFO)
        .with_span_events(span_events)
        .with_writer(writer)
        .finish();
    Ok(Box::new(Traced::install(subscriber, move || end(guard))?))
}

/// A writer whose callers wait when its queue is full.
pub(super) fn lossless_writer(trial: &Trial) -> Result<(NonBlocking, WorkerGuard)> {
    let file = File::create(trial.out.join("records.jsonl"))?;
    Ok(NonBlockingBuilder::default().lossy(false).buffered_lines_limit(QUEUE_LEN).finish(file))
}

/// Waits, at most a second, until the writer's thread has written what it holds.
pub(super) fn end(guard: WorkerGuard) -> Result<()> {
    drop(guard);
    Ok(())
}
