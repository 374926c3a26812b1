//! Files whose sync failed are sealed, and what could not be taken back is taken back later.

use std::fs;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use spanlake_core::Sink;
use spanlake_lake::JsonlSink;
use spanlake_testkit::disk::{Call, ENOSPC, FakeDisk, Fault, Operation};
use tempfile::TempDir;

use crate::support::{Script, feed, files, json_messages, lines, messages};

/// A lake on a disk that fails when told.
pub(crate) struct Stand {
    _folder: TempDir,
    pub(crate) lake: PathBuf,
    pub(crate) disk: FakeDisk,
}

impl Stand {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let disk = FakeDisk::new(folder.path());
        Self { lake: folder.path().join("lake"), _folder: folder, disk }
    }

    pub(crate) fn jsonl(&self) -> JsonlSink {
        JsonlSink::new(&self.lake).disk(self.disk.handle())
    }

    /// The messages in each file, in the order of the files' names.
    fn messages(&self) -> Vec<Vec<String>> {
        files(&self.lake).iter().map(|file| json_messages(&fs::read_to_string(file).unwrap())).collect()
    }

    fn calls(&self, operation: Operation) -> Vec<Call> {
        self.disk.calls().into_iter().filter(|call| call.operation == operation).collect()
    }
}

fn sync_fails() -> Fault {
    Fault::at(1).of(Operation::Sync)
}

#[test]
fn a_file_whose_sync_failed_keeps_what_is_durable_and_is_left() {
    let stand = Stand::new();
    let mut sink = stand.jsonl();
    feed(&mut sink, &Script::events("one", 1)).unwrap();
    sink.flush().unwrap();
    feed(&mut sink, &Script::events("two", 1)).unwrap();
    stand.disk.fail(sync_fails());
    let error = sink.flush().unwrap_err();
    assert_eq!(error.code().to_string(), "HANDLER::JsonlSink::IO::ERROR");
    // Nothing is left to do: the next file was written and synced within the same flush.
    assert_eq!(stand.messages(), [["one 0"], ["two 0"]]);
    assert_eq!((sink.unpublished(), stand.disk.cut_power().unsure()), (0, 3), "unsure is the sealed end and its cut");

    feed(&mut sink, &Script::events("three", 1)).unwrap();
    sink.flush().unwrap();
    assert_eq!(stand.messages(), [vec!["one 0"], vec!["two 0", "three 0"]]);
    let sealed = files(&stand.lake)[0].clone();
    let calls = stand.disk.calls();
    let failed = calls.iter().position(|call| call.failed).unwrap();
    let later = calls[failed + 1..].iter().filter(|call| call.path == sealed);
    let later: Vec<Operation> = later.map(|call| call.operation).collect();
    assert_eq!(later, [Operation::Append, Operation::SetLen], "it is cut back and never touched again");
}

#[test]
fn a_file_that_was_never_durable_goes() {
    let stand = Stand::new();
    let mut sink = stand.jsonl();
    feed(&mut sink, &Script::events("one", 2)).unwrap();
    stand.disk.fail(sync_fails());
    sink.flush().unwrap_err();
    assert_eq!(stand.messages(), [["one 0", "one 1"]]);
    assert!(files(&stand.lake)[0].to_str().unwrap().ends_with("_0002.jsonl"));
}

#[test]
fn a_name_that_could_not_be_made_durable_is_given_up_with_its_file() {
    let stand = Stand::new();
    let mut sink = stand.jsonl();
    feed(&mut sink, &Script::events("one", 1)).unwrap();
    stand.disk.fail(Fault::at(1).of(Operation::SyncFolder));
    sink.flush().unwrap_err();
    assert_eq!(stand.messages(), [["one 0"]]);
    assert!(files(&stand.lake)[0].to_str().unwrap().ends_with("_0002.jsonl"));
}

