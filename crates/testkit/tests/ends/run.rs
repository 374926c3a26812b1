//! A run of a child, and what it left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::child::{EVENTS, Part, lens_of};
use crate::way::Seen;

/// How long a child may take: far longer than it needs, far shorter than it would wait by itself.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a run came to.
pub(crate) struct Outcome {
    pub(crate) seen: Seen,
    pub(crate) writers: Vec<Writer>,
    /// Records that are in the lake more than once.
    pub(crate) duplicated: usize,
    /// What the child said when it ended.
    pub(crate) said: String,
}

/// A writer, and the numbers of its records. The first is 0, and none is left out.
pub(crate) struct Writer {
    /// How many calls had returned when the end began.
    pub(crate) before: u64,
    /// How many calls ever returned.
    pub(crate) returned: u64,
    /// The numbers of those that are in the lake.
    pub(crate) found: BTreeSet<u64>,
}

impl Outcome {
    pub(crate) fn recorded(&self) -> u64 {
        self.writers.iter().map(|writer| writer.returned).sum()
    }

    pub(crate) fn found(&self) -> u64 {
        self.writers.iter().map(|writer| writer.found.len() as u64).sum()
    }

    /// Records whose call returned and that are not in the lake.
    pub(crate) fn lost(&self) -> u64 {
        self.writers.iter().map(|writer| writer.lost_of(writer.returned)).sum()
    }

    /// Those of them whose call had returned before the end began.
    pub(crate) fn lost_of_before(&self) -> u64 {
        self.writers.iter().map(|writer| writer.lost_of(writer.before)).sum()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}, {} duplicated", self.seen, self.duplicated)?;
        for Writer { before, returned, found } in &self.writers {
            let (first, last) = (found.first(), found.last());
            writeln!(f, "{returned} returned, {before} before; {} found, {first:?} to {last:?}", found.len())?;
        }
        f.write_str(&self.said)
    }
}

impl Writer {
    fn lost_of(&self, calls: u64) -> u64 {
        (0..calls).filter(|number| !self.found.contains(number)).count() as u64
    }

    /// Whether what is found are the first of its records, without a gap. The last may be one whose call had not returned.
    pub(crate) fn has_no_gap(&self) -> bool {
        let len = self.found.len() as u64;
        self.found.iter().copied().eq(0..len) && len <= self.returned + 1
    }
}

/// Plays a part to its end.
pub(crate) fn run(part: &Part) -> Outcome {
    let said = part.folder.join("said");
    // What a shell runs in the background ignores SIGINT and hands that down, and a signal that is ignored stays so.
    let mut command = Command::new("env");
    command.arg("--default-signal=INT").arg(std::env::current_exe().expect("this program"));
    command.envs(part.environment()).stdin(Stdio::null()).stdout(Stdio::null());
    command.stderr(File::create(&said).expect("a folder of our own"));
    let mut child = command.spawn().expect("the child starts");
    let before = part.way.signal().map(|signal| send(signal, &mut child, part));
    let seen = seen(finish(child, part));
    let returned: BTreeMap<_, _> = lens_of(&part.oracle()).collect();
    let before = before.or_else(|| part.busy.then(|| noted_before(part))).unwrap_or_else(|| returned.clone());
    part.storage.recover(part);
    let (mut found, duplicated) = find(&part.lake());
    let writers = returned.into_iter().map(|(writer, returned)| Writer {
        before: before.get(&writer).copied().unwrap_or(0),
        returned,
        found: found.remove(&writer).unwrap_or_default(),
    });
    let writers = writers.collect();
    assert!(found.is_empty(), "records of nobody: {found:?}");
    Outcome { seen, writers, duplicated, said: std::fs::read_to_string(said).unwrap_or_default() }
}

// === the end ===

/// Sends the signal when the child waits for it; gives what its writers had done by then.
fn send(signal: i32, child: &mut Child, part: &Part) -> BTreeMap<String, u64> {
    let deadline = Instant::now() + PATIENCE;
    let is_ready = || part.ready().exists() && (!part.busy || lens_of(&part.oracle()).all(|(_, len)| len > 2 * EVENTS));
    while !is_ready() {
        assert!(Instant::now() < deadline, "{part:?} is never ready");
        assert_eq!(child.try_wait().expect("our child"), None, "{part:?}");
        // There is nothing to wait on but the child itself.
        std::thread::park_timeout(Duration::from_millis(1));
    }
    let before = lens_of(&part.oracle()).collect();
    let signal = match signal {
        SIGTERM => Signal::TERM,
        SIGINT => Signal::INT,
        _ => Signal::KILL,
    };
    kill_process(Pid::from_child(child), signal).expect("our child");
    before
}

fn finish(mut child: Child, part: &Part) -> ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match child.try_wait().expect("our child") {
            Some(status) => return status,
            None if Instant::now() > deadline => {
                let threads = threads_of(&child);
                child.kill().expect("our child");
                child.wait().expect("our child");
                panic!("the child hangs: {part:?}\n{threads}");
            }
            None => std::thread::park_timeout(Duration::from_millis(1)),
        }
    }
}

/// What each thread of a child waits for, for people who look why it hangs.
fn threads_of(child: &Child) -> String {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", child.id())).into_iter().flatten().flatten();
    let read = |task: &Path, file: &str| std::fs::read_to_string(task.join(file)).unwrap_or_default();
    let line = |task: &Path| {
        let (name, place, call) = (read(task, "comm"), read(task, "wchan"), read(task, "syscall"));
        format!("{} {place} {}", name.trim(), call.trim())
    };
    tasks.map(|task| line(&task.path())).collect::<Vec<_>>().join("\n")
}

fn seen(status: ExitStatus) -> Seen {
    status.signal().map_or_else(|| Seen::Code(status.code().expect("a code or a signal")), Seen::Signal)
}

fn noted_before(part: &Part) -> BTreeMap<String, u64> {
    let text = std::fs::read_to_string(part.before()).expect("the child notes it");
    let pair =
        |line: &str| line.split_once('=').map(|(writer, len)| (writer.to_owned(), len.parse().expect("a number")));
    text.lines().map(|line| pair(line).expect("a writer and a number")).collect()
}

// === the lake ===

/// The numbers of each writer's records, and how many records are there more than once.
fn find(lake: &Path) -> (BTreeMap<String, BTreeSet<u64>>, usize) {
    let (mut found, mut duplicated) = (BTreeMap::<String, BTreeSet<u64>>::new(), 0);
    for record in records(lake) {
        // A statement of loss is nobody's, and the end of an interrupted task was not recorded but recovered.
        if let Some(writer) = record["context"]["writer"].as_str()
            && record["outcome"] != "interrupted"
        {
            duplicated += usize::from(!found.entry(writer.to_owned()).or_default().insert(number(&record)));
        }
    }
    (found, duplicated)
}

/// The record's number within its task: 3 of `3@<task>`.
fn number(record: &Value) -> u64 {
    let key = record["key"].as_str().expect("a record of a task has a key");
    key.split_once('@').and_then(|(number, _)| number.parse().ok()).expect("a record key")
}

/// All records of the lake's JSONL. A line that a kill cut short is none.
fn records(lake: &Path) -> Vec<Value> {
    let mut records = Vec::new();
    for file in files(&lake.join("debug_json/records")) {
        let text = std::fs::read_to_string(&file).expect("a readable file");
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        records.extend(whole.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line of JSON")));
    }
    records
}

/// All files below a folder that is perhaps not there.
pub(crate) fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.expect("an entry").path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
