//! Rolled files are compressed beside the pump, and none is half.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use spanlake_core::Sink;
use spanlake_lake::Compression;
use spanlake_testkit::disk::{ENOSPC, FakeDisk, Fault, Operation};

use crate::rolling::{Place, bytes, nine};
use crate::support::{Script, feed};

const COMPRESSION: Compression = {
    #[cfg(feature = "zstd")]
    let compression = Compression::Zstd;
    #[cfg(not(feature = "zstd"))]
    let compression = Compression::Gzip;
    compression
};

fn wait_until(mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so() {
        assert!(Instant::now() < deadline, "it never came so far");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn unpacked(path: &Path) -> String {
    let file = File::open(path).unwrap();
    let mut text = String::new();
    match path.extension().unwrap().to_str().unwrap() {
        #[cfg(feature = "gzip")]
        "gz" => drop(flate2::read::GzDecoder::new(file).read_to_string(&mut text).unwrap()),
        #[cfg(feature = "zstd")]
        "zst" => drop(zstd::stream::read::Decoder::new(file).unwrap().read_to_string(&mut text).unwrap()),
        other => panic!("{other}"),
    }
    text
}

fn every_compression() -> Vec<(Compression, &'static str)> {
    vec![
        #[cfg(feature = "gzip")]
        (Compression::Gzip, "gz"),
        #[cfg(feature = "zstd")]
        (Compression::Zstd, "zst"),
    ]
}

#[test]
fn rolled_files_are_compressed_and_roll_on() {
    for (compression, extension) in every_compression() {
        let place = Place::new();
        let mut sink = place.rolling().max_bytes(bytes(18)).compression(compression);
        let name = |number: usize| format!("log.{number:04}.{extension}");
        for batch in 0..6 {
            feed(&mut sink, &nine(&format!("{batch}"), 3)).unwrap();
        }
        wait_until(|| {
            sink.tick().unwrap();
            (1..=8).all(|number| place.names().contains(&name(number)))
        });
        assert_eq!(place.names().len(), 9);
        let text: String = (1..=8).rev().map(|number| unpacked(&place.file(&name(number)))).collect();
        let text = text + &place.text("log");
        let words: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
        let told = (0..6).flat_map(|batch| (0..3).map(move |at| format!("{batch} {at}")));
        assert_eq!(words, told.collect::<Vec<_>>());
    }
}

#[test]
fn nobody_waits_for_an_archive() {
    let place = Place::new();
    let disk = FakeDisk::new(place.folder());
    let sink = place.rolling().max_bytes(bytes(18)).max_files(bytes(100));
    let mut sink = sink.compression(COMPRESSION).disk(disk.handle());
    let stalled = disk.stall_create(".tmp-log");
    for batch in 0..20 {
        feed(&mut sink, &nine(&format!("{batch}"), 2)).unwrap();
        sink.flush().unwrap();
        sink.tick().unwrap();
    }
    let words: Vec<String> = place.texts().concat().lines().map(|line| line.trim().to_owned()).collect();
    let told = (0..20).flat_map(|batch| (0..2).map(move |at| format!("{batch} {at}")));
    assert_eq!(words, told.collect::<Vec<_>>(), "all is written and rolled, and nothing compressed");
    drop(stalled);
    wait_until(|| {
        sink.tick().unwrap();
        place.names().iter().filter(|name| name.matches('.').count() == 2).count() == 19
    });
}

#[test]
fn what_a_killed_process_left_is_tidied_up_and_compressed() {
    let place = Place::new();
    place.put("log.0001", "one\n");
    place.put(".tmp-log.7.zst", "half an arch");
    place.put(".tmp-other.7.zst", "somebody else's");
    let mut sink = place.rolling().compression(COMPRESSION);
    feed(&mut sink, &Script::events("new", 1)).unwrap();
    wait_until(|| {
        sink.tick().unwrap();
        !place.file("log.0001").exists()
    });
    assert!(!place.file(".tmp-log.7.zst").exists() && place.file(".tmp-other.7.zst").exists());
    let packed = place.names().into_iter().find(|name| name.starts_with("log.0001.")).unwrap();
    assert_eq!(unpacked(&place.file(&packed)), "one\n");
}

#[test]
fn a_file_beside_its_compressed_form_goes() {
    let place = Place::new();
    place.put("log.0001", "one\n");
    place.put("log.0001.gz", "whole, or it would not have its name");
    place.rolling().tick().unwrap();
    assert_eq!(place.names(), ["log.0001.gz"]);
}

#[test]
fn on_a_full_disk_the_file_stays_as_it_is() {
    let place = Place::new();
    let disk = FakeDisk::new(place.folder());
    let mut sink = place.rolling().compression(COMPRESSION).disk(disk.handle());
    feed(&mut sink, &Script::events("one", 1)).unwrap();
    disk.fail(Fault::at(2).of(Operation::Create).for_ever().error(ENOSPC));
    sink.handle().rollover().unwrap();
    feed(&mut sink, &Script::events("two", 1)).unwrap();
    wait_until(|| sink.tick().is_err());
    assert_eq!(place.texts(), ["one 0\n", "two 0\n"]);
    disk.heal();
    wait_until(|| {
        let _ = sink.tick();
        !place.file("log.0001").exists()
    });
}

#[test]
fn a_sink_that_goes_leaves_no_half_archive() {
    for _ in 0..20 {
        let place = Place::new();
        let mut sink = place.rolling().compression(COMPRESSION);
        feed(&mut sink, &Script::events("a line of text that is repeated", 3_000)).unwrap();
        sink.handle().rollover().unwrap();
        drop(sink);
        let left = fs::read_dir(place.path().parent().unwrap()).unwrap().flatten();
        let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
        assert_eq!(left, ["log.0001"], "it is compressed by the next one");
    }
}