#[test]
fn a_sealed_file_that_cannot_be_cut_is_cut_as_soon_as_it_can_be() {
    let stand = Stand::new();
    let mut sink = stand.jsonl();
    feed(&mut sink, &Script::events("one", 1)).unwrap();
    sink.flush().unwrap();
    feed(&mut sink, &Script::events("two", 1)).unwrap();
    stand.disk.fail(sync_fails());
    stand.disk.fail(Fault::at(1).of(Operation::SetLen).for_ever());
    sink.flush().unwrap_err();
    assert_eq!(stand.messages(), [vec!["one 0", "two 0"], vec!["two 0"]], "doubles, for now");
    sink.flush().unwrap();
    stand.disk.heal();
    sink.flush().unwrap();
    assert_eq!(stand.messages(), [["one 0"], ["two 0"]]);
}

#[test]
fn what_is_owed_waits_in_memory_and_comes_before_anything_newer() {
    let stand = Stand::new();
    let mut sink = stand.jsonl();
    feed(&mut sink, &Script::events("one", 3)).unwrap();
    stand.disk.fail(sync_fails());
    stand.disk.fail(Fault::at(1).of(Operation::Create).for_ever().error(ENOSPC));
    sink.flush().unwrap_err();
    assert_eq!((sink.unpublished(), files(&stand.lake)), (3, vec![]));
    feed(&mut sink, &Script::events("refused", 1)).unwrap_err();
    let error = sink.flush().unwrap_err();
    assert_eq!((error.is_recoverable(), sink.unpublished()), (true, 3));

    stand.disk.heal();
    feed(&mut sink, &Script::events("two", 1)).unwrap();
    sink.flush().unwrap();
    assert_eq!((messages(&stand.lake), sink.unpublished()), (messages_of(&[("one", 3), ("two", 1)]), 0));
}

fn messages_of(batches: &[(&str, usize)]) -> Vec<String> {
    batches.iter().flat_map(|(word, count)| (0..*count).map(move |at| format!("{word} {at}"))).collect()
}

#[test]
fn memory_for_unsynced_text_is_bounded_by_syncing() {
    let stand = Stand::new();
    let mut sink = stand.jsonl().max_unsynced_bytes(NonZeroUsize::new(1000).unwrap());
    for _ in 0..12 {
        feed(&mut sink, &Script::events("event", 1)).unwrap();
    }
    assert_eq!(stand.calls(Operation::Write).len(), 12, "one write for a batch");
    let line = fs::metadata(&files(&stand.lake)[0]).unwrap().len() / 12;
    let lines_a_sync = 1000 / line + 1;
    assert_eq!(stand.calls(Operation::Sync).len() as u64, 11 / lines_a_sync);
}

#[test]
fn a_batch_is_refused_when_the_memory_for_unsynced_text_is_full() {
    let stand = Stand::new();
    let mut sink = stand.jsonl().max_unsynced_bytes(NonZeroUsize::new(1).unwrap());
    feed(&mut sink, &Script::events("one", 1)).unwrap();
    stand.disk.fail(Fault::at(1).of(Operation::Sync).for_ever());
    feed(&mut sink, &Script::events("two", 1)).unwrap_err();
    feed(&mut sink, &Script::events("two", 1)).unwrap_err();
    stand.disk.heal();
    feed(&mut sink, &Script::events("two", 1)).unwrap();
    sink.flush().unwrap();
    assert_eq!(messages(&stand.lake), ["one 0", "two 0"]);
}

/// A batch that fills files syncs each of them before it opens the next.
#[test]
fn a_full_file_whose_sync_fails_takes_the_batch_with_it() {
    for number in 1..=3 {
        let stand = Stand::new();
        let mut sink = stand.jsonl().max_file_bytes(NonZeroU64::new(1000).unwrap());
        feed(&mut sink, &Script::events("before", 1)).unwrap();
        stand.disk.fail(Fault::at(number).of(Operation::Sync));
        feed(&mut sink, &Script::events("batch", 9)).unwrap_err();
        assert!(messages(&stand.lake).iter().all(|message| message == "before 0"), "sync {number}");
        feed(&mut sink, &Script::events("batch", 9)).unwrap();
        sink.flush().unwrap();
        assert_eq!(messages(&stand.lake), messages_of(&[("before", 1), ("batch", 9)]), "sync {number}");
        let longest = files(&stand.lake).iter().map(|file| fs::metadata(file).unwrap().len()).max();
        assert!(longest <= Some(1000), "sync {number}");
    }
}

