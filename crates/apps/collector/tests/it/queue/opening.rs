//! What is found when a queue is opened.

use std::fs;
use std::io::Write;

use spanlake_collector::queue::{FileState, QUARANTINE, Queue, list, repair, verify};
use spanlake_core::disk::real;

use super::stand::{LONG, Stand, confirm_all, names, read, small_files, store, stored};

/// A queue with several files, closed, of 30 entries.
fn filled() -> Stand {
    let stand = Stand::new();
    let (queue, _) = stand.open(&["lake"]);
    for number in 0..30 {
        store(&queue, "a", &[number]);
    }
    queue.close(LONG).unwrap();
    stand
}

fn damage(path: &std::path::Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}

#[test]
fn one_process_has_it_at_a_time() {
    let stand = Stand::new();
    let (queue, _) = stand.open(&["lake"]);
    let error = Queue::open(small_files(&stand.root), stand.handle(), &["lake"]).unwrap_err();
    assert!(error.to_string().contains("another process"), "{error}");
    assert!(repair(&*real(), &stand.folder()).is_err());
    drop(queue);
    stand.open(&["lake"]);
}

#[test]
fn what_is_behind_damage_is_taken_over_and_counted_once() {
    let stand = filled();
    let files = stand.files();
    let before = fs::read(&files[1]).unwrap();
    damage(&files[1], |bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x40;
    });
    let (queue, opened) = stand.open(&["lake"]);
    assert_eq!((opened.mended.lost, opened.mended.quarantined.len()), (1, 1));
    let kept = fs::read(&opened.mended.quarantined[0]).unwrap();
    assert_eq!(
        (kept.len(), opened.mended.quarantined[0].parent()),
        (before.len(), Some(&*stand.folder().join(QUARANTINE)))
    );
    assert_eq!((read(&queue, "lake").len(), queue.report().damaged), (29, 1));
    assert_eq!(store(&queue, "a", &(0..30).collect::<Vec<_>>()), stored(0, 30), "all were acknowledged");
    drop(queue);
    let (queue, opened) = stand.open(&["lake"]);
    assert_eq!(opened.mended, Default::default(), "it is told once");
    assert_eq!(read(&queue, "lake").len(), 29);
    confirm_all(&queue, "lake", b"");
    queue.checkpoint().unwrap();
    assert_eq!(queue.report().waiting, [("lake".to_owned(), 0)]);
}

