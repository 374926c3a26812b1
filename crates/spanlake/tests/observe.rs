//! Observed objects all the way into files: a file for each run, and values as what they are.

use std::fs;
use std::num::NonZeroU64;
use std::path::Path;

use serde_json::{Value, json};
use spanlake::Pipe;
use spanlake::lake::{Every, RollingFileSink, TestSink};
use spanlake::observe::{ContextFilter, Observe, TimeFilter, observe};
use spanlake::prelude::*;
use spanlake_query::{Filter, Format, Lake};
use tracing::{info, info_span};

const LONG: Duration = Duration::from_secs(60);

#[derive(Observe)]
#[observe(name = "pump")]
struct Pump {
    #[observe(input, output, group = "water")]
    pressure: f64,
    #[observe(output)]
    flows: Vec<f64>,
    #[observe(input)]
    stage: u32,
}

impl Pump {
    fn new(stage: u32) -> Self {
        Self { pressure: 0.1 + 0.2, flows: vec![1.0 / 3.0, 2.0], stage }
    }

    fn run(&mut self) {
        observe(self, "run", |pump| {
            info!("run {}", pump.stage);
            observe(&mut *pump, "inner", |pump| pump.pressure += 1.0);
        });
    }
}

/// Does `work` under a capture layer with this sink and waits until it has everything.
fn under(sink: impl spanlake::Sink + 'static, work: impl FnOnce()) {
    let (capture, guard) = CaptureLayer::builder().level(LevelFilter::TRACE).sink(sink).build().expect("a thread");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), work);
    assert!(guard.shutdown(LONG).expect("in time").is_complete());
}

/// The texts of the files of a log, the newest first.
fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    let mut paths: Vec<_> = entries.filter(|path| name(path).starts_with("debug")).collect();
    paths.sort();
    paths.iter().map(|path| fs::read_to_string(path).expect("text")).collect()
}

fn three() -> NonZeroU64 {
    NonZeroU64::new(3).expect("not zero")
}

#[test]
fn each_run_has_a_file_and_the_last_ones_are_kept() {
    let folder = tempfile::tempdir().expect("a folder");
    let sink = RollingFileSink::new(folder.path().join("debug.log")).every(Every::Run).max_files(three());
    under(sink, || (1..=5).for_each(|stage| Pump::new(stage).run()));
    let files = files(folder.path());
    assert_eq!(files.len(), 3);
    for (text, stage) in files.iter().zip([5, 4, 3]) {
        assert!(text.lines().next().is_some_and(|line| line.ends_with("Entering pump - run")), "{text}");
        assert!(text.lines().last().is_some_and(|line| line.ends_with("Exiting pump - run")), "{text}");
        assert!(text.contains(&format!("run {stage}\n")), "a nested object begins no run: {text}");
    }
}

#[test]
fn each_root_task_has_a_file_whatever_the_level() {
    let folder = tempfile::tempdir().expect("a folder");
    let sink = RollingFileSink::new(folder.path().join("debug.log")).every(Every::RootTask).max_files(three());
    under(sink.level(LevelFilter::INFO), || {
        for stage in 1..=4 {
            info_span!("job").in_scope(|| info_span!("part").in_scope(|| Pump::new(stage).run()));
        }
    });
    let files = files(folder.path());
    assert_eq!(files.len(), 3);
    for (text, stage) in files.iter().zip([4, 3, 2]) {
        assert_eq!(text.lines().count(), 5, "{text}");
        assert!(text.contains(&format!("run {stage}\n")), "{text}");
    }
}

#[test]
fn a_handle_rolls_between_runs() {
    let folder = tempfile::tempdir().expect("a folder");
    let sink = RollingFileSink::new(folder.path().join("debug.log")).max_files(three());
    let file = sink.handle();
    let (capture, guard) = CaptureLayer::builder().sink(sink).build().expect("a thread");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), || {
        for stage in 1..=5 {
            guard.flush(LONG);
            file.rollover().expect("a disk");
            Pump::new(stage).run();
        }
    });
    guard.shutdown(LONG).expect("in time");
    let files = files(folder.path());
    assert_eq!(files.len(), 3);
    assert!(files[0].contains("run 5\n") && files[2].contains("run 3\n"), "{files:?}");
}

