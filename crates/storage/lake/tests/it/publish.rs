//! When Parquet files appear, and what a failure leaves behind.

use std::fs::{self, File};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parquet::file::reader::{FileReader, SerializedFileReader};
use spanlake_core::Sink;
use spanlake_lake::{LakeFile, ParquetSink};

use crate::support::{Script, feed, files, only_file};

fn rows_in(path: &Path) -> i64 {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    reader.metadata().file_metadata().num_rows()
}

/// The rows in each file of a lake.
fn rows(lake: &Path) -> Vec<i64> {
    files(lake).iter().map(|path| rows_in(path)).collect()
}

#[test]
fn a_flush_publishes_what_there_is_and_nothing_twice() {
    let lake = tempfile::tempdir().unwrap();
    let mut sink = ParquetSink::new(lake.path());
    sink.flush().unwrap();
    feed(&mut sink, &Script::events("one", 3)).unwrap();
    feed(&mut sink, &Script::events("two", 4)).unwrap();
    assert!(files(lake.path()).is_empty(), "nothing is shown before it is whole");
    sink.flush().unwrap();
    sink.flush().unwrap();
    assert_eq!(rows(lake.path()), [7]);
    feed(&mut sink, &Script::events("three", 1)).unwrap();
    sink.flush().unwrap();
    assert_eq!(rows(lake.path()), [7, 1]);

    let names = files(lake.path());
    let numbers: Vec<u32> = names.iter().map(|path| parse(path).number).collect();
    assert_eq!(numbers, [1, 2]);
}

fn parse(path: &Path) -> LakeFile {
    LakeFile::parse(path.file_name().unwrap().to_str().unwrap()).unwrap()
}

#[test]
fn a_full_file_is_published_before_the_next_batch() {
    let lake = tempfile::tempdir().unwrap();
    let mut by_rows = ParquetSink::new(lake.path()).max_file_rows(NonZeroUsize::new(10).unwrap());
    for _ in 0..5 {
        feed(&mut by_rows, &Script::events("event", 6)).unwrap();
    }
    assert_eq!(rows(lake.path()), [12, 12]);

    let lake = tempfile::tempdir().unwrap();
    let mut by_bytes = ParquetSink::new(lake.path()).max_buffered_bytes(NonZeroUsize::new(1).unwrap());
    for _ in 0..3 {
        feed(&mut by_bytes, &Script::events("event", 6)).unwrap();
    }
    assert_eq!(rows(lake.path()), [6, 6]);
}

#[test]
fn old_rows_are_published_at_a_tick() {
    let lake = tempfile::tempdir().unwrap();
    let mut patient = ParquetSink::new(lake.path()).max_age(Duration::from_secs(3600));
    feed(&mut patient, &Script::events("event", 1)).unwrap();
    patient.tick().unwrap();
    assert!(files(lake.path()).is_empty());

    let lake = tempfile::tempdir().unwrap();
    let mut hasty = ParquetSink::new(lake.path()).max_age(Duration::ZERO);
    hasty.tick().unwrap();
    feed(&mut hasty, &Script::events("event", 1)).unwrap();
    hasty.tick().unwrap();
    hasty.tick().unwrap();
    assert_eq!(rows(lake.path()), [1]);
}

#[test]
fn what_was_not_flushed_is_published_when_the_sink_goes() {
    let lake = tempfile::tempdir().unwrap();
    let mut sink = ParquetSink::new(lake.path());
    feed(&mut sink, &Script::events("event", 2)).unwrap();
    drop(sink);
    assert_eq!(rows(lake.path()), [2]);
}

#[test]
fn a_name_that_is_taken_is_passed_over() {
    let lake = tempfile::tempdir().unwrap();
    for _ in 0..3 {
        let mut sink = ParquetSink::new(lake.path());
        feed(&mut sink, &Script::events("event", 2)).unwrap();
        sink.flush().unwrap();
    }
    assert_eq!(rows(lake.path()), [2, 2, 2]);

    // Somebody is at work on number 4, or was when the machine went down.
    let folder = files(lake.path())[0].parent().unwrap().to_owned();
    let next = LakeFile { number: 4, ..parse(&files(lake.path())[0]) };
    let hidden = folder.join(format!(".tmp-{next}"));
    fs::write(&hidden, "half").unwrap();
    let mut sink = ParquetSink::new(lake.path());
    feed(&mut sink, &Script::events("event", 2)).unwrap();
    sink.flush().unwrap();
    assert_eq!(fs::read_to_string(&hidden).unwrap(), "half");
    fs::remove_file(hidden).unwrap();
    assert_eq!(parse(files(lake.path()).last().unwrap()).number, 5);
}

