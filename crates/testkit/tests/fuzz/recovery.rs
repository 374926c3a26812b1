//! Any bytes as a spool that was left behind: recovery ends, and what it puts into the lake is whole lines.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, LazyLock};

use spanlake_core::disk::{Access, Disk};
use spanlake_core::segment::Segment;
use spanlake_core::spool::Ledger;
use spanlake_lake::{Recovered, Recovery};
use tempfile::TempDir;

use crate::ledger::seal;
use crate::memory::MemoryDisk;
use crate::segment::assert_is_one_line;

/// Most files that a spool is made of here.
const MOST_FILES: usize = 8;

/// How much more than its ledger knows each file of the lake has.
const BEHIND: usize = 7;

/// A lake that is there, in memory, for ledgers to name.
const NAMED: &str = "/lake";

/// In place of the folder of the spool, whose name no input can know.
const HOME: &str = "/spool";

/// The folder of the spool on the real disk: a lock is the operating system's, all else is in memory.
static LAKE: LazyLock<TempDir> = LazyLock::new(|| {
    let lake = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(lake.path().join(".spool/20261120T131410.123456Z_h_7")).expect("a folder in it");
    lake
});

/// `bytes` are files behind their lengths, two bytes each: the ledger, then segments. An empty ledger is none.
pub(crate) fn check(bytes: &[u8]) {
    let lake = LAKE.path().canonicalize().expect("it was made");
    let spool = lake.join(".spool/20261120T131410.123456Z_h_7");
    let disk = MemoryDisk::default();
    disk.create_folder(Path::new(NAMED), Access::Shared).expect("a folder");
    lay_down(&disk, &spool, bytes);
    come_home(&disk, &spool);
    let before = lay_out(&disk, &spool);
    let recovery = Recovery::new(&lake).disk(Arc::new(disk.clone()));
    let recovered = recovery.run().expect("spools can be looked for");
    let after = disk.files();
    assert_lake_is_whole(&after, &before);
    match &recovered[..] {
        [] => assert_eq!(below(&after, &lake.join(".spool")), 0, "there was nothing to do: {after:?}"),
        [done] if done.error.is_none() => assert_is_done(done, &after, &spool),
        [_] => {}
        more => panic!("one spool, and {more:?}"),
    }
    let again = recovery.run().expect("as before");
    assert!(again.len() <= recovered.len());
    assert_eq!(outside(&disk.files(), &lake), outside(&after, &lake), "what is in the lake is there once");
}

fn lay_down(disk: &MemoryDisk, spool: &Path, mut bytes: &[u8]) {
    disk.put(&spool.join("lock"), &[]);
    for number in 0..MOST_FILES {
        let Some((len, rest)) = bytes.split_first_chunk::<2>() else {
            return;
        };
        let (file, rest) = rest.split_at(rest.len().min(usize::from(u16::from_le_bytes(*len))));
        bytes = rest;
        if number > 0 {
            disk.put(&spool.join(format!("{number:012}.seg")), &sum(file));
        } else if !file.is_empty() {
            disk.put(&spool.join("ledger"), &seal(file));
        }
    }
}

/// A segment that has no checksums gets them, as it would have in a file.
fn sum(bytes: &[u8]) -> Vec<u8> {
    let mut segment = Segment::from_bytes(bytes.to_vec());
    segment.sum();
    segment.bytes().to_vec()
}

/// A ledger that says it was made where nobody else has made one was made in this very folder: one that was made elsewhere
/// is a copy, which takes nothing back.
fn come_home(disk: &MemoryDisk, spool: &Path) {
    if let Ok(mut ledger) = Ledger::read(disk, spool)
        && ledger.folder == Path::new(HOME)
    {
        ledger.folder = spool.to_owned();
        ledger.write(disk, spool).expect("a ledger that was read can be written");
    }
}

/// Puts the files into the lake that the ledger knows, each longer than it says.
fn lay_out(disk: &MemoryDisk, spool: &Path) -> BTreeMap<PathBuf, u64> {
    let ledger = Ledger::read(disk, spool);
    let known = ledger.map(|ledger| ledger.files).unwrap_or_default();
    let is_inside = |path: &Path| path.strip_prefix(NAMED).is_ok_and(|inside| inside.components().all(is_name));
    let known: BTreeMap<_, _> = known.into_iter().filter(|(path, bytes)| is_inside(path) && *bytes < 100).collect();
    known.iter().for_each(|(path, bytes)| disk.put(path, &vec![b' '; *bytes as usize + BEHIND]));
    known
}

fn is_name(part: Component<'_>) -> bool {
    matches!(part, Component::Normal(_))
}

/// Files that were there keep what the ledger knows of them, the others are whole.
fn assert_lake_is_whole(files: &BTreeMap<PathBuf, Vec<u8>>, before: &BTreeMap<PathBuf, u64>) {
    for (path, bytes) in files {
        if let Some(known) = before.get(path) {
            assert!([*known, known + BEHIND as u64].contains(&(bytes.len() as u64)), "{path:?}");
            continue;
        }
        match path.extension().and_then(OsStr::to_str) {
            Some("jsonl") => bytes.split_inclusive(|byte| *byte == b'\n').for_each(assert_is_one_line),
            Some("parquet") => assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"), "{path:?}"),
            _ => {}
        }
    }
}

fn assert_is_done(done: &Recovered, files: &BTreeMap<PathBuf, Vec<u8>>, spool: &Path) {
    assert_eq!(below(files, spool), 0, "nothing is left of it: {done:?}");
    assert!(done.quarantined.is_none());
    let aside = spool.with_file_name("quarantine");
    assert_eq!(below(files, &aside), done.damaged.len());
}

fn below(files: &BTreeMap<PathBuf, Vec<u8>>, folder: &Path) -> usize {
    files.keys().filter(|path| path.starts_with(folder)).count()
}

/// The lake without its spools.
fn outside(files: &BTreeMap<PathBuf, Vec<u8>>, lake: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let spool = lake.join(".spool");
    let files = files.iter().filter(|(path, _)| !path.starts_with(&spool));
    files.map(|(path, bytes)| (path.clone(), bytes.clone())).collect()
}
