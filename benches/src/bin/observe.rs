//! What an observed object costs: the disabled call beside a disabled event, the enabled one beside the same by hand.

use std::{
    borrow::Cow,
    hint::black_box,
    process::Command,
    time::{Duration, Instant},
};

use clap::{Parser, ValueEnum};
use spanlake_benches::{Result, setting};
use spanlake_capture::{CaptureLayer, Guard, Policy};
use spanlake_core::{Batch, Error, LevelFilter, Sink};
use spanlake_scope::observe::{Observe, Observer, Phase, observe};
use tracing::{debug, trace};
use tracing_subscriber::{Registry, layer::SubscriberExt};

/// Run the cases in interleaved rounds, one process per run, and print medians; or one case, once.
#[derive(Parser)]
struct Args {
    /// Only this one, once, in this process: what `valgrind --tool=callgrind` is put around
    case: Option<Case>,
    /// Operations a run [default: depends on the case]
    #[arg(long)]
    count: Option<u64>,
    /// How often each case runs
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// What is done to a pump, many times over.
#[derive(Clone, Copy, ValueEnum)]
enum Case {
    /// Its work alone.
    Nothing,
    /// Its work and a DEBUG event, while the level is INFO.
    DisabledEvent,
    /// Its work under observation, while the level is INFO.
    DisabledObserve,
    /// Its work between two DEBUG and two TRACE events with its values, while the level is TRACE.
    ByHand,
    /// Its work under observation, while the level is TRACE.
    Observe,
}

/// An object with three inputs and two outputs.
struct Pump {
    speed: f64,
    torque: f64,
    pressure_in: f64,
    flow: f64,
    pressure_out: f64,
}

impl Observe for Pump {
    fn observe(&self, phase: Phase, _: &str, out: &mut Observer) {
        match phase {
            Phase::Enter => {
                out.group("shaft").value("speed", &self.speed).value("torque", &self.torque);
                out.group("inlet").value("pressure", &self.pressure_in);
            }
            Phase::Exit => {
                out.group("outlet").value("flow", &self.flow).value("pressure", &self.pressure_out);
            }
        }
    }

    fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed("pump")
    }
}

impl Pump {
    #[inline]
    fn run(&mut self) {
        self.flow = 0.02 * self.speed;
        self.pressure_out = self.pressure_in + self.torque * self.speed;
        self.speed += 1e-6;
    }
}

impl Case {
    fn level(self) -> LevelFilter {
        match self {
            Case::Nothing | Case::DisabledEvent | Case::DisabledObserve => LevelFilter::INFO,
            Case::ByHand | Case::Observe => LevelFilter::TRACE,
        }
    }

    fn count_default(self) -> u64 {
        if self.level() == LevelFilter::INFO { 100_000_000 } else { 500_000 }
    }

    fn run(self, pump: &mut Pump) {
        match self {
            Case::Nothing => pump.run(),
            Case::DisabledEvent => {
                debug!("Entering pump - run_once");
                pump.run();
            }
            Case::DisabledObserve => observe(pump, "run_once", |pump| pump.run()),
            Case::ByHand => by_hand(pump),
            Case::Observe => observe(pump, "run_once", |pump| pump.run()),
        }
    }
}

#[inline(never)]
fn by_hand(pump: &mut Pump) {
    debug!("Entering pump - run_once");
    trace!(
        shaft.speed = pump.speed,
        shaft.torque = pump.torque,
        inlet.pressure = pump.pressure_in,
        "#### pump - Pump - Inputs"
    );
    pump.run();
    trace!(outlet.flow = pump.flow, outlet.pressure = pump.pressure_out, "#### pump - Pump - Outputs");
    debug!("Exiting pump - run_once");
}

fn main() -> Result<()> {
    let args = Args::parse();
    match args.case {
        Some(case) => {
            println!("{}", measure(case, args.count.unwrap_or(case.count_default()))?);
            Ok(())
        }
        None => compare(&args),
    }
}

/// Nanoseconds of the calling thread for one operation.
fn measure(case: Case, count: u64) -> Result<f64> {
    let guard = install(case.level())?;
    let mut pump = Pump { speed: 50.0, torque: 2.0, pressure_in: 1.0, flow: 0.0, pressure_out: 0.0 };
    let started = Instant::now();
    for _ in 0..count {
        case.run(black_box(&mut pump));
    }
    let caller_ns = started.elapsed().as_nanos() as f64 / count as f64;
    let report = guard.shutdown(Duration::from_secs(60))?;
    if report.is_complete() { Ok(caller_ns) } else { Err(report.to_string().into()) }
}

fn install(level: LevelFilter) -> Result<Guard> {
    let policy = Policy::Block(Duration::from_secs(60));
    let (capture, guard) = CaptureLayer::builder().level(level).policy(policy).sink(Dropping).build()?;
    tracing::subscriber::set_global_default(Registry::default().with(capture).with(level))?;
    Ok(guard)
}

fn compare(args: &Args) -> Result<()> {
    let cases = Case::value_variants();
    let mut samples = vec![Vec::new(); cases.len()];
    for _ in 0..args.rounds {
        for (case, samples) in cases.iter().zip(&mut samples) {
            samples.push(run_apart(*case, args.count)?);
        }
    }
    print!("{}", setting::describe(&std::env::temp_dir()));
    println!("\n| case | caller ns |\n|---|--:|");
    for (case, samples) in cases.iter().zip(&mut samples) {
        samples.sort_by(f64::total_cmp);
        println!("| {} | {:.2} |", name(*case), samples[samples.len() / 2]);
    }
    Ok(())
}

fn run_apart(case: Case, count: Option<u64>) -> Result<f64> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(name(case));
    if let Some(count) = count {
        command.args(["--count", &count.to_string()]);
    }
    let output = command.output()?;
    if output.status.success() {
        Ok(String::from_utf8(output.stdout)?.trim().parse()?)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into())
    }
}

fn name(case: Case) -> String {
    case.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// A sink that drops what it gets.
struct Dropping;

impl Sink for Dropping {
    fn name(&self) -> &str {
        "dropping"
    }

    fn write(&mut self, _: &Batch<'_>) -> std::result::Result<(), Error> {
        Ok(())
    }

    fn flush(&mut self) -> std::result::Result<(), Error> {
        Ok(())
    }
}