#[test]
fn a_failed_publish_keeps_its_rows_and_leaves_nothing_behind() {
    let lake = tempfile::tempdir().unwrap();
    let in_the_way = lake.path().join("analyst");
    fs::write(&in_the_way, "").unwrap();
    let mut sink = ParquetSink::new(lake.path());
    feed(&mut sink, &Script::events("early", 2)).unwrap();
    let error = sink.flush().unwrap_err();
    assert_eq!(error.code().to_string(), "HANDLER::ParquetSink::IO::ERROR");
    assert!(error.context().any(|(name, value)| name == "path" && value.ends_with(".parquet")), "{error}");

    // Batches are taken while there is room for them.
    feed(&mut sink, &Script::events("late", 3)).unwrap();
    fs::remove_file(&in_the_way).unwrap();
    sink.flush().unwrap();
    assert_eq!(rows(lake.path()), [5]);
}

#[test]
fn a_batch_is_refused_while_a_full_file_cannot_be_published() {
    let lake = tempfile::tempdir().unwrap();
    let in_the_way = lake.path().join("analyst");
    fs::write(&in_the_way, "").unwrap();
    let mut sink = ParquetSink::new(lake.path()).max_file_rows(NonZeroUsize::new(2).unwrap());
    feed(&mut sink, &Script::events("early", 2)).unwrap();
    feed(&mut sink, &Script::events("refused", 3)).unwrap_err();
    feed(&mut sink, &Script::events("refused", 3)).unwrap_err();
    fs::remove_file(&in_the_way).unwrap();
    feed(&mut sink, &Script::events("late", 3)).unwrap();
    sink.flush().unwrap();
    assert_eq!(rows(lake.path()), [2, 3]);
}

/// Space runs out while the file is being written: the part that was written goes, the rows stay.
#[cfg(target_os = "linux")]
mod under_a_limit {
    use std::path::PathBuf;
    use std::process::Command;

    use super::*;

    const LAKE: &str = "SPANLAKE_TEST_LAKE";

    #[test]
    fn a_file_that_cannot_be_finished_is_removed() {
        let lake = tempfile::tempdir().unwrap();
        let shell = "trap '' XFSZ; ulimit -f 4; exec \"$0\" --exact publish::under_a_limit::child";
        let test = std::env::current_exe().unwrap();
        let child = Command::new("sh").arg("-c").arg(shell).arg(test).env(LAKE, lake.path()).output().unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
    }

    /// Does nothing but in the process that the test above starts.
    #[test]
    fn child() {
        let Some(lake) = std::env::var_os(LAKE).map(PathBuf::from) else {
            return;
        };
        let mut sink = ParquetSink::new(&lake);
        feed(&mut sink, &Script::events("event", 100)).unwrap();
        let error = sink.flush().unwrap_err();
        assert_eq!(error.code().to_string(), "HANDLER::ParquetSink::IO::ERROR::RECOVERABLE");
        assert!(files(&lake).is_empty(), "{:?}", files(&lake));
    }
}

/// Readers list and open all the time; whatever has its final name must be whole.
#[test]
fn no_reader_sees_half_a_file() {
    let lake = tempfile::tempdir().unwrap();
    let done = AtomicBool::new(false);
    let segment = Script::events("event", 500);
    let seen = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut most = 0;
            while !done.load(Ordering::Acquire) {
                let visible = files(lake.path()).into_iter().filter(|path| path.extension().is_some_and(is_parquet));
                let visible = visible.filter(|path| !path.file_name().unwrap().to_str().unwrap().starts_with('.'));
                let rows: Vec<i64> = visible.map(|path| rows_in(&path)).collect();
                assert!(rows.iter().all(|rows| *rows == 500), "{rows:?}");
                most = most.max(rows.len());
            }
            most
        });
        let mut sink = ParquetSink::new(lake.path());
        for _ in 0..50 {
            feed(&mut sink, &segment).unwrap();
            sink.flush().unwrap();
        }
        done.store(true, Ordering::Release);
        reader.join().unwrap()
    });
    assert!(seen > 1, "the reader looked while files came");
    assert_eq!(rows(lake.path()), [500; 50]);
}

fn is_parquet(extension: &std::ffi::OsStr) -> bool {
    extension == "parquet"
}

#[test]
fn one_file_lies_where_engines_look() {
    let lake = tempfile::tempdir().unwrap();
    let mut sink = ParquetSink::new(lake.path());
    feed(&mut sink, &Script::events("event", 1)).unwrap();
    sink.flush().unwrap();
    let name = "analyst/records/run_date=2026-11-20/20261120T120000.000000Z_obelix_6156_0001.parquet";
    assert_eq!(only_file(lake.path()), lake.path().join(name));
}
