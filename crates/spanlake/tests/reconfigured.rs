//! A job whose sinks of the lake are replaced while it runs, and that is killed then: everything is in the lake once.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use serde_json::Value;
use spanlake::core::{Batch, Policy, Sink};
use spanlake::lake::{JsonlSink, Recovery};
use spanlake::{CaptureLayer, Error, Plan};
use tracing_subscriber::prelude::*;

const LONG: Duration = Duration::from_secs(60);

/// The folder of both lakes; set for the child.
const LAKES: &str = "SPANLAKE_TEST_LAKES";

/// Tells of each drain when it is over.
struct Ticks(&'static str, Sender<()>);

impl Ticks {
    fn new(name: &'static str) -> (Self, Receiver<()>) {
        let (tell, drained) = channel();
        (Self(name, tell), drained)
    }
}

impl Sink for Ticks {
    fn name(&self) -> &str {
        self.0
    }

    fn write(&mut self, _: &Batch<'_>) -> Result<(), Error> {
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn tick(&mut self) -> Result<(), Error> {
        // Nobody hears the later ones.
        let _ = self.1.send(());
        Ok(())
    }
}

/// How often each message stands in a lake.
fn messages(lake: &Path) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for day in std::fs::read_dir(lake.join("debug_json/records")).into_iter().flatten() {
        for file in std::fs::read_dir(day.expect("a folder").path()).expect("a folder") {
            let text = std::fs::read_to_string(file.expect("a file").path()).expect("text");
            for line in text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON")) {
                *counts.entry(line["message"].as_str().expect("a text").to_owned()).or_default() += 1;
            }
        }
    }
    counts
}

/// Plays the job; nothing without the variable.
#[test]
fn job_that_is_killed() {
    let Ok(lakes) = std::env::var(LAKES) else { return };
    let (one, two) = (Path::new(&lakes).join("one"), Path::new(&lakes).join("two"));
    // Nothing gets to the sinks but by a change, as long as the pump rests before it.
    let (ticks, began) = Ticks::new("began");
    let (capture, guard) = CaptureLayer::builder()
        .policy(Policy::Block(LONG))
        .drain_every(LONG)
        .spool(one.join(".spool"))
        .sink(JsonlSink::new(&one))
        .sink(ticks)
        .build()
        .expect("a thread");
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(capture)).expect("the only one");
    let handle = guard.handle();
    let rests = |drained: &Receiver<()>| drained.recv_timeout(LONG).expect("a drain");
    // Behind a change it drains once more.
    let change = |lake: &Path, name| {
        let (ticks, drained) = Ticks::new(name);
        handle.reconfigure(Plan::new().sink(JsonlSink::new(lake)).sink(ticks), LONG).expect("a plan");
        rests(&drained);
    };
    rests(&began);
    tracing::info!("first");
    change(&one, "itself");
    tracing::info!("second");
    change(&two, "another");
    tracing::info!("third");
    println!("said");
    std::thread::park();
    drop(guard);
}

#[test]
fn a_lake_that_is_replaced_by_itself_and_by_another_one_has_everything_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    std::fs::create_dir_all(&one).expect("a folder");
    std::fs::create_dir_all(&two).expect("a folder");
    let mut killed = Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "job_that_is_killed", "--nocapture"])
        .env(LAKES, folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let mut out = BufReader::new(killed.stdout.take().expect("its output")).lines();
    assert!(out.any(|line| line.expect("text").contains("said")));
    killed.kill().expect("our child");
    killed.wait().expect("our child");

    let counts = |texts: &[&str]| texts.iter().map(|text| ((*text).to_owned(), 1)).collect::<BTreeMap<_, _>>();
    assert_eq!((messages(&one), messages(&two)), (counts(&["first", "second"]), counts(&[])));
    let recovered = Recovery::new(&one).run().expect("a lake");
    assert_eq!((recovered.len(), recovered[0].records), (1, 1));
    assert_eq!((messages(&one), messages(&two)), (counts(&["first", "second"]), counts(&["third"])));
}
