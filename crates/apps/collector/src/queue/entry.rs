//! The bytes of a queue file: a header, and entries that can be found again behind damage.
//!
//! Every checksum is seeded with a random number of the queue's own, so that nobody can send bytes that would pass for an
//! entry of their own if those around them were damaged. The layout is in `docs/format.md`.

use std::ops::Range;

use spanlake_core::segment::cursor::{Cursor, put_varint};
use spanlake_wire::exchange::Stream;
use xxhash_rust::xxh3::xxh3_64_with_seed;

const MAGIC: &[u8; 4] = b"SPLQ";

/// The version written here; versions up to this one are read.
const VERSION: u8 = 1;

/// Length of a file's header.
pub(super) const HEADER_BYTES: usize = 32;

/// Length of what stands before an entry's payload.
pub(super) const HEAD_BYTES: usize = 16;

/// Indexes and numbers of files are below; what is not was never written, and would leave none for what comes behind.
pub(super) const END: u64 = 1 << 63;

const HAS_STREAM: u8 = 1;
const HAS_NUMBER: u8 = 2;

/// How a file begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) seed: u64,
    /// The index of its first entry. What has this index or a higher one in an older file does not count: it was never
    /// made durable there.
    pub(super) first: u64,
    /// Whether entries are missing that could not be read when the file was mended.
    pub(super) is_mended: bool,
}

/// Why there is no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoHeader {
    /// The file is shorter, or its bytes are no header.
    Damaged,
    /// A newer version wrote it.
    Newer(u8),
}

/// A segment in a file, with what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Where it stands in the queue; those before it have lower numbers.
    pub index: u64,
    /// When it was received, UTC microseconds since the Unix epoch.
    pub received_us: i64,
    /// Who numbered it, and since when, unless nobody did.
    pub stream: Option<(&'a str, u64)>,
    /// Its number in the stream.
    pub number: Option<u64>,
    /// The service that recorded it.
    pub service: &'a str,
    /// The segment's bytes.
    pub segment: &'a [u8],
}

/// What stands at a place of a file.
#[derive(Debug)]
pub(super) enum Read<'a> {
    /// An entry, and its length with its head.
    Whole(Entry<'a>, usize),
    /// The beginning of an entry of this length.
    Cut(usize),
    /// The beginning of a head.
    CutHead,
    /// Something else.
    Damaged,
}

/// Goes through the entries of a file, over what is damaged.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    bytes: &'a [u8],
    seed: u64,
    at: usize,
    /// The lowest index that the next entry can have.
    from: u64,
    /// What could not be read.
    pub(super) damage: Vec<Range<usize>>,
}

// === impl Header ===

impl Header {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&[VERSION, u8::from(self.is_mended), 0, 0]);
        out.extend_from_slice(&self.seed.to_le_bytes());
        out.extend_from_slice(&self.first.to_le_bytes());
        let sum = xxh3_64_with_seed(out.get(start..).unwrap_or_default(), self.seed);
        out.extend_from_slice(&sum.to_le_bytes());
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, NoHeader> {
        let mut cursor = Cursor::new(bytes);
        let magic: [u8; 4] = cursor.array().ok_or(NoHeader::Damaged)?;
        let [version, flags, _, _]: [u8; 4] = cursor.array().ok_or(NoHeader::Damaged)?;
        if &magic != MAGIC || version == 0 {
            return Err(NoHeader::Damaged);
        }
        let mut header = || {
            let (seed, first) = (cursor.u64()?, cursor.u64()?);
            let is_whole = cursor.u64()? == xxh3_64_with_seed(bytes.get(..HEADER_BYTES - 8)?, seed);
            (is_whole && first < END).then_some(Self { seed, first, is_mended: flags & 1 != 0 })
        };
        match header() {
            Some(_) if version > VERSION => Err(NoHeader::Newer(version)),
            header => header.ok_or(NoHeader::Damaged),
        }
    }
}

// === impl Entry ===

impl<'a> Entry<'a> {
    /// The stream, as a value of its own.
    pub fn owned_stream(&self) -> Option<Stream> {
        self.stream.map(|(sender, epoch)| Stream { sender: sender.to_owned(), epoch })
    }

    /// Appends it with its head.
    pub(super) fn put(&self, out: &mut Vec<u8>, seed: u64) {
        let start = out.len();
        out.resize(start + HEAD_BYTES, 0);
        self.put_payload(out);
        let Some((head, payload)) = out.get_mut(start..).and_then(|entry| entry.split_first_chunk_mut::<HEAD_BYTES>())
        else {
            return;
        };
        head[..4].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        head[4..12].copy_from_slice(&xxh3_64_with_seed(payload, seed).to_le_bytes());
        let sum = head_sum(&head[..12], seed);
        head[12..].copy_from_slice(&sum.to_le_bytes());
    }

