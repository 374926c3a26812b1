//! A rolling file on a disk that fails at any call, and one that has two writers in two processes.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use spanlake_core::Sink;
use spanlake_core::segment::Segment;
use spanlake_lake::{FileSink, RollingFileSink};
use spanlake_testkit::disk::{EIO, ENOSPC, FakeDisk, Fault, Operation};
use tempfile::TempDir;

use crate::rolling::{Messages, oldest_first};
use crate::support::{Script, feed};

/// Batches of a run; most of them roll a file, some two.
const BATCHES: usize = 6;

/// Records in each.
const RECORDS: usize = 5;

/// Room for four lines.
const MOST: u64 = 40;

/// How often a pump tries before somebody looks at the disk.
const TRIES: usize = 3;

struct Run {
    folder: TempDir,
    disk: FakeDisk,
    sink: Option<Box<dyn Sink>>,
    /// The batches that were taken.
    taken: Vec<usize>,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Growing,
    Rolling,
}

const KINDS: [Kind; 2] = [Kind::Growing, Kind::Rolling];

impl Run {
    fn new(kind: Kind, fault: Option<Fault>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = FakeDisk::new(folder.path());
        fault.into_iter().for_each(|fault| disk.fail(fault));
        let path = folder.path().join("logs/log");
        let most = NonZeroU64::new(MOST).unwrap();
        let files = NonZeroU64::new(100).unwrap();
        let sink: Box<dyn Sink> = match kind {
            Kind::Growing => Box::new(FileSink::new(path).renderer(Messages).disk(disk.handle())),
            Kind::Rolling => {
                let sink = RollingFileSink::new(path).renderer(Messages).disk(disk.handle());
                Box::new(sink.max_bytes(most).max_files(files))
            }
        };
        Self { folder, disk, sink: Some(sink), taken: Vec::new() }
    }

    fn sink(&mut self) -> &mut Box<dyn Sink> {
        self.sink.as_mut().unwrap()
    }

    /// Writes the batches as a pump does: a batch that fails comes again before newer ones. A look at what is visible comes
    /// after each failure that let itself be taken back.
    fn write(&mut self, batches: std::ops::Range<usize>) {
        for number in batches {
            let taken = (0..TRIES).any(|_| feed(self.sink(), &batch(number)).is_ok());
            if !taken {
                return;
            }
            self.taken.push(number);
            if number % 2 == 1 {
                let _ = self.sink().flush();
            }
        }
    }

    fn texts(&self) -> Vec<String> {
        texts(&self.folder.path().join("logs"))
    }

    fn describe(&self) -> String {
        let failed = self.disk.calls().into_iter().enumerate().filter(|(_, call)| call.failed);
        failed.take(3).map(|(at, call)| format!("call {}: {:?} of {:?}; ", at + 1, call.operation, call.path)).collect()
    }

    /// All batches that were taken, in order and once, in files that are no longer than they may be.
    fn assert_whole(&self, kind: Kind) {
        let texts = self.texts();
        let expected: Vec<String> = self.taken.iter().flat_map(|number| lines(*number)).collect();
        let found: Vec<String> = texts.concat().lines().map(str::to_owned).collect();
        assert_eq!(found, expected, "{kind:?} {}", self.describe());
        let is_long = |text: &String| matches!(kind, Kind::Rolling) && text.len() as u64 > MOST;
        assert!(!texts.iter().any(is_long), "{}", self.describe());
    }
}

pub(crate) fn texts(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().into_string().unwrap()).filter(|name| !name.starts_with('.'));
    let read = |name: &String| String::from_utf8_lossy(&fs::read(folder.join(name)).unwrap()).into_owned();
    oldest_first(names.collect()).iter().map(read).collect()
}

fn lines(number: usize) -> Vec<String> {
    (0..RECORDS).map(|at| format!("batch {number} {at}")).collect()
}

fn batch(number: usize) -> Segment {
    Script::events(&format!("batch {number}"), RECORDS)
}

fn calls(kind: Kind) -> u64 {
    let mut run = Run::new(kind, None);
    run.write(0..BATCHES);
    run.sink().flush().unwrap();
    run.assert_whole(kind);
    assert_eq!(run.taken.len(), BATCHES);
    run.disk.calls().len() as u64
}

