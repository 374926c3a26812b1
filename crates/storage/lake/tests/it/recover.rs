//! Recovery: what a dead process left in its spool, put where its sinks would have.

use std::fs;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use spanlake_core::buffer::{Admission, Offer};
use spanlake_core::segment::{Message, RecordHead};
use spanlake_core::spool::SpoolOptions;
use spanlake_core::{Buffer, BufferOptions, Level, LevelFilter, Recipe, Source};
use spanlake_lake::{DEFAULT_PARTITION, Keeper, Limits, Recovered, Recovery};
use spanlake_testkit::disk::{FakeDisk, Fault, Operation};
use tempfile::TempDir;

use crate::support::files;

/// A lake, a spool, and a process that died.
struct Stand {
    _folder: TempDir,
    lake: PathBuf,
    spool: PathBuf,
    source: Source,
}

impl Stand {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (lake, spool) = (folder.path().join("lake"), folder.path().join("spool"));
        fs::create_dir_all(&lake).unwrap();
        Self { _folder: folder, lake, spool, source: Source::this_process("orders") }
    }

    fn recipe(&self, kind: &str) -> Recipe {
        let partition = DEFAULT_PARTITION.to_owned();
        Recipe { kind: kind.to_owned(), lake: self.lake.clone(), level: LevelFilter::TRACE, partition }
    }

    /// A process that records these texts and is gone; gives its folder in the spool.
    fn die(&self, recipes: Vec<Recipe>, texts: &[&str]) -> PathBuf {
        let buffer = Buffer::with_spool(
            &BufferOptions::default(),
            self.source.clone(),
            &SpoolOptions::new(&self.spool),
            recipes,
        );
        let buffer = buffer.unwrap();
        record(&buffer, texts);
        self.spool.join(self.source.process_name())
    }

    fn recover(&self) -> Vec<Recovered> {
        Recovery::new(&self.lake).spool(&self.spool).run().unwrap()
    }

    /// Where the process's JSON lines are.
    fn path(&self, number: u32) -> PathBuf {
        let folder = self.lake.join("debug_json/records/run_date=2026-11-20");
        fs::create_dir_all(&folder).unwrap();
        folder.join(format!("{}_{number:04}.jsonl", self.source.process_name()))
    }
}

fn record(buffer: &Buffer, texts: &[&str]) {
    let shard = buffer.shard();
    let mut message = Message::default();
    for text in texts {
        let offer =
            Offer { level: Level::INFO, ts_ns: 1_795_180_450_000_000_000, need: 100, admission: Admission::Event };
        message.set(text);
        shard.offer(&offer, |writer, _| {
            let head = RecordHead { level: Level::INFO, callsite: None, task: None, seq: 0, ts_ns: offer.ts_ns };
            writer.event(&head, &message, &[]);
        });
    }
}

/// What the JSON lines of a lake say.
fn messages(lake: &Path) -> Vec<String> {
    let lines = files(lake).into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "jsonl"));
    let text: String = lines.map(|path| fs::read_to_string(path).unwrap()).collect();
    let message =
        |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["message"].as_str().unwrap().to_owned();
    text.lines().map(message).collect()
}

fn segment_in(folder: &Path) -> PathBuf {
    let written = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "seg") && fs::read(path).unwrap()[0] != 0
    };
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).find(written).unwrap()
}

#[test]
fn records_go_where_the_sinks_of_their_process_wrote() {
    let stand = Stand::new();
    stand.die(vec![stand.recipe("jsonl"), stand.recipe("system_log")], &["m0", "m1"]);
    let elsewhere = tempfile::tempdir().unwrap();
    let recovered = Recovery::new(elsewhere.path()).spool(&stand.spool).run().unwrap();
    assert_eq!((recovered.len(), recovered[0].records, recovered[0].interrupted), (1, 2, 0));
    assert_eq!(messages(&stand.lake), ["m0", "m1"]);
    assert_eq!((files(&stand.lake).len(), files(elsewhere.path()).len()), (2, 0));
    assert!(stand.recover().is_empty(), "there is nothing left");
}

#[test]
fn a_disk_that_does_not_say_where_the_lake_is_puts_nothing_into_another() {
    let stand = Stand::new();
    stand.die(vec![stand.recipe("jsonl")], &["m0"]);
    let elsewhere = tempfile::tempdir().unwrap();
    let disk = FakeDisk::new(stand.lake.parent().unwrap());
    disk.fail(Fault::at(1).of(Operation::Exists));
    let recovery = Recovery::new(elsewhere.path()).spool(&stand.spool).disk(disk.handle());
    assert!(recovery.run().unwrap()[0].error.is_some());
    assert!(recovery.run().unwrap()[0].error.is_none());
    assert_eq!((messages(&stand.lake), files(elsewhere.path())), (vec!["m0".to_owned()], vec![]));
}

