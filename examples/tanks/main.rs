//! Two tanks that level out through a pipe, solved by Newton's method step by step in time, as observed objects.
//!
//! Run it with `cargo run --example tanks`. It prints how the log of the same work begins at INFO, DEBUG and TRACE, that of
//! one component, and that from a time of the simulation on, and then values as `spanlake tree --values` shows them. It
//! checks its numbers against the solution that is known, and its logs against what they must have.
//!
//! `cargo run --example tanks -- --level trace --only pipe --from 9.5` prints one such log, whole.

mod plant;
mod newton;
mod simulation;
mod known;
mod wanted;
mod logs;

use std::error::Error;
use std::process::ExitCode;

use logs::Log;
use spanlake::TaskKey;
use tracing::Level;
use wanted::Wanted;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    if let Some(wanted) = Wanted::from_args(std::env::args().skip(1))? {
        print!("{}", logs::of(&wanted)?.head(usize::MAX));
        return Ok(ExitCode::SUCCESS);
    }
    show_levels()?;
    show_filters()?;
    show_values()
}

fn show_levels() -> Result<(), Box<dyn Error>> {
    let info = logs::of(&Wanted::at(Level::INFO))?;
    show("INFO", &info, 6);
    logs::must(info.details() == 0, "INFO has no detail")?;

    let debug = logs::of(&Wanted::at(Level::DEBUG))?;
    show("DEBUG", &debug, 9);
    logs::must(debug.entered("pipe") > 100 && debug.dumps() == 0, "DEBUG has lines and no values")?;

    let trace = logs::of(&Wanted::at(Level::TRACE))?;
    show("TRACE", &trace, 16);
    logs::must(trace.dumps() > 1_000, "TRACE has values")?;
    println!("\nthe levels are off the known solution by {:.0e} m at most", trace.worst_error_m);
    Ok(())
}

fn show_filters() -> Result<(), Box<dyn Error>> {
    let all = logs::of(&Wanted::at(Level::TRACE))?;
    let pipe = logs::of(&Wanted { only: Some("pipe".into()), ..Wanted::at(Level::TRACE) })?;
    show("TRACE, the pipe only", &pipe, 12);
    logs::must(pipe.entered("pipe") == all.entered("pipe"), "the filter loses nothing of the pipe")?;
    logs::must(pipe.entered("upper tank") == 0 && pipe.entered("newton") == 0, "nothing else is there")?;

    let late = logs::of(&Wanted { from_s: Some(LATE_S), ..Wanted::at(Level::DEBUG) })?;
    show(&format!("DEBUG, from {LATE_S} s on"), &late, 9);
    let steps = late.entered("simulation - step");
    logs::must(steps == logs::steps_from(LATE_S), "the steps from then on are there, and no other")
}

fn show_values() -> Result<ExitCode, Box<dyn Error>> {
    let lake = tempfile::tempdir()?;
    let key: TaskKey = logs::values_in(lake.path())?;
    println!("\n=== spanlake tree lake --values --text '{DUMPS}' ===");
    let (lake, key) = (lake.path().to_string_lossy(), key.to_string());
    Ok(spanlake_cli::main_from(["spanlake", "tree", &lake, "--task", &key, "--values", "--text", DUMPS]))
}

/// How the values of the simulation begin.
const DUMPS: &str = "#### simulation";

/// From when on details are wanted, in seconds.
const LATE_S: f64 = 5.0;

fn show(title: &str, log: &Log, lines: usize) {
    println!("\n=== {title}: {} lines ===", log.lines());
    print!("{}", log.head(lines));
}
