//! Any bytes as a collector's queue that was left behind: it is refused, or opened, and then has what could be read, in order, and
//! takes more.

use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use spanlake_collector::queue::{
    Delivery, FileState, Mended, Opened, Options, Queue, QueueFile, Verification, list, repair, verify,
};
use tempfile::TempDir;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::memory::MemoryDisk;

/// Most files of a queue here, the checkpoint among them.
const MOST_FILES: usize = 6;

/// Longer than anything takes.
const LONG: Duration = Duration::from_secs(10);

/// One in so many is opened.
const OPENED: u64 = 16;

/// A plugin that no checkpoint knows: it gets all that is kept.
const NEWCOMER: &str = "newcomer";

const HEADER: usize = 32;
const HEAD: usize = 16;

/// Version, flags and length of a checkpoint stand before its checksum.
const CHECKPOINT_HEAD: usize = 24;

/// The folder on the real disk: a lock is the operating system's, all else is in memory.
static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

/// `bytes` are files behind their lengths, two bytes each: the checkpoint, then the others. An empty checkpoint is none.
pub(crate) fn check(bytes: &[u8]) {
    let (disk, folder) = (MemoryDisk::default(), FOLDER.path());
    lay_down(&disk, folder, bytes);
    let _ = list(&disk, folder);
    let (verified, mended) = (verify(&disk, folder), repair(&disk, folder));
    let Ok(verified) = verified else {
        return assert!(mended.is_err(), "what cannot be read cannot be put right");
    };
    let Ok(mended) = mended else {
        return assert!(
            verified.files.iter().any(|file| matches!(file.state, FileState::Newer { .. })),
            "{verified:?}"
        );
    };
    assert_eq!(mended.lost, lost(&verified), "{verified:?}");
    let whole = verify(&disk, folder).expect("a queue that was just put right");
    let is_right = |file: &QueueFile| matches!(file.state, FileState::Whole | FileState::Done);
    assert!(whole.files.iter().all(is_right), "{whole:?} was {verified:?}");
    assert_eq!(kept(&whole), kept(&verified), "{whole:?} was {verified:?}");
    // Threads take longer than all that.
    if xxh3_64(bytes).is_multiple_of(OPENED) {
        check_opened(&disk, folder, &whole);
    }
}

/// It has what was kept, takes more, and has both when it is opened again.
fn check_opened(disk: &MemoryDisk, folder: &Path, whole: &Verification) {
    let (queue, opened) = open(disk, folder).expect("a queue that is right");
    let mut mended = Mended::default();
    mended.lost = whole.missing;
    assert_eq!(opened.mended, mended);
    let found = entries(&queue);
    assert_eq!(found.len() as u64, kept(whole), "{found:?} of {whole:?}");
    assert!(found.is_sorted_by(|one, next| one.0 < next.0), "{found:?}");
    add(&queue);
    drop(queue);

    let (queue, opened) = open(disk, folder).expect("a queue that was just closed");
    assert_eq!(opened.mended, Mended::default(), "{whole:?}, of which {found:?} was found");
    let again = entries(&queue);
    assert_eq!(again.len(), found.len() + 1);
    assert!(again.starts_with(&found), "{found:?} became {again:?}");
    assert_eq!(again.last().map(|(_, segment)| &segment[..]), Some(&b"one more"[..]));
}

fn open(disk: &MemoryDisk, folder: &Path) -> Result<(Queue, Opened), spanlake_core::Error> {
    let options =
        Options::new(folder, (1 << 30).try_into().expect("not zero")).remember_for(Duration::from_secs(1 << 40));
    Queue::open(options.most_disk_percent(100), Arc::new(disk.clone()), &[NEWCOMER])
}

/// Entries that are not done with.
fn kept(verified: &Verification) -> u64 {
    let is_kept = |file: &&QueueFile| file.state != FileState::Done;
    verified.files.iter().filter(is_kept).map(|file| file.entries).sum()
}

fn lost(verified: &Verification) -> u64 {
    let lost = |state: &FileState| if let FileState::Damaged { lost, .. } = state { *lost } else { 0 };
    verified.missing + verified.files.iter().map(|file| lost(&file.state)).sum::<u64>()
}

/// Everything that is kept, from the first entry on.
fn entries(queue: &Queue) -> Vec<(u64, Vec<u8>)> {
    let mut reader = queue.reader(NEWCOMER).expect("it was named");
    let mut entries = Vec::new();
    while let Some(items) = reader.next(Instant::now()).expect("memory") {
        entries.extend(items.iter().map(|entry| (entry.index, entry.segment.to_vec())));
    }
    entries
}

fn add(queue: &Queue) {
    let (tell, told) = channel();
    let delivery = Delivery { entries: vec![(None, b"one more".to_vec())], ..Delivery::default() };
    queue.offer(delivery, move |stored| drop(tell.send(stored)));
    let stored = told.recv_timeout(LONG).expect("an answer");
    assert!(stored.is_ok_and(|stored| stored.accepted == 1));
}

fn lay_down(disk: &MemoryDisk, folder: &Path, mut bytes: &[u8]) {
    disk.put(&folder.join("lock"), &[]);
    for number in 0..MOST_FILES {
        let Some((len, rest)) = bytes.split_first_chunk::<2>() else {
            return;
        };
        let (file, rest) = rest.split_at(rest.len().min(usize::from(u16::from_le_bytes(*len))));
        bytes = rest;
        if number > 0 {
            disk.put(&file_path(folder, number), &sum_file(file));
        } else if !file.is_empty() {
            disk.put(&folder.join("checkpoint"), &sum_checkpoint(file));
        }
    }
}

fn file_path(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("{number:012}.queue"))
}

/// A checkpoint without a checksum gets its length and one.
fn sum_checkpoint(bytes: &[u8]) -> Vec<u8> {
    let mut summed = bytes.to_vec();
    if let Some((head, payload)) = summed.split_first_chunk_mut::<CHECKPOINT_HEAD>()
        && head[16..] == [0; 8]
    {
        head[8..16].copy_from_slice(&(payload.len() as u64).to_le_bytes());
        head[16..].copy_from_slice(&xxh3_64(payload).to_le_bytes());
    }
    summed
}

/// A file gets the checksums that it lacks: of its header, of its entries, and of their heads.
fn sum_file(bytes: &[u8]) -> Vec<u8> {
    let mut summed = bytes.to_vec();
    let Some((header, mut rest)) = summed.split_first_chunk_mut::<HEADER>() else {
        return summed;
    };
    let seed = u64::from_le_bytes(header[8..16].try_into().expect("eight bytes"));
    if header[24..] == [0; 8] {
        let sum = xxh3_64_with_seed(&header[..24], seed);
        header[24..].copy_from_slice(&sum.to_le_bytes());
    }
    while let Some((head, behind)) = rest.split_first_chunk_mut::<HEAD>() {
        let len = u32::from_le_bytes(head[..4].try_into().expect("four bytes")) as usize;
        let (payload, behind) = behind.split_at_mut(len.min(behind.len()));
        if head[4..12] == [0; 8] {
            head[4..12].copy_from_slice(&xxh3_64_with_seed(payload, seed).to_le_bytes());
        }
        if head[12..] == [0; 4] {
            let sum = xxh3_64_with_seed(&head[..12], seed) as u32;
            head[12..].copy_from_slice(&sum.to_le_bytes());
        }
        rest = behind;
    }
    summed
}