/// A part of a plant, which may have a clock.
#[derive(Observe)]
#[observe(name = self.name)]
struct Part {
    name: &'static str,
    #[observe(time)]
    time: Option<f64>,
}

#[test]
fn filters_of_one_sink_leave_the_others_whole_also_when_they_change() {
    let sinks = [TestSink::new(), TestSink::new(), TestSink::new()];
    let seen = [0, 1, 2].map(|at: usize| sinks[at].handle());
    let [whole, by_context, by_time] = sinks.map(Pipe::to);
    let (context, time) = (ContextFilter::new(), TimeFilter::new());
    let (capture, guard) = CaptureLayer::builder()
        .level(LevelFilter::TRACE)
        .pipe(whole)
        .pipe(by_context.processor(context.clone()))
        .pipe(by_time.processor(time.clone()))
        .build()
        .expect("a thread");
    let work = || {
        tracing::debug!("alone");
        observe(&Part { name: "a", time: Some(10.0) }, "run", |_| {
            observe(&Part { name: "b", time: Some(26.0) }, "run", |_| tracing::trace!("in b"));
        });
        info!("an info");
        guard.flush(LONG);
        seen.each_ref().map(|seen| {
            let messages = seen.records().into_iter().map(|record| record.message).collect::<Vec<_>>();
            seen.clear();
            messages
        })
    };
    let all =
        ["alone", "Entering a - run", "Entering b - run", "in b", "Exiting b - run", "Exiting a - run", "an info"];
    let in_b = ["Entering b - run", "in b", "Exiting b - run", "an info"];
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), || {
        assert_eq!(work(), [&all[..], &all, &all], "nothing is set");
        context.set(["b"]);
        assert_eq!(work(), [&all[..], &in_b, &all]);
        time.set(26.0);
        assert_eq!(work(), [&all[..], &in_b, &in_b]);
        context.set(["a"]);
        time.set(42.0);
        assert_eq!(work(), [&all[..], &all[1..], &["an info"]]);
        context.clear();
        time.clear();
        assert_eq!(work(), [&all[..], &all, &all], "nothing is set any more");
    });
    assert!(guard.shutdown(LONG).expect("in time").is_complete());
}

#[test]
fn values_keep_their_types_in_every_format_of_the_lake() {
    let folder = tempfile::tempdir().expect("a folder");
    let context = ContextFilter::new();
    let (capture, guard) = CaptureLayer::builder()
        .level(LevelFilter::TRACE)
        .processor(context.clone())
        .sink(JsonlSink::new(folder.path()))
        .sink(ParquetSink::new(folder.path()))
        .build()
        .expect("a thread");
    context.set(["pump"]);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), || {
        tracing::debug!("nobody asked for this");
        Pump::new(7).run();
    });
    guard.shutdown(LONG).expect("in time");
    for format in [Format::Jsonl, Format::Parquet] {
        let lake = Lake::open(folder.path()).expect("a lake").format(format);
        let records: Vec<_> = lake.read(&Filter::new()).expect("records").collect();
        assert!(records.iter().all(|record| record.message != "nobody asked for this"));
        let dumps = records.iter().filter(|record| record.message.starts_with("####"));
        let dumps: Vec<Value> = dumps.map(|dump| serde_json::from_str(&dump.fields).expect("an object")).collect();
        let (first, last) = (&dumps[0], dumps.last().expect("dumps"));
        assert_eq!((&first["water.pressure"], &first["values.stage"]), (&json!(0.1 + 0.2), &json!(7)));
        assert_eq!(
            (&last["water.pressure"], &last["values.flows"]),
            (&json!(0.1 + 0.2 + 1.0), &json!([1.0 / 3.0, 2.0]))
        );
        assert_eq!(last["observed.within"], json!(["pump"]));
    }
}
