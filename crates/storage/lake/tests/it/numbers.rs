//! Numbers of files: none is given twice, though its file be deleted, because recovery goes by them.

use std::fs;
use std::path::Path;
use std::time::Duration;

use spanlake_core::buffer::{Admission, Offer, Shard};
use spanlake_core::segment::{Message, RecordHead};
use spanlake_core::spool::SpoolOptions;
use spanlake_core::{Buffer, BufferOptions, Level, PumpBuilder, Sink, Source};
use spanlake_lake::{JsonlSink, LakeFile, Recovery};
use spanlake_testkit::disk::{FakeDisk, Fault, Operation};

use crate::support::{files, messages};

const LONG: Duration = Duration::from_secs(60);

/// The numbers of all files below a folder.
fn numbers(folder: &Path) -> Vec<u32> {
    let number = |path: &std::path::PathBuf| LakeFile::parse(path.file_name()?.to_str()?).map(|file| file.number);
    files(folder).iter().filter_map(number).collect()
}

fn record(shard: &Shard, text: &str) {
    let mut message = Message::default();
    message.set(text);
    let ts_ns = spanlake_core::clock::utc_now_ns();
    let offer = Offer { level: Level::INFO, ts_ns, need: 64, admission: Admission::Event };
    let head = RecordHead { level: Level::INFO, callsite: None, task: None, seq: 0, ts_ns };
    assert!(shard.offer(&offer, |writer, _| writer.event(&head, &message, &[])));
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_goes_on_counting_when_it_comes_back_to_a_partition() {
    use crate::support::{DAY_US, NOON_US, Script, feed};

    let lake = tempfile::tempdir().unwrap();
    let mut sink = spanlake_lake::ParquetSink::new(lake.path());
    for day in [0, 1, 0] {
        let mut script = Script::new();
        script.now_us = NOON_US + day * DAY_US;
        script.event(None, 0, "event", &[]);
        feed(&mut sink, &script.segment()).unwrap();
        sink.flush().unwrap();
        if day == 1 {
            fs::remove_file(&files(lake.path())[0]).unwrap();
        }
    }
    assert_eq!(numbers(lake.path()), [2, 1]);
}

#[test]
fn recovery_counts_on_behind_files_that_were_deleted() {
    let lake = tempfile::tempdir().unwrap();
    let disk = FakeDisk::new(lake.path());
    let spool = SpoolOptions::new(lake.path().join(".spool"));
    let sink = JsonlSink::new(lake.path()).disk(disk.handle());
    let recipes = sink.recipe().into_iter().collect();
    let buffer = Buffer::with_spool(&BufferOptions::default(), Source::this_process("test"), &spool, recipes).unwrap();
    let pump = PumpBuilder::new().drain_every(LONG).sink(sink).spawn(buffer.clone()).unwrap();
    let shard = buffer.shard();

    record(&shard, "in the ledger");
    assert!(pump.flush(LONG).is_complete());
    let records = lake.path().join("debug_json/records");
    assert_eq!(numbers(&records), [1]);
    fs::remove_file(&files(&records)[0]).unwrap();
    disk.fail(Fault::at(1).of(Operation::Create).for_ever());
    disk.fail(Fault::at(1).of(Operation::Write).for_ever());
    record(&shard, "in the spool");
    assert_eq!(pump.shutdown(LONG).pending, 1);
    drop((pump, shard, buffer));

    disk.heal();
    let recovered = Recovery::new(lake.path()).run().unwrap();
    assert_eq!((recovered.len(), recovered[0].records), (1, 1), "{recovered:?}");
    assert_eq!(messages(&records), ["in the spool"]);
    assert_eq!(numbers(&records), [2]);
}
