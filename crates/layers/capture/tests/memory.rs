//! How much memory millions of events take. A binary of its own: resident memory is the whole process's.
#![cfg(target_os = "linux")]

use std::time::Duration;

use spanlake_capture::CaptureLayer;
use spanlake_core::{Batch, Error, Sink};
use tracing::{Dispatch, dispatcher, info, info_span};
use tracing_subscriber::layer::SubscriberExt;

/// Set to run all ten million events without optimisations too.
const ALL: &str = "SPANLAKE_ALL_EVENTS";

const THREADS: u64 = 2;
const MOST_KB: u64 = 200_000;

struct Null;

impl Sink for Null {
    fn name(&self) -> &str {
        "null"
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        std::hint::black_box(batch.records().map(|record| record.message.len()).sum::<usize>());
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// The most resident memory this process ever had.
fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has it");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says it");
    line.trim().trim_end_matches(" kB").trim().parse().expect("a number")
}

#[test]
fn millions_of_events_with_the_default_capacity_stay_under_200_mb() {
    let all = !cfg!(debug_assertions) || std::env::var_os(ALL).is_some();
    let events: u64 = if all { 10_000_000 } else { 1_000_000 };
    let (capture, guard) = CaptureLayer::builder().sink(Null).build().expect("a thread");
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(capture));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let dispatch = &dispatch;
            scope.spawn(move || {
                dispatcher::with_default(dispatch, || {
                    info_span!("load", thread).in_scope(|| {
                        (0..events / THREADS).for_each(|row| info!(row, table = "orders", ok = true, "wrote a row"));
                    });
                });
            });
        }
    });
    let report = guard.shutdown(Duration::from_secs(60)).expect("in time");
    let peak_kb = peak_kb();
    println!("{events} events: {report}; {peak_kb} kB at most");
    assert_eq!(report.recorded, events + 2 * THREADS);
    assert_eq!(report.recorded, report.written + report.lost);
    assert!(peak_kb < MOST_KB, "{peak_kb} kB");
}
