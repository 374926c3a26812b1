//! `kill -9` at random instants: what was acknowledged to a pipe is stored, once.
//!
//! The test runs this executable again as a child. Four threads of it offer segments that are numbered from 0 on and say on a
//! pipe how many are acknowledged; a plugin counts what it gets, confirms with its counts for a note, and makes checkpoints, so
//! that files are removed all the time. What the note says and what is still in the queue must be each number once.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use spanlake_collector::queue::{Delivery, Entry, Queue, Reader};
use spanlake_core::disk::real;
use spanlake_wire::exchange::Stream;

use super::stand::{LONG, folder, offer, small_files};

/// Folders, each of which sees several kills; `SPANLAKE_KILLS` sets another number.
const RUNS: u64 = 10;

/// Kills of one after the other in a folder.
const GENERATIONS: u64 = 3;

const THREADS: u64 = 4;

/// Says to a child where the queue is, and its generation; absent in the parent.
const ROOT: &str = "SPANLAKE_QUEUE_ROOT";
const GENERATION: &str = "SPANLAKE_QUEUE_GENERATION";

/// How many segments there are of each thread and generation.
type Counts = BTreeMap<(u64, u64), u64>;

#[test]
fn whatever_was_acknowledged_before_a_kill_is_stored_once() {
    let runs = std::env::var("SPANLAKE_KILLS").ok().map_or(RUNS, |runs| runs.parse().expect("a number"));
    let mut total = 0;
    for run in 0..runs {
        let scratch = tempfile::tempdir().unwrap();
        let mut acked = Counts::new();
        for generation in 0..GENERATIONS {
            kill_one(scratch.path(), generation, pause(run), &mut acked);
            check(scratch.path(), &acked, &format!("run {run}, generation {generation}"));
        }
        total += acked.values().sum::<u64>();
    }
    println!("{total} acknowledged");
    assert!(total > 0);
}

/// Starts a child, kills it after a while, and notes what was acknowledged.
fn kill_one(root: &Path, generation: u64, pause: Duration, acked: &mut Counts) {
    let (mut child, mut out) = start(root, generation);
    std::thread::sleep(pause);
    child.kill().expect("killed");
    let mut text = String::new();
    out.read_to_string(&mut text).expect("what it said");
    assert!(!child.wait().expect("it ended").success(), "{text}");
    // A line that the kill has cut says nothing.
    for line in text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')) {
        if let Some((thread, count)) = line.strip_prefix("acked ").and_then(|rest| rest.split_once(' ')) {
            acked.insert((thread.parse().unwrap(), generation), count.parse().unwrap());
        }
    }
}

fn start(root: &Path, generation: u64) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().expect("this executable"))
        .args(["--exact", "queue::kills::child_of_another_test", "--nocapture"])
        .env(ROOT, root)
        .env(GENERATION, generation.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a child");
    let mut out = BufReader::new(child.stdout.take().expect("its output"));
    let mut line = String::new();
    while !line.contains("at work") {
        line.clear();
        assert_ne!(out.read_line(&mut line).expect("a line"), 0, "it ended before it began");
    }
    (child, out)
}

/// Some milliseconds that differ from time to time.
fn pause(run: u64) -> Duration {
    let nanos = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").subsec_nanos();
    Duration::from_micros((run * 7_919 + u64::from(nanos / 100)) % 40_000)
}

fn check(root: &Path, acked: &Counts, context: &str) {
    let (queue, opened) = Queue::open(small_files(root), real(), &["lake"]).expect("it can be opened");
    assert_eq!(opened.mended.lost, 0, "{context}: {opened:?}");
    let mut reader = queue.reader("lake").unwrap();
    let mut counts = counts_of(&reader.note());
    while let Some(items) = reader.next(Instant::now()).unwrap() {
        items.iter().for_each(|entry| count(&mut counts, &entry));
    }
    for (key, acked) in acked {
        let stored = counts.get(key).copied().unwrap_or(0);
        assert!((*acked..=acked + 3).contains(&stored), "{context}: {stored} of {acked} of {key:?}");
    }
    for ((thread, generation), stored) in &counts {
        let again = delivery(*thread, *generation, 0..*stored);
        assert_eq!(offer(&queue, again).unwrap().repeated, *stored, "{context}: all are known");
    }
}

/// Counts a segment, which must be the next of its thread.
fn count(counts: &mut Counts, entry: &Entry<'_>) {
    let (sender, epoch) = entry.stream.unwrap();
    let next = counts.entry((sender.parse().unwrap(), epoch)).or_default();
    assert_eq!(entry.number, Some(*next), "of {sender} in {epoch}");
    *next += 1;
}

fn counts_of(note: &[u8]) -> Counts {
    let numbers: Vec<_> = note.chunks(8).map(|chunk| u64::from_le_bytes(chunk.try_into().unwrap())).collect();
    numbers.chunks(3).map(|one| ((one[0], one[1]), one[2])).collect()
}

fn note_of(counts: &Counts) -> Vec<u8> {
    counts.iter().flat_map(|((a, b), c)| [a, b, c]).flat_map(|number| number.to_le_bytes()).collect()
}

fn delivery(thread: u64, epoch: u64, numbers: std::ops::Range<u64>) -> Delivery {
    let entries = numbers.map(|number| (Some(number), vec![b'x'; 50])).collect();
    Delivery { stream: Some(Stream { sender: thread.to_string(), epoch }), entries, ..Delivery::default() }
}

// === the child ===

/// Does what a parent asked for; nothing when this is no child.
#[test]
fn child_of_another_test() -> ExitCode {
    let (Ok(root), Ok(generation)) = (std::env::var(ROOT), std::env::var(GENERATION)) else {
        return ExitCode::SUCCESS;
    };
    let (queue, _) = Queue::open(small_files(Path::new(&root)), real(), &["lake"]).expect("a queue");
    assert!(folder(Path::new(&root)).exists());
    println!("at work");
    let generation = generation.parse().expect("a number");
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let queue = &queue;
            scope.spawn(move || send(queue, thread, generation));
        }
        scope.spawn(|| consume(queue.reader("lake").unwrap()));
        loop {
            queue.checkpoint().expect("a checkpoint");
        }
    })
}

/// Sends and sends again, and says what is acknowledged.
fn send(queue: &Queue, thread: u64, generation: u64) {
    let mut next = 0;
    for round in 0u64.. {
        let from = if round % 3 == 0 { next - next.min(2) } else { next };
        let to = next + 1 + round % 3;
        if offer(queue, delivery(thread, generation, from..to)).is_ok() {
            next = to;
            // In one write, so that lines of threads do not mix.
            let line = format!("acked {thread} {next}\n");
            std::io::stdout().lock().write_all(line.as_bytes()).expect("a pipe");
        }
    }
}

fn consume(mut reader: Reader) {
    let mut counts = counts_of(&reader.note());
    while let Some(items) = reader.next(Instant::now() + LONG).expect("a disk that works") {
        items.iter().for_each(|entry| count(&mut counts, &entry));
        reader.confirm(items.last(), note_of(&counts));
    }
}
