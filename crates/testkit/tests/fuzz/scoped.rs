//! Any bytes as the JSON of a scoped task, and as a topic: a reason, or a record that makes the round trip.

use spanlake_wire::scoped::{Reader, System, Writer};

use super::trip::{self, NOW_NS};

pub(crate) fn check(bytes: &[u8]) {
    let mut reader = Reader::with_limits(1 << 16, 4);
    let _ = reader.read(&[bytes], NOW_NS);
    let _ = reader.read(&[bytes, b"{\"msg\":\"\"}"], NOW_NS);
    // Several messages, a line each, because the reader remembers tasks.
    let read = |line: &[u8]| reader.read(&[b"PLJ", line], NOW_NS).ok();
    let records: Vec<_> = bytes.split(|byte| *byte == b'\n').filter_map(read).collect();
    trip::check(&records, |records| {
        let (mut reader, mut writer) = (Reader::new(), Writer::new(System::Production));
        let mut again = |record| {
            let (topic, json) = writer.write(record);
            reader.read(&[topic, json], NOW_NS).expect("what was just written")
        };
        records.iter().map(&mut again).collect()
    });
}
