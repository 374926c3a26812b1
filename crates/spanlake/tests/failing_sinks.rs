//! Sinks that fail in the ways of real ones, next to one that does not: through the API, as a program has them.

#![cfg(target_os = "linux")]

use std::fs::OpenOptions;
use std::io;
use std::num::NonZeroUsize;
use std::time::Duration;

use spanlake::core::{Batch, SinkReport, SinkState};
use spanlake::lake::{FileSink, TestHandle, TestSink};
use spanlake::prelude::*;
use spanlake::{Error, Pipe, Report, Sink};

/// Records in each of two rounds.
const ROUND: usize = 500;

const LONG: Duration = Duration::from_secs(60);

/// A sink of somebody's, with a defect.
struct Panics;

impl Sink for Panics {
    fn name(&self) -> &str {
        "panics"
    }

    fn write(&mut self, _: &Batch<'_>) -> Result<(), Error> {
        panic!("the sink's own defect")
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

fn closed_pipe() -> StreamSink {
    let (reader, writer) = io::pipe().expect("a pipe");
    drop(reader);
    StreamSink::to("closed pipe", writer)
}

fn full_disk() -> StreamSink {
    StreamSink::to("full disk", OpenOptions::new().write(true).open("/dev/full").expect("Linux has it"))
}

fn say(round: usize) {
    (0..ROUND).for_each(|at| tracing::info!("m{}", round * ROUND + at));
}

/// What all the records say, in their order.
fn expected(rounds: usize) -> Vec<String> {
    (0..rounds * ROUND).map(|at| format!("m{at}")).collect()
}

fn messages(sink: &TestHandle) -> Vec<String> {
    sink.records().into_iter().map(|record| record.message).filter(|text| !text.contains(" lost (")).collect()
}

fn of<'r>(report: &'r Report, name: &str) -> &'r SinkReport {
    report.sinks.iter().find(|sink| sink.name == name).expect("a sink of this name")
}

fn last_error<'r>(report: &'r Report, name: &str) -> &'r str {
    of(report, name).last_error.as_deref().unwrap_or_default()
}

#[test]
fn the_healthy_one_misses_nothing_and_the_others_say_what_they_lack() {
    let folder = tempfile::tempdir().expect("a folder");
    // Whoever may do everything is stopped by a file in the place of the folder.
    let in_the_way = folder.path().join("logs");
    std::fs::write(&in_the_way, "a file").expect("written");
    let blocked = in_the_way.join("shop.log");
    let (healthy, fallback) = (TestSink::new(), TestSink::new());
    let (healthy_seen, fallback_seen) = (healthy.handle(), fallback.handle());
    let builder = CaptureLayer::builder()
        .policy(Policy::Block(LONG))
        .sink(closed_pipe())
        // Nothing is kept for it, so that its fallback gets all at once.
        .pipe(Pipe::to(full_disk()).fallback(fallback).backlog_bytes(NonZeroUsize::MIN))
        .sink(Panics)
        .pipe(Pipe::to(FileSink::new(&blocked)).named("blocked file"))
        .pipe(Pipe::to(healthy).named("healthy"));
    let (capture, guard) = builder.build().expect("a thread");
    let stack = tracing_subscriber::registry().with(capture);
    tracing::subscriber::with_default(stack, || {
        say(0);
        let report = guard.flush(LONG);
        assert_eq!(messages(&healthy_seen), expected(1));
        assert_eq!((of(&report, "healthy").state, of(&report, "healthy").written), (SinkState::Ok, ROUND as u64));
        for name in ["closed pipe", "panics", "blocked file"] {
            let sink = of(&report, name);
            let state = (sink.state, sink.written, sink.lost, sink.pending);
            assert_eq!(state, (SinkState::Retrying, 0, 0, ROUND as u64), "{name}: {sink:?}");
        }
        assert!(last_error(&report, "closed pipe").contains("HANDLER::StreamSink::IO::ERROR::RECOVERABLE"));
        assert!(last_error(&report, "panics").contains("the sink's own defect"), "{}", last_error(&report, "panics"));
        assert!(last_error(&report, "blocked file").contains("HANDLER::FileSink::IO::ERROR"));

        let full = of(&report, "full disk");
        assert_eq!((full.state, full.written, full.lost), (SinkState::Degraded, ROUND as u64, 0), "{full:?}");
        assert_eq!(messages(&fallback_seen), expected(1), "its fallback has them");

        std::fs::remove_file(&in_the_way).expect("out of the way");
        say(1);
        let report = guard.flush(LONG);
        assert_eq!((of(&report, "blocked file").pending, of(&report, "blocked file").lost), (0, 0), "{report:?}");
        let lines = std::fs::read_to_string(&blocked).expect("the log");
        let said: Vec<&str> = lines.lines().filter_map(|line| line.rsplit(' ').next()).collect();
        assert_eq!(said, expected(2), "what it lacked comes first, and each once");
    });
    let report = guard.shutdown(LONG).expect("in time");
    assert_eq!(messages(&healthy_seen), expected(2));
    for name in ["closed pipe", "panics"] {
        assert_eq!((of(&report, name).lost, of(&report, name).pending), (2 * ROUND as u64, 0), "counted: {name}");
    }
    assert_eq!(report.recorded, report.written + report.filtered + report.lost + report.pending, "{report:?}");
}
