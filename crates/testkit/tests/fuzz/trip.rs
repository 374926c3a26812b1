//! Foreign records on a round trip: what was read and laid down as segments is the same when it is sent and read again.

use spanlake_core::segment::{Decoded, Tail};
use spanlake_core::{OwnedRecord, Record};
use spanlake_wire::{ForeignRecord, segments};

/// When everything arrives.
pub(crate) const NOW_NS: i64 = 1_795_180_450_123_456_000;

pub(crate) fn check(records: &[ForeignRecord], send: impl Fn(&[Record<'_>]) -> Vec<ForeignRecord>) {
    let segments = segments(records);
    let decoded: Vec<_> = segments.iter().map(|segment| Decoded::read(segment.bytes()).expect("a segment")).collect();
    assert!(decoded.iter().all(|decoded| decoded.tail() == Tail::Whole));
    let read: Vec<Record<'_>> = decoded.iter().flat_map(Decoded::records).collect();
    assert_eq!(read.len(), records.len());
    let told: Vec<_> = read.iter().map(OwnedRecord::from).collect();
    assert_eq!(tell(&send(&read)), told);
}

fn tell(records: &[ForeignRecord]) -> Vec<OwnedRecord> {
    let segments = segments(records);
    let decoded: Vec<_> = segments.iter().map(|segment| Decoded::read(segment.bytes()).expect("a segment")).collect();
    decoded.iter().flat_map(Decoded::records).map(|record| OwnedRecord::from(&record)).collect()
}
