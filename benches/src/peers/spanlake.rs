//! spanlake: a capture layer in front of a sink; the sinks differ.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use parquet::file::reader::{FileReader, SerializedFileReader};
use spanlake_capture::{CaptureLayer, CaptureLayerBuilder, Guard, Policy};
use spanlake_core::{Batch, Error, LevelFilter, Logger, Routing, Sink};
use spanlake_lake::{JsonlSink, ParquetSink};
use spanlake_scope::Verbosity;
use tracing_subscriber::{Registry, layer::SubscriberExt};

use super::{Peer, Session, Traced};
use crate::{
    Result,
    output::{self, Output},
    trial::Trial,
    work::Work,
};

const TAKES: &[(Work, u64)] = &[(Work::Events, 1), (Work::Burst, 1), (Work::Spans, 2), (Work::Disabled, 0)];

/// Counts records and drops them: what the caller's half and the pump cost by themselves.
pub(super) const MEMORY: Peer = Peer { name: "spanlake-memory", takes: TAKES, open: open_memory };

/// As [`MEMORY`], with levels of which an event's target decides: each event is asked about, by time as well.
pub(super) const BY_TARGET: Peer = Peer { name: "spanlake-by-target", takes: TAKES, open: open_by_target };

/// As [`MEMORY`], with levels of which an event's task decides.
pub(super) const BY_TASK: Peer = Peer { name: "spanlake-by-task", takes: TAKES, open: open_by_task };

/// As [`MEMORY`], with a routing: the work's logger propagates to the root, which hands the sink its records.
pub(super) const ROUTED: Peer = Peer { name: "spanlake-routed", takes: TAKES, open: open_routed };

/// JSON lines in a lake, with all columns.
pub(super) const JSONL: Peer = Peer { name: "spanlake-jsonl", takes: TAKES, open: open_jsonl };

/// The same, with the crash-proof spool in between.
pub(super) const SPOOL: Peer = Peer { name: "spanlake-spool", takes: TAKES, open: open_spool };

/// Parquet in a lake, with all columns.
pub(super) const PARQUET: Peer = Peer { name: "spanlake-parquet", takes: TAKES, open: open_parquet };

/// How long a producer waits for room; longer than any run, so that nothing is lost.
const BLOCK: Duration = Duration::from_secs(60);

fn open_memory(_: &Trial) -> Result<Box<dyn Session>> {
    open_counting("info", settings())
}

fn open_by_target(_: &Trial) -> Result<Box<dyn Session>> {
    open_counting("warn,spanlake_benches=info/1h", settings())
}

fn open_by_task(_: &Trial) -> Result<Box<dyn Session>> {
    open_counting("warn,task=job=info", settings())
}

fn open_routed(_: &Trial) -> Result<Box<dyn Session>> {
    let work = Logger::new("spanlake_benches").level(LevelFilter::INFO);
    let routing = Routing::builder().logger(work).logger(Logger::root().level(LevelFilter::WARN)).build()?;
    open_counting("info", settings().routing(routing))
}

fn open_counting(directives: &str, builder: CaptureLayerBuilder) -> Result<Box<dyn Session>> {
    let verbosity = Verbosity::new(LevelFilter::INFO);
    verbosity.set(directives.parse()?);
    let counter = Counter::default();
    let counted = Arc::clone(&counter.records);
    let found = move |trial: &Trial| {
        let contexts = context_records(trial);
        Ok(Output { records: counted.load(Ordering::Relaxed).saturating_sub(contexts), bytes: 0 })
    };
    let (capture, guard) = builder.verbosity(&verbosity).sink(counter).build()?;
    let subscriber = Registry::default().with(capture).with(verbosity.filter());
    Ok(Box::new(Traced::install(subscriber, move || finish(guard))?.found_by(found)))
}

fn open_jsonl(trial: &Trial) -> Result<Box<dyn Session>> {
    Ok(Box::new(install(JsonlSink::new(&trial.out))?))
}

fn open_spool(trial: &Trial) -> Result<Box<dyn Session>> {
    let spool = trial.out.join(".spool");
    Ok(Box::new(install_in(settings().spool(spool), JsonlSink::new(&trial.out))?))
}

fn open_parquet(trial: &Trial) -> Result<Box<dyn Session>> {
    Ok(Box::new(install(ParquetSink::new(&trial.out))?.found_by(count_rows)))
}

/// Counts the rows of all Parquet files, those of the contexts left out.
fn count_rows(trial: &Trial) -> Result<Output> {
    let contexts = context_records(trial);
    let mut found = Output { records: 0, bytes: 0 };
    for file in output::files(&trial.out)? {
        let reader = SerializedFileReader::new(std::fs::File::open(&file)?)?;
        found.records += u64::try_from(reader.metadata().file_metadata().num_rows())?;
        found.bytes += file.metadata()?.len();
    }
    found.records = found.records.saturating_sub(contexts);
    Ok(found)
}

/// Begins and ends of the contexts around the work: one of a thread's spans, two of its events.
fn context_records(trial: &Trial) -> u64 {
    if trial.work == Work::Spans { 2 * trial.threads } else { 4 * trial.threads }
}

fn settings() -> CaptureLayerBuilder {
    CaptureLayer::builder().level(LevelFilter::INFO).policy(Policy::Block(BLOCK))
}

fn install(sink: impl Sink + 'static) -> Result<Traced> {
    install_in(settings(), sink)
}

fn install_in(builder: CaptureLayerBuilder, sink: impl Sink + 'static) -> Result<Traced> {
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
