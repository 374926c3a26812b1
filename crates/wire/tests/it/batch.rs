//! Batches come back as they were put in, and nothing else is taken for one.

use proptest::prelude::*;
use spanlake_wire::batch::{Batch, BatchError, BatchWriter, Entry};

const MOST: usize = 1 << 20;

fn body(entries: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut batch = BatchWriter::new();
    entries.iter().for_each(|(number, segment)| batch.push(Entry { number: *number, segment }));
    batch.compress().unwrap()
}

proptest! {
    #[test]
    fn what_is_put_in_comes_out(entries: Vec<(u64, Vec<u8>)>) {
        let batch = Batch::read(&body(&entries), MOST).unwrap();
        let read: Vec<_> = batch.entries().map(|entry| (entry.number, entry.segment.to_vec())).collect();
        prop_assert_eq!(read, entries);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let _ = Batch::read(&bytes, MOST);
        let _ = Batch::read(&zstd::bulk::compress(&bytes, 1).unwrap(), MOST);
    }
}

#[test]
fn a_batch_that_grows_beyond_what_is_allowed_is_refused_before_it_is_there() {
    let bomb = zstd::bulk::compress(&vec![0; 64 << 20], 1).unwrap();
    assert!(bomb.len() < 64 << 10);
    assert!(matches!(Batch::read(&bomb, MOST), Err(BatchError::TooLong { most: MOST })));
}

#[test]
fn what_is_cut_short_says_where() {
    let whole = zstd::bulk::decompress(&body(&[(1, vec![7; 10]), (2, vec![8; 10])]), MOST).unwrap();
    let cut = zstd::bulk::compress(&whole[..whole.len() - 1], 1).unwrap();
    assert!(matches!(Batch::read(&cut, MOST), Err(BatchError::Cut { at: 30 })));
}

#[test]
fn a_newer_version_and_other_bytes_are_refused() {
    let refused = |bytes: &[u8]| Batch::read(&zstd::bulk::compress(bytes, 1).unwrap(), MOST).unwrap_err().to_string();
    assert_eq!(refused(b"SPLB\x02\0\0\0"), "batch version 2 is newer than 1, which this program reads");
    assert_eq!(refused(b"SPLK\x01\0\0\0"), "not a batch: wrong first bytes");
    assert_eq!(refused(b"SPLB"), "not a batch: wrong first bytes");
}
