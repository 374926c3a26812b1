//! How plugins go through the queue.

use std::sync::mpsc;
use std::time::{Duration, Instant};

use spanlake_collector::queue::{Queue, Reader};

use super::stand::{LONG, Stand, confirm_all, names, read, store, stored};

#[test]
fn each_plugin_has_its_own_pace_and_files_stay_for_the_slowest() {
    let stand = Stand::new();
    let (queue, _) = stand.open(&["fast", "slow"]);
    for number in 0..40 {
        store(&queue, "a", &[number]);
    }
    let files = stand.files().len();
    assert!(files > 4, "{files} files");
    confirm_all(&queue, "fast", b"all");
    queue.checkpoint().unwrap();
    assert_eq!(stand.files().len(), files);
    assert_eq!(queue.report().waiting, [("fast".to_owned(), 0), ("slow".to_owned(), 40)]);

    let slow = queue.reader("slow").unwrap();
    slow.confirm(19, b"half".to_vec());
    assert_eq!(stand.files().len(), files, "nothing goes before the checkpoint says so");
    queue.checkpoint().unwrap();
    let left = stand.files().len();
    assert!(left < files && left > 1, "{left} files");
    drop(queue);

    let (queue, opened) = stand.open(&["fast", "slow"]);
    assert_eq!(opened.waiting, [("fast".to_owned(), 0), ("slow".to_owned(), 20)]);
    assert_eq!(read(&queue, "slow"), names("a", 20..40));
    let notes = ["fast", "slow"].map(|plugin| queue.reader(plugin).unwrap().note());
    assert_eq!(notes, [b"all", &b"half"[..]]);
    confirm_all(&queue, "slow", b"");
    queue.checkpoint().unwrap();
    assert_eq!(stand.files().len(), 0);
    assert_eq!(store(&queue, "a", &[0, 39, 40]), stored(1, 2), "what is gone is still known");
    assert_eq!(read(&queue, "slow"), names("a", [40]));
}

#[test]
fn what_was_confirmed_and_not_checkpointed_comes_again() {
    let stand = Stand::new();
    let (queue, _) = stand.open(&["lake"]);
    store(&queue, "a", &[1, 2, 3]);
    let reader = queue.reader("lake").unwrap();
    reader.confirm(0, b"one".to_vec());
    queue.checkpoint().unwrap();
    reader.confirm(2, b"three".to_vec());
    assert_eq!(read(&queue, "lake"), []);
    drop(queue);
    let (queue, _) = stand.open(&["lake"]);
    assert_eq!(read(&queue, "lake"), names("a", [2, 3]));
    assert_eq!(queue.reader("lake").unwrap().note(), b"one");
    queue.reader("lake").unwrap().confirm(u64::MAX, vec![]);
    store(&queue, "a", &[4]);
    assert_eq!(read(&queue, "lake"), names("a", [4]), "nobody confirms what has not come");
}

#[test]
fn a_new_plugin_gets_what_is_kept_and_one_that_is_gone_holds_nothing() {
    let stand = Stand::new();
    let (queue, _) = stand.open(&["lake", "old"]);
    for number in 0..30 {
        store(&queue, "a", &[number]);
    }
    queue.reader("old").unwrap().confirm(4, b"mine".to_vec());
    queue.close(LONG).unwrap();
    drop(queue);
    let (queue, opened) = stand.open(&["lake", "new"]);
    assert_eq!(opened.gone, ["old"]);
    assert!(queue.reader("old").is_none());
    assert_eq!(read(&queue, "new"), names("a", 0..30));
    confirm_all(&queue, "lake", b"");
    queue.reader("new").unwrap().confirm(9, vec![]);
    queue.checkpoint().unwrap();
    drop(queue);
    let (queue, opened) = stand.open(&["old"]);
    assert_eq!(opened.gone, ["lake", "new"]);
    assert_eq!(queue.reader("old").unwrap().note(), b"mine");
    let first = read(&queue, "old")[0].1;
    assert!((5..=10).contains(&first), "it goes on where it was, or with the oldest that is kept: {first}");
}

#[test]
fn a_reader_waits_until_something_comes_or_the_queue_is_closed() {
    let stand = Stand::new();
    let (queue, _) = stand.open(&["lake"]);
    let mut reader = queue.reader("lake").unwrap();
    assert!(reader.next(Instant::now() + Duration::from_millis(5)).unwrap().is_none());
    let (tell, told) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            while let Some(items) = reader.next(Instant::now() + LONG).unwrap() {
                tell.send(items.len()).unwrap();
            }
            assert!(reader.has_ended());
        });
        store(&queue, "a", &[1, 2]);
        assert_eq!(told.recv_timeout(LONG).unwrap(), 2);
        queue.close(LONG).unwrap();
    });
}

