//! spanlake: a capture layer in front of a sink; the sinks differ.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use spanlake_capture::{CaptureLayer, Guard, Policy};
use spanlake_core::{Batch, Error, LevelFilter, Sink};
use tracing_subscriber::{Registry, layer::SubscriberExt};

use super::{Peer, Session, Traced};
use crate::{Result, output::Output, trial::Trial, work::Work};

const TAKES: &[(Work, u64)] = &[(Work::Events, 1), (Work::Burst, 1), (Work::Spans, 2), (Work::Disabled, 0)];

/// Counts records and drops them: what the caller's half and the pump cost by themselves.
pub(super) const MEMORY: Peer = Peer { name: "spanlake-memory", takes: TAKES, open: open_memory };

/// How long a producer waits for room; longer than any run, so that nothing is lost.
const BLOCK: Duration = Duration::from_secs(60);

fn open_memory(_: &Trial) -> Result<Box<dyn Session>> {
    let counter = Counter::default();
    let counted = Arc::clone(&counter.records);
    let found = move |trial: &Trial| {
        let contexts = if trial.work == Work::Spans { 2 } else { 4 * trial.threads };
        Ok(Output { records: counted.load(Ordering::Relaxed).saturating_sub(contexts), bytes: 0 })
    };
    Ok(Box::new(install(counter)?.found_by(found)))
}

fn install(sink: impl Sink + 'static) -> Result<Traced> {
    let builder = CaptureLayer::builder().level(LevelFilter::INFO).policy(Policy::Block(BLOCK));
    let (capture, guard) = builder.sink(sink).build()?;
    Traced::install(Registry::default().with(capture).with(LevelFilter::INFO), move || finish(guard))
}

fn finish(guard: Guard) -> Result<()> {
    let report = guard.shutdown(BLOCK)?;
    if report.is_complete() { Ok(()) } else { Err(format!("{report}").into()) }
}

#[derive(Default)]
struct Counter {
    records: Arc<AtomicU64>,
}

impl Sink for Counter {
    fn name(&self) -> &str {
        "counter"
    }

    fn write(&mut self, batch: &Batch<'_>) -> std::result::Result<(), Error> {
        self.records.fetch_add(batch.records().count() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn flush(&mut self) -> std::result::Result<(), Error> {
        Ok(())
    }
}
