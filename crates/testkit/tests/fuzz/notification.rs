//! Any bytes as a CBOR notification: a reason, or a record that makes the round trip.

use spanlake_wire::level::Severity;
use spanlake_wire::notification::{Extent, encode, read};

use super::trip::{self, NOW_NS};

pub(crate) fn check(bytes: &[u8]) {
    let _ = read(&[bytes], 1 << 16, NOW_NS);
    let topics = Severity::ALL.map(Severity::name);
    let records: Vec<_> =
        topics.into_iter().filter_map(|topic| read(&[topic.as_bytes(), bytes], 1 << 16, NOW_NS).ok()).collect();
    assert!(records.len() <= 1, "a message has one method");
    trip::check(&records, |records| {
        let again = |record| {
            // What subscribers get is read as well.
            let (topic, cbor) = encode(record, Extent::Event);
            read(&[topic.as_bytes(), &cbor], usize::MAX, NOW_NS).expect("what was just written");
            let (topic, cbor) = encode(record, Extent::Record);
            read(&[topic.as_bytes(), &cbor], usize::MAX, NOW_NS).expect("what was just written")
        };
        records.iter().map(again).collect()
    });
}
