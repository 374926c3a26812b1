//! Segments written by earlier versions, kept as hexadecimal text beside the lines that they must give.

use spanlake_core::render::JsonLines;
use spanlake_core::segment::Segment;

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("two digits");
    digits.chunks(2).map(byte).collect()
}

fn lines_of(bytes: Vec<u8>) -> String {
    let segment = Segment::from_bytes(bytes);
    let decoded = segment.decode().expect("a segment");
    assert_eq!(decoded.tail(), spanlake_core::segment::Tail::Whole);
    let (mut out, mut lines) = (Vec::new(), JsonLines::default());
    decoded.records().for_each(|record| lines.put(&mut out, &record));
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn segment_of_version_1_opens_for_ever() {
    let lines = lines_of(bytes_of(include_str!("golden/segment_v1.hex")));
    assert_eq!(lines, include_str!("golden/segment_v1.jsonl"));
}

/// Not a promise: where the writer is changed on purpose, the bytes above stay and these go.
#[test]
fn todays_writer_writes_the_same_bytes() {
    assert_eq!(crate::segment::sample().bytes(), bytes_of(include_str!("golden/segment_v1.hex")));
}
