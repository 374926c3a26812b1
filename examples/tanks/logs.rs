//! The simulation under a capture layer, and what its log says.

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use spanlake::observe::{ContextFilter, TimeFilter};
use spanlake::prelude::*;
use tracing::info_span;
use tracing::subscriber::with_default;
use tracing_subscriber::Registry;

use crate::known::{KNOWN, TOLERANCE_M};
use crate::simulation::Simulation;
use crate::wanted::Wanted;

/// A log as text.
pub(crate) struct Log {
    text: String,
    /// By how much the worst level was off.
    pub(crate) worst_error_m: f64,
}

/// Memory that a sink writes to.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

const STEP_S: f64 = 0.5;
const STEPS: u32 = 20;
const LONG: Duration = Duration::from_secs(30);

/// Runs the simulation, checks its numbers, and gives what was logged.
pub(crate) fn of(wanted: &Wanted) -> Result<Log, Box<dyn Error>> {
    let memory = Memory::default();
    let (context, time) = (ContextFilter::new(), TimeFilter::new());
    // Cheap clones, by which a program changes them also while it runs.
    wanted.only.iter().for_each(|name| context.set([name]));
    wanted.from_s.iter().for_each(|start| time.set(*start));
    let level = LevelFilter::from_level(wanted.level);
    let sink = StreamSink::to("memory", memory.clone()).level(level);
    let builder = CaptureLayer::builder().level(level).processor(context).processor(time).sink(sink);
    let (capture, guard) = builder.build()?;
    let levels =
        with_default(Registry::default().with(capture).with(level), || Simulation::new(&KNOWN, STEP_S).run(STEPS))?;
    let report = guard.shutdown(LONG)?;
    must(report.is_complete(), "nothing is lost")?;
    let worst_error_m = KNOWN.worst_error_m(&levels);
    must(worst_error_m < TOLERANCE_M, "the levels are those of the known solution")?;
    Ok(Log { text: memory.text(), worst_error_m })
}

/// How many steps of the simulation lead to this time or a later one.
pub(crate) fn steps_from(start_s: f64) -> usize {
    (1..=STEPS).filter(|step| f64::from(*step) * STEP_S >= start_s).count()
}

/// Runs two steps with all values in a lake, and gives the task.
pub(crate) fn values_in(lake: &Path) -> Result<TaskKey, Box<dyn Error>> {
    let (capture, guard) = CaptureLayer::builder().level(LevelFilter::TRACE).sink(JsonlSink::new(lake)).build()?;
    let key = with_default(Registry::default().with(capture), || {
        let span = info_span!("tanks");
        let key = Task::of(&span).map(|task| task.key());
        span.in_scope(|| Simulation::new(&KNOWN, STEP_S).run(2)).map(|_| key)
    })?;
    guard.shutdown(LONG)?;
    key.ok_or_else(|| "a capture layer gives every span a task".into())
}

/// An expectation that ends the example where it does not hold.
pub(crate) fn must(holds: bool, what: &str) -> Result<(), Box<dyn Error>> {
    if holds { Ok(()) } else { Err(format!("it does not hold that {what}").into()) }
}

// === impl Log ===

impl Log {
    pub(crate) fn lines(&self) -> usize {
        self.text.lines().count()
    }

    pub(crate) fn head(&self, lines: usize) -> String {
        self.text.lines().take(lines).map(|line| format!("{}\n", shortened(line))).collect()
    }

    /// How many records are below INFO.
    pub(crate) fn details(&self) -> usize {
        self.count(" - DEBUG - ") + self.count(" - TRACE - ")
    }

    /// How often an object was entered.
    pub(crate) fn entered(&self, object: &str) -> usize {
        self.count(&format!("Entering {object}"))
    }

    pub(crate) fn dumps(&self) -> usize {
        self.count(" - #### ")
    }

    fn count(&self, text: &str) -> usize {
        self.text.lines().filter(|line| line.contains(text)).count()
    }
}

/// The line without its date and its place, which would fill the screen.
fn shortened(line: &str) -> String {
    let parts: Vec<&str> = line.splitn(5, " - ").collect();
    match parts[..] {
        [time, level, _, _, message] => format!("{} {level:>5} {message}", time.get(11..26).unwrap_or(time)),
        _ => line.to_owned(),
    }
}

// === impl Memory ===

impl Memory {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