#[test]
fn a_torn_write_that_cannot_be_cut_leaves_no_double_for_long() {
    let stand = Stand::new();
    let mut sink = stand.jsonl();
    feed(&mut sink, &Script::events("one", 1)).unwrap();
    sink.flush().unwrap();
    stand.disk.fail(Fault::at(1).of(Operation::Write).tearing());
    stand.disk.fail(Fault::at(1).of(Operation::SetLen).for_ever());
    feed(&mut sink, &Script::events("two", 4)).unwrap_err();
    feed(&mut sink, &Script::events("two", 4)).unwrap();
    assert_eq!(files(&stand.lake).len(), 2);
    assert!(lines(&stand.lake).len() > 1 + 4, "a part of the batch is there twice");
    stand.disk.heal();
    sink.flush().unwrap();
    assert_eq!(messages(&stand.lake), messages_of(&[("one", 1), ("two", 4)]));
}

#[cfg(feature = "parquet")]
mod parquet {
    use std::fs::File;

    use ::parquet::file::reader::{FileReader, SerializedFileReader};
    use spanlake_lake::ParquetSink;

    use super::*;

    /// Names and rows of what an engine sees.
    fn seen(stand: &Stand) -> Vec<(String, i64)> {
        let seen = files(&stand.lake).into_iter().filter_map(|path| {
            let name = path.file_name()?.to_str().filter(|name| !name.starts_with('.'))?.to_owned();
            let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
            Some((name.split_at(name.len() - 12).1.to_owned(), reader.metadata().file_metadata().num_rows()))
        });
        seen.collect()
    }

    fn sink(stand: &Stand) -> ParquetSink {
        ParquetSink::new(&stand.lake).disk(stand.disk.handle())
    }

    #[test]
    fn a_file_that_could_not_be_made_durable_is_dropped_and_written_anew() {
        for operation in [Operation::Sync, Operation::Rename, Operation::SyncFolder, Operation::Write] {
            let stand = Stand::new();
            let mut sink = sink(&stand);
            feed(&mut sink, &Script::events("event", 3)).unwrap();
            stand.disk.fail(Fault::at(1).of(operation));
            sink.flush().unwrap_err();
            assert_eq!((files(&stand.lake), sink.unpublished()), (vec![], 3), "{operation:?}");
            sink.flush().unwrap();
            assert_eq!((seen(&stand), sink.unpublished()), (vec![("0001.parquet".to_owned(), 3)], 0), "{operation:?}");
        }
    }

    #[test]
    fn what_could_not_be_removed_goes_before_the_next_file_comes() {
        for (operation, hidden) in [(Operation::Sync, true), (Operation::SyncFolder, false)] {
            let stand = Stand::new();
            let mut sink = sink(&stand);
            feed(&mut sink, &Script::events("event", 3)).unwrap();
            stand.disk.fail(Fault::at(1).of(operation));
            stand.disk.fail(Fault::at(1).of(Operation::Remove).for_ever());
            sink.flush().unwrap_err();
            let left = files(&stand.lake);
            assert_eq!((left.len(), seen(&stand).is_empty()), (1, hidden), "{operation:?}");
            stand.disk.heal();
            sink.flush().unwrap();
            assert_eq!(seen(&stand), [("0001.parquet".to_owned(), 3)], "{operation:?}");
            assert_eq!(files(&stand.lake).len(), 1, "{operation:?}");
        }
    }
}
