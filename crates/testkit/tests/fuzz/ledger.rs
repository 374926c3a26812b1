//! Any bytes as a ledger: they are refused, or they are a ledger that can be written and read again.

use std::path::Path;

use spanlake_core::disk::Disk;
use spanlake_core::segment::Tail;
use spanlake_core::spool::{Ledger, OpenTasks};

use crate::memory::MemoryDisk;

/// Where magic and version end.
const HEAD: usize = 8;

/// Marks, in the padding behind the version, bytes that are to get their length and checksum here: whoever makes them up
/// need not know of checksums then.
const UNSEALED: (usize, u8) = (5, 1);

pub(crate) fn check(bytes: &[u8]) {
    let (disk, folder) = (MemoryDisk::default(), Path::new("/spool/process"));
    disk.put(&folder.join("ledger"), &seal(bytes));
    let Ok(ledger) = Ledger::read(&disk, folder) else {
        return;
    };
    let mut open = OpenTasks::default();
    open.resume(&ledger.open);
    let ends = open.interrupted(&ledger.source);
    assert!(ends.decode().is_ok_and(|ends| ends.tail() == Tail::Whole) || ends.bytes().is_empty());

    ledger.write(&disk, folder).expect("a ledger that was read can be written");
    let written = disk.read(&folder.join("ledger")).expect("it was just written");
    let again = Ledger::read(&disk, folder).expect("a ledger that was just written");
    assert_eq!(format!("{:?}", summary(&again)), format!("{:?}", summary(&ledger)));
    again.write(&disk, folder).expect("as before");
    assert_eq!(disk.read(&folder.join("ledger")).expect("as before"), written);
}

/// The bytes of a ledger, with length and checksum filled in where they are marked to lack them.
pub(crate) fn seal(bytes: &[u8]) -> Vec<u8> {
    let mut sealed = bytes.to_vec();
    if sealed.get(UNSEALED.0) == Some(&UNSEALED.1) && sealed.len() >= HEAD + 8 {
        let (head, payload) = sealed.split_at_mut(HEAD + 8);
        head[HEAD..HEAD + 4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        head[HEAD + 4..].copy_from_slice(&(xxhash_rust::xxh3::xxh3_64(payload) as u32).to_le_bytes());
    }
    sealed
}

fn summary(ledger: &Ledger) -> impl std::fmt::Debug {
    let source = (&ledger.source.host, &ledger.source.service, ledger.source.pid, ledger.source.started_us);
    (source, &ledger.folder, &ledger.sinks, &ledger.files, &ledger.released, ledger.open.bytes(), ledger.is_done)
}
