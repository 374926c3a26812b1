//! After a power cut at any call: what was flushed is there, nothing is invented, and no Parquet file is half.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::num::NonZeroU64;
use std::path::Path;

use spanlake_core::segment::Segment;
use spanlake_core::{Sink, Value};
use spanlake_lake::{FileSink, JsonlSink, ParquetSink, RollingFileSink, SystemLogSink};
use spanlake_testkit::disk::{EIO, FakeDisk, Fault, PowerCut, seed};

use crate::support::{Script, feed, files, parquet_keys, visible};

/// States that are looked at after each cut.
const MOST_STATES: usize = 64;

/// Batches of a run, and records in each: some pages of text.
const BATCHES: usize = 5;
const RECORDS: usize = 25;

/// Neither is there at first.
const LAKE: &str = "jobs/lake";

/// A sink, and how what it wrote is read back: each record's text, none that is torn.
struct Kind {
    sink: fn(&Path, &FakeDisk) -> Box<dyn Sink>,
    read: fn(&Path) -> Vec<String>,
}

const KINDS: [Kind; 5] = [
    Kind {
        sink: |lake, disk| {
            // Two files for the records of a run.
            let most = NonZeroU64::new(35_000).unwrap();
            Box::new(JsonlSink::new(lake).disk(disk.handle()).max_file_bytes(most))
        },
        read: |lake| whole_lines(lake, |line| serde_json::from_str::<serde_json::Value>(line).is_ok()),
    },
    Kind {
        sink: |lake, disk| Box::new(SystemLogSink::new(lake).disk(disk.handle())),
        read: |lake| whole_lines(lake, |line| line.ends_with(END) && !line.contains('\0')),
    },
    Kind {
        sink: |lake, disk| Box::new(FileSink::new(lake.join("log")).disk(disk.handle())),
        read: |lake| whole_lines(lake, |line| line.ends_with(END) && !line.contains('\0')),
    },
    Kind {
        sink: |lake, disk| {
            // Some files for the records of a run.
            let most = NonZeroU64::new(6_000).unwrap();
            Box::new(RollingFileSink::new(lake.join("log")).max_bytes(most).disk(disk.handle()))
        },
        read: |lake| whole_lines(lake, |line| line.ends_with(END) && !line.contains('\0')),
    },
    Kind {
        sink: |lake, disk| Box::new(ParquetSink::new(lake).disk(disk.handle())),
        read: |lake| visible(lake).iter().flat_map(|file| parquet_keys(file)).collect(),
    },
];

/// The end of each line of text.
const END: &str = "last=true";

/// The lines that are whole, which is how a reader passes over torn ones.
fn whole_lines(lake: &Path, is_whole: impl Fn(&str) -> bool) -> Vec<String> {
    let texts: Vec<Vec<u8>> = files(lake).iter().map(|file| fs::read(file).unwrap()).collect();
    let texts = texts.iter().map(|text| String::from_utf8_lossy(text));
    let lines: Vec<String> = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    lines.into_iter().filter(|line| is_whole(line)).collect()
}

fn batch(number: usize) -> Segment {
    let mut script = Script::new();
    script.now_us += number as i64 * 1_000_000;
    let task = script.root(7, "load");
    for at in 0..RECORDS {
        let seq = (number * RECORDS + at) as u64;
        let fields = [("text", Value::from("x".repeat(at * 8))), ("last", Value::Bool(true))];
        script.event(Some(task), seq, &format!("event {seq}"), &fields);
    }
    script.segment()
}

/// What a sink makes of each batch when nothing hinders it.
fn expected(kind: &Kind) -> Vec<Vec<String>> {
    let written = |number| {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = (kind.sink)(folder.path(), &FakeDisk::new(folder.path()));
        feed(&mut sink, &batch(number)).unwrap();
        sink.flush().unwrap();
        let texts = (kind.read)(folder.path());
        assert_eq!(texts.len(), RECORDS);
        texts
    };
    (0..BATCHES).map(written).collect()
}

/// What was promised when the power went.
#[derive(Debug, Default)]
struct Promised {
    /// Batches that the sink took, or refused: some of them may be there.
    given: usize,
    /// Batches that a flush has made durable.
    flushed: usize,
}

/// Writes the batches, with a flush after every second one and after the last. `tries` at most are made of each call, as
/// a pump does.
fn run(sink: &mut Box<dyn Sink>, tries: usize) -> Promised {
    let mut promised = Promised::default();
    for number in 0..BATCHES {
        let batch = batch(number);
        promised.given = number + 1;
        if !(0..tries).any(|_| feed(sink, &batch).is_ok()) {
            break;
        }
        if number % 2 == 1 || number + 1 == BATCHES {
            if !(0..tries).any(|_| sink.flush().is_ok()) {
                break;
            }
            promised.flushed = number + 1;
        }
    }
    promised
}

/// Looks at every state: `most` is how often a record may be there.
fn check(cut: &PowerCut, kind: &Kind, batches: &[Vec<String>], promised: &Promised, most: usize, scratch: &Path) {
    let flushed: BTreeSet<&String> = batches[..promised.flushed].iter().flatten().collect();
    let given: BTreeSet<&String> = batches[..promised.given].iter().flatten().collect();
    cut.each(MOST_STATES, seed(), scratch, |folder| {
        let found = (kind.read)(&folder.join(LAKE));
        let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
        found.iter().for_each(|text| *counts.entry(text).or_default() += 1);
        for text in &flushed {
            assert!(counts.contains_key(text), "lost: {text}, of {promised:?}");
        }
        for (text, count) in counts {
            assert!(given.contains(text), "invented: {text}, of {promised:?}");
            assert!(count <= most, "{count} times: {text}, of {promised:?}");
        }
    });
}

/// A run on a disk of its own; gives how many calls it made.
fn run_and_cut(kind: &Kind, batches: &[Vec<String>], fault: Option<Fault>, tries: usize, most: usize) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let [root, scratch] = ["disk", "scratch"].map(|name| folder.path().join(name));
    fs::create_dir(&root).unwrap();
    let disk = FakeDisk::new(&root);
    fault.into_iter().for_each(|fault| disk.fail(fault));
    let mut sink = (kind.sink)(&root.join(LAKE), &disk);
    let promised = run(&mut sink, tries);
    check(&disk.cut_power(), kind, batches, &promised, most, &scratch);
    disk.calls().len()
}

#[test]
fn what_was_flushed_outlives_a_power_cut_at_any_call() {
    for kind in &KINDS {
        let batches = expected(kind);
        let calls = run_and_cut(kind, &batches, None, 1, 1);
        assert!(calls > 10, "{calls} calls");
        for number in 1..=calls as u64 {
            // From this call on nothing reaches the disk.
            run_and_cut(kind, &batches, Some(Fault::at(number).for_ever()), 1, 1);
        }
    }
}

/// A call fails, the sink goes on, and the power goes after the last flush.
#[test]
fn a_fault_before_the_power_cut_costs_nothing_that_was_flushed() {
    for kind in &KINDS {
        let batches = expected(kind);
        let calls = run_and_cut(kind, &batches, None, 1, 1);
        for number in 1..=calls as u64 {
            // The sealed file's end may be on the disk after all, although it was cut off.
            run_and_cut(kind, &batches, Some(Fault::at(number).error(EIO).tearing()), 3, 2);
        }
    }
}