/// A queue in one file, with an entry of each size, numbered from zero.
fn with_sizes(stand: &Stand, sizes: &[usize]) -> Queue {
    let options = super::stand::options(&stand.root, 64 << 20);
    let (queue, _) = Queue::open(options, stand.handle(), &["lake"]).unwrap();
    for (number, size) in (0..).zip(sizes) {
        let mut delivery = super::stand::delivery("a", 0, &[number]);
        delivery.entries[0].1 = vec![number as u8; *size];
        super::stand::offer(&queue, delivery).unwrap();
    }
    queue
}

/// The sizes of all that has come, also where it is asked of a reader that gives nothing and does not return.
fn sizes_read(mut reader: Reader) -> Vec<usize> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut found = Vec::new();
        while let Some(items) = reader.next(Instant::now()).unwrap() {
            found.extend(items.iter().map(|entry| entry.segment.len()));
        }
        tell.send(found).unwrap();
    });
    told.recv_timeout(LONG).expect("the reader returns")
}

#[test]
fn entries_larger_than_what_is_read_at_a_time_come_whole() {
    let (stand, sizes) = (Stand::new(), [10, 3 << 20, 700_000, 700_000, 1]);
    let queue = with_sizes(&stand, &sizes);
    assert_eq!(sizes_read(queue.reader("lake").unwrap()), sizes);
}

#[test]
fn a_reader_begins_wherever_its_plugin_was_in_a_large_file() {
    // What an entry has beside its segment, and what is read at a time.
    let (around, read) = (44, 1 << 20);
    // The third one is cut where the first reading ends: at its beginning, in its head, and behind that.
    for cut in [0, 5, 20] {
        let sizes = [700_000, read - 700_000 - 2 * around - cut, 10, 900_000, 500_000, 1];
        let stand = Stand::new();
        let queue = with_sizes(&stand, &sizes);
        let file = std::fs::metadata(stand.files().remove(0)).unwrap().len();
        assert_eq!(file as usize, 32 + sizes.map(|size| around + size).iter().sum::<usize>(), "as counted here");
        for confirmed in 0..sizes.len() {
            queue.reader("lake").unwrap().confirm(confirmed as u64, Vec::new());
            assert_eq!(sizes_read(queue.reader("lake").unwrap()), sizes[confirmed + 1..], "cut by {cut}");
        }
    }
}

#[test]
fn entries_that_rot_while_the_queue_is_open_are_passed_over_and_counted() {
    let stand = Stand::new();
    let (queue, _) = stand.open(&["lake"]);
    store(&queue, "a", &[1, 2, 3]);
    let path = stand.files().remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(read(&queue, "lake"), names("a", [1, 3]));
    assert_eq!(queue.report().damaged, 1);
}

#[test]
fn a_file_that_is_cut_while_the_queue_is_open_holds_up_no_reader() {
    let whole = {
        let stand = Stand::new();
        drop(with_sizes(&stand, &[40; 4]));
        std::fs::metadata(stand.files().remove(0)).unwrap().len()
    };
    for cut in 1..=whole {
        let stand = Stand::new();
        let queue = with_sizes(&stand, &[40; 4]);
        queue.reader("lake").unwrap().confirm(0, Vec::new());
        std::fs::OpenOptions::new().write(true).open(stand.files().remove(0)).unwrap().set_len(whole - cut).unwrap();
        let read = sizes_read(queue.reader("lake").unwrap()).len() as u64;
        assert_eq!((read, queue.report().damaged), (3 - cut.div_ceil(84).min(3), cut.div_ceil(84).min(3)), "{cut}");
    }
}

#[test]
fn what_is_behind_damage_comes_in_portions_like_everything_else() {
    let (stand, sizes) = (Stand::new(), [10, 600_000, 600_000, 10, 3 << 20, 600_000, 1]);
    let queue = with_sizes(&stand, &sizes);
    let file = std::fs::OpenOptions::new().write(true).open(stand.files().remove(0)).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"?", 32).unwrap();
    let mut reader = queue.reader("lake").unwrap();
    let mut found = Vec::new();
    while let Some(items) = reader.next(Instant::now()).unwrap() {
        let sizes: Vec<_> = items.iter().map(|entry| entry.segment.len()).collect();
        assert!(sizes.len() == 1 || sizes.iter().sum::<usize>() <= 1 << 20, "at once: {sizes:?}");
        found.extend(sizes);
    }
    assert_eq!((&found[..], queue.report().damaged), (&sizes[1..], 1));
}