/// The process whose spool it was may live, and what is in its lake is its own.
#[test]
fn a_copied_spool_goes_into_the_lake_beside_it() {
    let stand = Stand::new();
    let options = BufferOptions::default();
    let buffer = Buffer::with_spool(
        &options,
        stand.source.clone(),
        &SpoolOptions::new(&stand.spool),
        vec![stand.recipe("jsonl")],
    );
    let buffer = buffer.unwrap();
    record(&buffer, &["m"]);
    fs::write(stand.path(1), "{\"message\":\"of a live process\"}\n").unwrap();
    let (copy, own) = (tempfile::tempdir().unwrap(), stand.spool.join(stand.source.process_name()));
    let folder = copy.path().join(".spool").join(stand.source.process_name());
    fs::create_dir_all(&folder).unwrap();
    for path in fs::read_dir(&own).unwrap().map(|entry| entry.unwrap().path()) {
        fs::copy(&path, folder.join(path.file_name().unwrap())).unwrap();
    }
    let recovered = Recovery::new(copy.path()).run().unwrap();
    assert_eq!((recovered.len(), recovered[0].records), (1, 1), "{recovered:?}");
    assert_eq!(
        (messages(copy.path()), messages(&stand.lake)),
        (vec!["m".to_owned()], vec!["of a live process".to_owned()])
    );
    assert!(segment_in(&own).exists());
}

#[test]
fn a_lake_that_was_moved_is_where_recovery_is_started() {
    let mut stand = Stand::new();
    stand.die(vec![stand.recipe("jsonl")], &["m"]);
    let moved = stand.lake.with_file_name("moved");
    fs::rename(&stand.lake, &moved).unwrap();
    stand.lake = moved;
    stand.recover();
    assert_eq!(messages(&stand.lake), ["m"]);
}

#[test]
fn without_sinks_records_become_json_lines() {
    let stand = Stand::new();
    stand.die(vec![], &["m"]);
    stand.recover();
    assert_eq!(messages(&stand.lake), ["m"]);
}

#[test]
fn what_the_ledger_does_not_know_is_taken_back() {
    let stand = Stand::new();
    let folder = stand.die(vec![stand.recipe("jsonl")], &["m2"]);
    let disk = spanlake_core::disk::real();
    let mut ledger = spanlake_core::spool::Ledger::read(&*disk, &folder).unwrap();
    let [whole, cut, later] = [1, 2, 3].map(|number| stand.path(number));
    fs::write(&whole, "{\"message\":\"m0\"}\n").unwrap();
    fs::write(&cut, "{\"message\":\"m1\"}\n{\"message\":\"m2\"}\n").unwrap();
    fs::write(&later, "{\"message\":\"m2\"}\n").unwrap();
    let hidden = later.with_file_name(format!(".tmp-{}", later.file_name().unwrap().to_str().unwrap()));
    fs::write(&hidden, "x").unwrap();
    let of_another = later.with_file_name("20261120T131410.123456Z_obelix_6156_0001.jsonl");
    fs::write(&of_another, "{\"message\":\"other\"}\n").unwrap();
    ledger.note(spanlake_core::FileState { path: cut, bytes: 17 });
    ledger.write(&*disk, &folder).unwrap();
    stand.recover();
    let mut found = messages(&stand.lake);
    found.sort();
    assert_eq!(found, ["m0", "m1", "m2", "other"]);
    assert!(!hidden.exists() && whole.exists());
}

#[test]
fn what_stands_before_damage_is_recovered_and_a_copy_kept() {
    let stand = Stand::new();
    let folder = stand.die(vec![stand.recipe("jsonl")], &["m0", "m1", "m2"]);
    let segment = segment_in(&folder);
    let mut bytes = fs::read(&segment).unwrap();
    let at = bytes.windows(2).position(|pair| pair == b"m1").unwrap();
    bytes[at] = b'x';
    fs::write(&segment, &bytes).unwrap();
    let recovered = stand.recover();
    assert_eq!((recovered[0].records, recovered[0].damaged.len()), (1, 1), "{recovered:?}");
    assert_eq!(fs::read(&recovered[0].damaged[0]).unwrap(), bytes);
    assert_eq!(messages(&stand.lake), ["m0"]);
}