    fn put_payload(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.index.to_le_bytes());
        out.extend_from_slice(&self.received_us.to_le_bytes());
        let flag = |flag: u8, is_set: bool| if is_set { flag } else { 0 };
        out.push(flag(HAS_STREAM, self.stream.is_some()) | flag(HAS_NUMBER, self.number.is_some()));
        if let Some((sender, epoch)) = self.stream {
            put_text(out, sender);
            put_varint(out, epoch);
        }
        if let Some(number) = self.number {
            put_varint(out, number);
        }
        put_text(out, self.service);
        out.extend_from_slice(self.segment);
    }

    /// What stands at the beginning of `bytes`.
    pub(super) fn read(bytes: &'a [u8], seed: u64) -> Read<'a> {
        let Some((head, rest)) = bytes.split_first_chunk::<HEAD_BYTES>() else {
            return Read::CutHead;
        };
        let mut cursor = Cursor::new(head);
        let (Some(len), Some(sum), Some(sum_of_head)) = (cursor.u32(), cursor.u64(), cursor.u32()) else {
            return Read::CutHead;
        };
        if sum_of_head != head_sum(&head[..12], seed) {
            return Read::Damaged;
        }
        let len = len as usize;
        let Some(payload) = rest.get(..len) else {
            return Read::Cut(HEAD_BYTES + len);
        };
        let entry = (xxh3_64_with_seed(payload, seed) == sum).then(|| Self::decode(payload)).flatten();
        entry.map_or(Read::Damaged, |entry| Read::Whole(entry, HEAD_BYTES + len))
    }

    /// An entry that was read before, with its head.
    pub(super) fn again(bytes: &'a [u8]) -> Option<Self> {
        Self::decode(bytes.get(HEAD_BYTES..)?)
    }

    fn decode(payload: &'a [u8]) -> Option<Self> {
        let mut cursor = Cursor::new(payload);
        let (index, received_us, flags) = (cursor.u64()?, cursor.i64()?, cursor.u8()?);
        let stream = match flags & HAS_STREAM != 0 {
            true => Some((text(&mut cursor)?, cursor.varint()?)),
            false => None,
        };
        let number = if flags & HAS_NUMBER != 0 { Some(cursor.varint()?) } else { None };
        let service = text(&mut cursor)?;
        (index < END).then_some(())?;
        Some(Self { index, received_us, stream, number, service, segment: cursor.rest() })
    }
}

/// Whether an entry may begin here costs a hash of twelve bytes, so that what is behind damage is found by trying every place.
fn head_sum(head: &[u8], seed: u64) -> u32 {
    xxh3_64_with_seed(head, seed) as u32
}

/// Appends a text behind its length.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) {
    put_varint(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// A text behind its length.
pub(super) fn text<'a>(cursor: &mut Cursor<'a>) -> Option<&'a str> {
    let len = cursor.varint()?;
    std::str::from_utf8(cursor.take(usize::try_from(len).ok()?)?).ok()
}

// === impl Scan ===

impl<'a> Scan<'a> {
    /// Of a file's bytes, behind its header. Entries are in order, and none comes before `first`: what is not so is no entry of
    /// the file.
    pub(super) fn new(bytes: &'a [u8], seed: u64, first: u64) -> Self {
        Self { bytes, seed, at: HEADER_BYTES.min(bytes.len()), from: first, damage: Vec::new() }
    }

    fn read(&self, at: usize) -> Read<'a> {
        match Entry::read(self.bytes.get(at..).unwrap_or_default(), self.seed) {
            Read::Whole(entry, _) if entry.index < self.from => Read::Damaged,
            read => read,
        }
    }

    /// The next place where an entry stands.
    fn place_of_next(&self, from: usize) -> Option<usize> {
        (from..self.bytes.len()).find(|at| matches!(self.read(*at), Read::Whole(..)))
    }

    /// Whether what is unreadable from `at` on looks like a write that did not come to its end.
    pub(super) fn is_torn(&self, at: usize) -> bool {
        let rest = self.bytes.get(at..).unwrap_or_default();
        matches!(self.read(at), Read::Cut(_) | Read::CutHead) || rest.iter().all(|byte| *byte == 0)
    }
}