#[test]
fn whatever_byte_of_a_file_is_damaged_the_rest_is_there() {
    let stand = filled();
    let (queue, _) = stand.open(&["lake"]);
    drop(queue);
    let path = stand.files().remove(2);
    let whole = fs::read(&path).unwrap();
    for at in (0..whole.len()).step_by(3) {
        damage(&path, |bytes| bytes[at] ^= 0x11);
        let verified = verify(&*real(), &stand.folder()).unwrap();
        let FileState::Damaged { lost, .. } = verified.files[2].state else {
            panic!("byte {at}: {:?}", verified.files[2]);
        };
        assert_eq!(lost, u64::from(at >= 32), "byte {at}");
        let (queue, opened) = stand.open(&["lake"]);
        assert_eq!((opened.mended.lost, read(&queue, "lake").len() as u64), (lost, 30 - lost), "byte {at}");
        drop(queue);
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn a_torn_end_is_cut_off_and_an_odd_one_is_kept_aside() {
    for (tail, kept) in [(&[0; 100][..], 0), (&[9; 5], 0), (&[9; 100], 1)] {
        let stand = filled();
        let last = stand.files().pop().unwrap();
        let whole = fs::read(&last).unwrap();
        fs::OpenOptions::new().append(true).open(&last).unwrap().write_all(tail).unwrap();
        let state = verify(&*real(), &stand.folder()).unwrap().files.pop().unwrap().state;
        assert_eq!(state, FileState::Unfinished { from: whole.len() as u64, is_torn: kept == 0 });
        let (queue, opened) = stand.open(&["lake"]);
        assert_eq!((opened.mended.cut_bytes, opened.mended.lost), (tail.len() as u64, 0));
        assert_eq!(opened.mended.quarantined.len(), kept);
        assert_eq!((read(&queue, "lake").len(), fs::read(&last).unwrap()), (30, whole));
    }
}

#[test]
fn an_end_that_was_acknowledged_and_is_gone_is_a_loss() {
    let stand = filled();
    let last = stand.files().pop().unwrap();
    damage(&last, |bytes| bytes.truncate(bytes.len() - 3));
    let (queue, opened) = stand.open(&["lake"]);
    assert_eq!((opened.mended.lost, read(&queue, "lake")), (1, names("a", 0..29)));
    assert_eq!(store(&queue, "a", &[30]), stored(1, 0));
    drop(queue);
    let (queue, opened) = stand.open(&["lake"]);
    assert_eq!((opened.mended.lost, read(&queue, "lake").len()), (0, 30));
}

#[test]
fn a_last_file_of_which_nothing_can_be_read_is_a_loss_that_is_counted_once() {
    let stand = filled();
    let last = verify(&*real(), &stand.folder()).unwrap().files.pop().unwrap();
    damage(&last.path, |bytes| bytes[32..].fill(9));
    for (lost, entries) in [(last.entries, 30), (0, 30), (0, 31)] {
        let (queue, opened) = stand.open(&["lake"]);
        assert_eq!(opened.mended.lost, lost);
        assert_eq!(opened.mended.quarantined.len(), usize::from(lost > 0));
        assert_eq!(read(&queue, "lake").len() as u64, entries - last.entries);
        if entries == 30 && lost == 0 {
            assert_eq!(store(&queue, "a", &[31]), stored(1, 0));
        }
    }
    let (queue, _) = stand.open(&["lake"]);
    confirm_all(&queue, "lake", b"");
    queue.checkpoint().unwrap();
    assert_eq!(stand.files().len(), 0, "nothing of it stays");
}

#[test]
fn files_that_somebody_removed_are_a_loss() {
    let stand = filled();
    let (first, entries) = {
        let file = verify(&*real(), &stand.folder()).unwrap().files.remove(0);
        (file.path, file.entries)
    };
    fs::remove_file(first).unwrap();
    assert!(verify(&*real(), &stand.folder()).unwrap().is_damaged());
    let (queue, opened) = stand.open(&["lake"]);
    assert_eq!((opened.mended.lost, read(&queue, "lake").len() as u64), (entries, 30 - entries));
}

#[test]
fn without_its_checkpoint_a_queue_gives_all_that_is_kept_again() {
    let stand = filled();
    damage(&stand.folder().join("checkpoint"), |bytes| bytes[30] ^= 1);
    assert!(verify(&*real(), &stand.folder()).unwrap().is_checkpoint_damaged);
    let (queue, opened) = stand.open(&["lake"]);
    assert!(opened.mended.is_checkpoint_lost && opened.mended.quarantined.len() == 1);
    assert_eq!(read(&queue, "lake"), names("a", 0..30));
    assert_eq!(store(&queue, "a", &[29, 30]), stored(1, 1));
}

#[test]
fn what_a_newer_version_wrote_is_left_alone() {
    for name in ["checkpoint", "000000000001.queue"] {
        let stand = filled();
        let path = stand.folder().join(name);
        damage(&path, |bytes| {
            bytes[4] = 200;
            if name != "checkpoint" {
                let seed = u64::from_le_bytes(bytes[8..16].try_into().unwrap());
                let sum = xxhash_rust::xxh3::xxh3_64_with_seed(&bytes[..24], seed);
                bytes[24..32].copy_from_slice(&sum.to_le_bytes());
            }
        });
        let before = fs::read(&path).unwrap();
        assert!(Queue::open(small_files(&stand.root), stand.handle(), &["lake"]).is_err());
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[test]
fn it_is_looked_at_while_it_is_at_work_and_repaired_when_it_is_not() {
    let stand = filled();
    let (queue, _) = stand.open(&["lake"]);
    queue.reader("lake").unwrap().confirm(4, vec![]);
    store(&queue, "a", &[30]);
    queue.checkpoint().unwrap();
    let listing = list(&*real(), &stand.folder()).unwrap();
    assert!(listing.is_open && listing.files[0].first == Some(0));
    assert_eq!((listing.waiting, listing.streams), (vec![("lake".to_owned(), 26)], 1));
    let verified = verify(&*real(), &stand.folder()).unwrap();
    assert!(verified.is_open && !verified.is_damaged());
    assert_eq!(verified.files.iter().map(|file| file.entries).sum::<u64>(), 31);
    drop(queue);
    damage(&stand.files()[1], |bytes| bytes[100] ^= 1);
    assert!(verify(&*real(), &stand.folder()).unwrap().is_damaged());
    assert_eq!(repair(&*real(), &stand.folder()).unwrap().lost, 1);
    let verified = verify(&*real(), &stand.folder()).unwrap();
    assert!(!verified.is_open && !verified.is_damaged(), "{verified:?}");
}