fn faults(number: u64) -> [Fault; 2] {
    [Fault::at(number).error(ENOSPC).tearing(), Fault::at(number).error(EIO)]
}

#[test]
fn after_any_call_failed_once_everything_is_there_once() {
    for kind in KINDS {
        for number in 1..=calls(kind) {
            for fault in faults(number) {
                let mut run = Run::new(kind, Some(fault));
                run.write(0..BATCHES);
                let _ = run.sink().flush();
                run.sink().flush().unwrap();
                assert_eq!((run.taken.len(), run.sink().unpublished()), (BATCHES, 0), "{}", run.describe());
                run.assert_whole(kind);
            }
        }
    }
}

#[test]
fn when_a_disk_works_again_everything_flows_again() {
    for kind in KINDS {
        for number in 1..=calls(kind) {
            for fault in faults(number) {
                let mut run = Run::new(kind, Some(fault.for_ever()));
                run.write(0..BATCHES);
                let _ = run.sink().flush();
                run.disk.heal();
                let next = run.taken.len();
                run.write(next..BATCHES);
                run.sink().flush().unwrap();
                assert_eq!((run.taken.len(), run.sink().unpublished()), (BATCHES, 0), "{}", run.describe());
                run.assert_whole(kind);
            }
        }
    }
}

#[test]
fn a_refused_batch_is_not_visible_when_the_disk_lets_it_be_taken_back() {
    for number in 1..=40 {
        for operation in
            [Operation::Write, Operation::Create, Operation::Rename, Operation::Sync, Operation::SyncFolder]
        {
            let mut run = Run::new(Kind::Rolling, None);
            run.write(0..2);
            run.sink().flush().unwrap();
            run.disk.fail(Fault::at(number).of(operation).tearing());
            let refused = feed(run.sink(), &Script::events("batch 2", 12)).is_err();
            if !refused {
                continue;
            }
            run.assert_whole(Kind::Rolling);
        }
    }
}

#[test]
fn what_a_killed_process_had_flushed_is_there_for_the_next_one() {
    for number in 1..=calls(Kind::Rolling) {
        // From this call on nothing is done any more, as by a process that was killed.
        let mut run = Run::new(Kind::Rolling, Some(Fault::at(number).for_ever()));
        run.write(0..BATCHES);
        drop(run.sink.take());
        run.disk.heal();
        let mut next = RollingFileSink::new(run.folder.path().join("logs/log")).renderer(Messages);
        feed(&mut next, &Script::events("next", 1)).unwrap();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        run.texts().concat().lines().for_each(|line| *counts.entry(line.to_owned()).or_default() += 1);
        for line in run.taken.iter().flat_map(|number| lines(*number)) {
            assert_eq!(counts.get(&line), Some(&1), "{line}: {}", run.describe());
        }
        assert_eq!(counts.get("next 0"), Some(&1));
    }
}

// === two processes ===

const CHILD: &str = "SPANLAKE_ROLLING_CHILD";

/// Holds the file that its environment names until somebody closes its input; no test of its own.
#[test]
fn child() {
    let Some(path) = std::env::var_os(CHILD).map(PathBuf::from) else { return };
    let mut sink = RollingFileSink::new(&path).renderer(Messages);
    feed(&mut sink, &Script::events("child", 1)).unwrap();
    fs::write(path.with_file_name("ready"), "").unwrap();
    let _ = std::io::read_to_string(std::io::stdin());
}

#[test]
fn a_second_process_waits_for_the_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["rolling_faults::child", "--exact", "--quiet"])
        .env(CHILD, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while !folder.path().join("ready").exists() {
        assert!(child.try_wait().unwrap().is_none(), "the child lives");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let mut sink = RollingFileSink::new(&path).renderer(Messages);
    let error = feed(&mut sink, &Script::events("parent", 1)).unwrap_err();
    assert!(error.is_recoverable() && error.chain().contains("another sink"), "{error:?}");
    // Killed, so that nobody gives the name back.
    child.kill().unwrap();
    child.wait().unwrap();
    feed(&mut sink, &Script::events("parent", 1)).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "child 0\nparent 0\n");
}
