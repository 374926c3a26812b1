//! What the rows of runs cost: the same work in a stack without the ETL layer and in one with it, in turn.
//!
//! `cargo run --release -p spanlake-benches --bin runs -- [--rounds N] [--count N]`. With `--only WORK --stack STACK` it does
//! one kind of work in one stack, once, for a counter of instructions.

use std::hint::black_box;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};
use spanlake_benches::{Result, setting};
use spanlake_capture::{CaptureLayer, Guard};
use spanlake_core::{Batch, Error, Policy, Sink};
use spanlake_etl::{EtlLayer, Job, Run};
use spanlake_scope::ScopeLayer;
use tracing::{Dispatch, dispatcher, info, info_span};
use tracing_subscriber::prelude::*;

/// What the rows of runs cost.
#[derive(Parser)]
struct Args {
    /// How often each work is done in each stack.
    #[arg(long, default_value_t = 9)]
    rounds: usize,
    /// Operations of a round; of runs a hundredth.
    #[arg(long, default_value_t = 200_000)]
    count: u64,
    /// Does this work only.
    #[arg(long, requires = "stack")]
    only: Option<Work>,
    /// In this stack only.
    #[arg(long, requires = "only")]
    stack: Option<Stack>,
}

/// An operation that is measured.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Work {
    /// An event with three fields, inside two spans that are no runs.
    EventOutside,
    /// The same, inside a run, about which it tells nothing.
    EventInside,
    /// A span that is no run, made, entered and closed.
    SpanOutside,
    /// A run with three phases, told of by ten calls.
    RunByCalls,
    /// The same, told of by ten fields of events.
    RunByEvents,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Stack {
    Without,
    With,
}

/// A stack that records everything and keeps nothing.
struct Setup {
    dispatch: Dispatch,
    _guard: Guard,
    _job: Option<Job>,
}

/// Takes everything.
struct Nowhere;

impl Sink for Nowhere {
    fn name(&self) -> &str {
        "nowhere"
    }

    fn write(&mut self, batch: &Batch<'_>) -> std::result::Result<(), Error> {
        black_box(batch.records().count());
        Ok(())
    }

    fn flush(&mut self) -> std::result::Result<(), Error> {
        Ok(())
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let folder = setting::scratch_folder(None)?;
    if let (Some(work), Some(stack)) = (args.only, args.stack) {
        let setup = Setup::new(stack, &folder)?;
        dispatcher::with_default(&setup.dispatch, || measure(work, args.count));
        return Ok(());
    }
    let [without, with] = [Setup::new(Stack::Without, &folder)?, Setup::new(Stack::With, &folder)?];
    println!("{}\n| work | without ns | with ns | more |\n|---|--:|--:|--:|", setting::describe(folder.path()));
    for work in Work::value_variants() {
        let mut times = [Vec::new(), Vec::new()];
        for _ in 0..args.rounds {
            for (setup, times) in [&without, &with].into_iter().zip(&mut times) {
                times.push(dispatcher::with_default(&setup.dispatch, || measure(*work, args.count)));
            }
        }
        let [without, with] = times.map(median);
        println!("| {work:?} | {without:.0} | {with:.0} | {:+.1} % |", (with / without - 1.0) * 100.0);
    }
    Ok(())
}

impl Setup {
    fn new(stack: Stack, folder: &tempfile::TempDir) -> Result<Self> {
        let builder = CaptureLayer::builder().policy(Policy::Block(Duration::from_secs(60)));
        let (capture, guard) = builder.sink(Nowhere).build()?;
        let registry = tracing_subscriber::registry().with(ScopeLayer::new()).with(capture);
        let (dispatch, job) = match stack {
            Stack::Without => (Dispatch::new(registry), None),
            Stack::With => {
                let (etl, job) = EtlLayer::builder(folder.path().join("lake")).build()?;
                (Dispatch::new(registry.with(etl)), Some(job))
            }
        };
        Ok(Self { dispatch, _guard: guard, _job: job })
    }
}

/// Nanoseconds of an operation.
fn measure(work: Work, count: u64) -> f64 {
    match work {
        Work::EventOutside => info_span!("job", user = "ada")
            .in_scope(|| info_span!("load", table = "orders", attempt = 1).in_scope(|| timed(count, event))),
        Work::EventInside => info_span!("job", etl.dataflow = "orders")
            .in_scope(|| info_span!("load", table = "orders", attempt = 1).in_scope(|| timed(count, event))),
        Work::SpanOutside => timed(count, |number| drop(info_span!("span", number).entered())),
        Work::RunByCalls => timed(count / 100, |_| run(tell_by_calls)),
        Work::RunByEvents => timed(count / 100, |_| run(tell_by_events)),
    }
}

fn timed(count: u64, work: impl Fn(u64)) -> f64 {
    let start = Instant::now();
    (0..count).for_each(work);
    start.elapsed().as_nanos() as f64 / count as f64
}

fn event(number: u64) {
    info!(rows = number, table = "orders", ok = true, "wrote batch");
}

fn run(tell: fn(&str, u64)) {
    info_span!("orders", etl.dataflow = "orders", etl.stage = "bronze").in_scope(|| {
        info_span!("source", etl.table = "orders").in_scope(|| (0..4).for_each(|rows| tell("rows_read", rows)));
        info_span!("transform").in_scope(|| tell("rows_deleted", 1));
        info_span!("destination", etl.table = "orders").in_scope(|| (0..5).for_each(|rows| tell("rows_written", rows)));
    });
}

fn tell_by_calls(counter: &str, rows: u64) {
    let run = Run::current();
    match counter {
        "rows_read" => run.rows_read(rows),
        "rows_written" => run.rows_written(rows),
        _ => run.rows_deleted(rows),
    }
}

fn tell_by_events(counter: &str, rows: u64) {
    match counter {
        "rows_read" => info!(etl.rows_read = rows, "batch"),
        "rows_written" => info!(etl.rows_written = rows, "batch"),
        _ => info!(etl.rows_deleted = rows, "batch"),
    }
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