impl<'a> Iterator for Scan<'a> {
    type Item = (Range<usize>, Entry<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.bytes.len() {
            return None;
        }
        if !matches!(self.read(self.at), Read::Whole(..)) {
            let found = self.place_of_next(self.at + 1).unwrap_or(self.bytes.len());
            self.damage.push(self.at..found);
            self.at = found;
        }
        match self.read(self.at) {
            Read::Whole(entry, len) => {
                let place = self.at..self.at + len;
                (self.at, self.from) = (place.end, entry.index + 1);
                Some((place, entry))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(index: u64, segment: &[u8]) -> Entry<'_> {
        Entry { index, received_us: -5, stream: Some(("vm/1", 9)), number: Some(index), service: "orders", segment }
    }

    /// A file with entries of these segments; and where each ends.
    fn file(segments: &[&[u8]]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = Vec::new();
        Header { seed: 7, first: 1, is_mended: false }.put(&mut bytes);
        let put = |(index, segment): (u64, &&[u8])| {
            entry(index, segment).put(&mut bytes, 7);
            bytes.len()
        };
        let ends = (1..).zip(segments).map(put).collect();
        (bytes, ends)
    }

    #[test]
    fn entries_come_back_as_they_were_written() {
        let (bytes, ends) = file(&[b"one", b"", b"three"]);
        assert_eq!(Header::read(&bytes), Ok(Header { seed: 7, first: 1, is_mended: false }));
        let mut scan = Scan::new(&bytes, 7, 0);
        let read: Vec<_> = scan.by_ref().collect();
        assert_eq!(read.iter().map(|(place, _)| place.end).collect::<Vec<_>>(), ends);
        assert_eq!(read[2].1, entry(3, b"three"));
        assert!(scan.damage.is_empty());
        let bare = Entry { stream: None, number: None, ..entry(1, b"x") };
        let mut bytes = Vec::new();
        bare.put(&mut bytes, 7);
        assert!(matches!(Entry::read(&bytes, 7), Read::Whole(read, len) if read == bare && len == bytes.len()));
    }

    #[test]
    fn whatever_byte_is_damaged_only_its_entry_is_lost() {
        let (bytes, ends) = file(&[b"first", b"second", b"third"]);
        for at in HEADER_BYTES..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x20;
            let mut scan = Scan::new(&damaged, 7, 0);
            let read: Vec<_> = scan.by_ref().map(|(_, entry)| entry.index).collect();
            let hit = ends.iter().position(|end| at < *end).unwrap() as u64 + 1;
            assert_eq!(read, (1..=3).filter(|index| *index != hit).collect::<Vec<_>>(), "byte {at}");
            assert_eq!(scan.damage.len(), 1, "byte {at}");
        }
        for at in 0..HEADER_BYTES {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x20;
            assert!(Header::read(&damaged).is_err(), "byte {at}");
        }
    }

    #[test]
    fn an_entry_inside_a_segment_is_not_taken_for_one() {
        let mut inner = Vec::new();
        entry(2, b"forged").put(&mut inner, 8);
        let (mut bytes, _) = file(&[&inner, b"last"]);
        bytes[HEADER_BYTES] ^= 1;
        let read: Vec<_> = Scan::new(&bytes, 7, 0).map(|(_, entry)| entry.segment.to_vec()).collect();
        assert_eq!(read, [b"last"]);
    }

    #[test]
    fn what_is_not_in_order_is_no_entry() {
        let mut bytes = Vec::new();
        Header { seed: 7, first: 3, is_mended: false }.put(&mut bytes);
        [2, 4, 3, 9, END, u64::MAX].into_iter().for_each(|index| entry(index, b"one").put(&mut bytes, 7));
        let mut scan = Scan::new(&bytes, 7, 3);
        assert_eq!(scan.by_ref().map(|(_, entry)| entry.index).collect::<Vec<_>>(), [4, 9]);
        assert_eq!(scan.damage.len(), 3);
        let mut beyond = Vec::new();
        Header { seed: 7, first: END, is_mended: false }.put(&mut beyond);
        assert_eq!(Header::read(&beyond), Err(NoHeader::Damaged));
    }

    #[test]
    fn a_cut_file_has_what_is_whole_in_it() {
        let (bytes, ends) = file(&[b"first", b"second"]);
        for cut in HEADER_BYTES..bytes.len() {
            let mut scan = Scan::new(&bytes[..cut], 7, 0);
            assert_eq!(scan.by_ref().count(), ends.iter().filter(|end| **end <= cut).count(), "cut at {cut}");
            assert!(scan.damage.iter().all(|damage| scan.is_torn(damage.start)), "cut at {cut}");
        }
    }
}