#[test]
fn a_spool_that_cannot_be_read_is_put_aside_and_holds_up_no_other() {
    let stand = Stand::new();
    let folder = stand.die(vec![stand.recipe("jsonl")], &["lost"]);
    fs::write(folder.join("ledger"), "no ledger").unwrap();
    let mut other = Stand::new();
    (other.lake, other.spool, other.source.host) = (stand.lake.clone(), stand.spool.clone(), "other".to_owned());
    other.die(vec![other.recipe("jsonl")], &["m"]);
    let recovered = stand.recover();
    let aside: Vec<&PathBuf> = recovered.iter().filter_map(|one| one.quarantined.as_ref()).collect();
    assert_eq!((recovered.len(), aside.len()), (2, 1), "{recovered:?}");
    assert!(aside[0].starts_with(stand.spool.join("quarantine")) && segment_in(aside[0]).exists());
    assert_eq!(messages(&stand.lake), ["m"], "{recovered:#?}");
    assert!(stand.recover().is_empty(), "what is put aside is not tried again");
}

#[test]
fn the_spool_of_a_live_process_is_left_alone() {
    let stand = Stand::new();
    let options = BufferOptions::default();
    let buffer = Buffer::with_spool(&options, stand.source.clone(), &SpoolOptions::new(&stand.spool), vec![]).unwrap();
    record(&buffer, &["m"]);
    assert!(stand.recover().is_empty());
    assert!(files(&stand.lake).is_empty());
}

#[test]
fn a_sink_that_this_program_does_not_know_leaves_everything_where_it_is() {
    let stand = Stand::new();
    let folder = stand.die(vec![stand.recipe("jsonl"), stand.recipe("carrier_pigeon")], &["m"]);
    let error = stand.recover().remove(0).error.unwrap();
    assert_eq!(error.code().to_string(), "FACTORY::Recovery::CONFIGURATION::ERROR");
    assert!(error.chain().contains("carrier_pigeon"), "{error}");
    assert!(segment_in(&folder).exists() && messages(&stand.lake).is_empty());
}

#[test]
fn folders_of_others_are_left_alone() {
    let stand = Stand::new();
    stand.die(vec![stand.recipe("jsonl")], &["m"]);
    let files = [("app/lock", "pid"), ("app/report.new", "important"), ("video/1.seg", "film"), ("x_y_1/ledger", "")];
    for (file, text) in files {
        let path = stand.spool.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    assert_eq!(stand.recover().len(), 1);
    for (file, text) in files {
        assert_eq!(fs::read_to_string(stand.spool.join(file)).unwrap(), text, "{file}");
    }
}

#[test]
fn a_damaged_segment_that_cannot_be_kept_stays_where_it_is() {
    let stand = Stand::new();
    let folder = stand.die(vec![stand.recipe("jsonl")], &["m0", "m1"]);
    let segment = segment_in(&folder);
    let mut bytes = fs::read(&segment).unwrap();
    let at = bytes.windows(2).position(|pair| pair == b"m1").unwrap();
    bytes[at] = b'x';
    fs::write(&segment, &bytes).unwrap();
    fs::write(stand.spool.join("quarantine"), "a file is in the way").unwrap();
    assert!(stand.recover()[0].error.is_some());
    assert_eq!(fs::read(&segment).unwrap(), bytes);
    fs::remove_file(stand.spool.join("quarantine")).unwrap();
    let recovered = stand.recover();
    assert_eq!((recovered[0].error.is_none(), recovered[0].damaged.len()), (true, 1), "{recovered:?}");
    assert_eq!(messages(&stand.lake), ["m0"]);
}

#[test]
fn recovery_keeps_the_lake_within_its_limits() {
    let stand = Stand::new();
    let text = "x".repeat(500);
    stand.die(vec![stand.recipe("jsonl")], &vec![&*text; 4_000]);
    let limits = Limits::new().max_total_bytes(NonZeroU64::new(1 << 20).unwrap());
    let keeper = Keeper::new(&stand.lake, limits);
    let recovered = Recovery::new(&stand.lake).spool(&stand.spool).keeper(&keeper).run().unwrap();
    assert_eq!(recovered[0].records, 4_000);
    let bytes: u64 = files(&stand.lake).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!((1 << 18..=1 << 20).contains(&bytes), "{bytes}");
}
