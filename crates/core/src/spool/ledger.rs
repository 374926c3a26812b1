//! The ledger of a spool: how the process's sinks are set up, and what they have for good.
//!
//! It is one small file, always replaced as a whole: `SPLL`, a version, and a payload behind its length and checksum.
//! The layout is in `docs/format.md`.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use tracing_core::LevelFilter;

use crate::disk::{Access, Disk};
use crate::record::Source;
use crate::segment::cursor::{Cursor, put_varint};
use crate::segment::{Segment, checksum};
use crate::sink::{FileState, Recipe};
use crate::spool::{LEDGER, LEDGER_DRAFT};
use crate::value::put_text;

/// What the sinks of a process have for good.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// The process.
    pub source: Source,
    /// The folder it was made in. A ledger in another one has been moved, or is a copy.
    pub folder: PathBuf,
    /// Its sinks.
    pub sinks: Vec<Recipe>,
    /// In each folder of its lakes, the last file of the process and its length. Files of the process with a higher number,
    /// or in other folders, were begun later; files with a lower one are whole.
    pub files: BTreeMap<PathBuf, u64>,
    /// Segments whose records the sinks have, should their files still be there.
    pub released: Vec<u64>,
    /// What processors held of what was drained, so that it is in no segment any more and not in the lake.
    pub held: Vec<Segment>,
    /// Ends of the tasks that were open, as they are if the process never says another word.
    pub open: Segment,
    /// Whether all is in the lake, the ends of open tasks included, and only the files are to be removed.
    pub is_done: bool,
}

const MAGIC: &[u8; 4] = b"SPLL";

/// Ledgers of version 1 have nothing held.
const VERSION: u8 = 2;

/// Length of magic, version and padding.
const HEAD: usize = 8;

impl Ledger {
    /// Of a process whose sinks have nothing yet.
    pub fn new(source: &Source, folder: &Path, sinks: Vec<Recipe>) -> Self {
        let (source, files) = (source.clone(), BTreeMap::new());
        Self {
            source,
            folder: folder.to_owned(),
            sinks,
            files,
            released: Vec::new(),
            held: Vec::new(),
            open: Segment::default(),
            is_done: false,
        }
    }

    /// Notes how long a file is, which is the last of its folder unless an earlier note names a later one.
    pub fn note(&mut self, file: FileState) {
        let folder = file.path.parent().map(Path::to_owned);
        let rank = |path: &Path| path.file_name().map(|name| (name.len(), name.to_owned()));
        let same_chain =
            |path: &Path| path.parent().map(Path::to_owned) == folder && path.extension() == file.path.extension();
        let known: Vec<PathBuf> = self.files.keys().filter(|path| same_chain(path)).cloned().collect();
        if known.iter().any(|path| rank(path) > rank(&file.path)) {
            return;
        }
        for path in known {
            self.files.remove(&path);
        }
        self.files.insert(file.path, file.bytes);
    }

    /// Replaces the ledger of the spool in `folder`, durably.
    pub fn write(&self, disk: &dyn Disk, folder: &Path) -> io::Result<()> {
        let (hidden, path) = (folder.join(LEDGER_DRAFT), folder.join(LEDGER));
        if disk.exists(&hidden)? {
            disk.remove(&hidden)?;
        }
        let mut file = disk.create(&hidden, Access::Private)?;
        file.write_all(&self.to_bytes()?)?;
        file.sync()?;
        drop(file);
        disk.rename(&hidden, &path)?;
        disk.sync_folder(folder)
    }

    /// Reads the ledger of the spool in `folder`. One that a newer version wrote is not damaged, but not to be read either:
    /// its kind of error is `Unsupported`.
    pub fn read(disk: &dyn Disk, folder: &Path) -> io::Result<Self> {
        Self::from_bytes(&disk.read(&folder.join(LEDGER))?)
    }

    /// Reads the bytes of a ledger; the same as [`read`](Self::read) otherwise.
    pub fn from_bytes(bytes: &[u8]) -> io::Result<Self> {
        match payload(bytes) {
            Some((version, _)) if version > VERSION => {
                Err(io::Error::new(ErrorKind::Unsupported, "a newer version wrote the ledger"))
            }
            payload => payload
                .and_then(|(version, payload)| decode(version, payload))
                .ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "the ledger is damaged")),
        }
    }

    /// The bytes of its file. Fails where a path is not UTF-8.
    pub fn to_bytes(&self) -> io::Result<Vec<u8>> {
        let mut payload = Vec::new();
        payload.extend_from_slice(&self.source.pid.to_le_bytes());
        payload.extend_from_slice(&self.source.started_us.to_le_bytes());
        put_text(&mut payload, &self.source.host);
        put_text(&mut payload, &self.source.service);
        put_text(&mut payload, text_of(&self.folder)?);
        put_varint(&mut payload, self.sinks.len() as u64);
        for sink in &self.sinks {
            put_text(&mut payload, &sink.kind);
            put_text(&mut payload, text_of(&sink.lake)?);
            put_text(&mut payload, &sink.level.to_string());
            put_text(&mut payload, &sink.partition);
        }
        put_varint(&mut payload, self.files.len() as u64);
        for (path, bytes) in &self.files {
            put_text(&mut payload, text_of(path)?);
            put_varint(&mut payload, *bytes);
        }
        put_varint(&mut payload, self.released.len() as u64);
        self.released.iter().for_each(|number| put_varint(&mut payload, *number));
        payload.push(u8::from(self.is_done));
        put_varint(&mut payload, self.held.len() as u64);
        for segment in &self.held {
            put_varint(&mut payload, segment.bytes().len() as u64);
            payload.extend_from_slice(segment.bytes());
        }
        payload.extend_from_slice(self.open.bytes());
        let mut bytes = Vec::with_capacity(payload.len() + 16);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&[VERSION, 0, 0, 0]);
        bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&checksum(&payload).to_le_bytes());
        bytes.extend_from_slice(&payload);
        Ok(bytes)
    }
}

fn text_of(path: &Path) -> io::Result<&str> {
    path.to_str().ok_or_else(|| io::Error::new(ErrorKind::InvalidInput, "a path is not UTF-8"))
}

/// The version of a ledger that is whole, and what it says; `None` for anything that [`Ledger::write`] did not write.
fn payload(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let mut cursor = Cursor::new(bytes);
    let head: [u8; HEAD] = cursor.array()?;
    if head[..4] != MAGIC[..] || head[4] == 0 {
        return None;
    }
    let (len, sum) = (cursor.u32()?, cursor.u32()?);
    let payload = cursor.take(usize::try_from(len).ok()?).filter(|payload| checksum(payload) == sum)?;
    Some((head[4], payload))
}

fn decode(version: u8, payload: &[u8]) -> Option<Ledger> {
    let mut cursor = Cursor::new(payload);
    let (pid, started_us) = (cursor.u32()?, cursor.i64()?);
    let (host, service) = (cursor.text()?.to_owned(), cursor.text()?.to_owned());
    let source = Source { host, service, pid, started_us, ..Source::default() };
    let folder = cursor.text()?;
    let mut ledger = Ledger::new(&source, Path::new(folder), Vec::new());
    for _ in 0..cursor.varint()? {
        let (kind, lake) = (cursor.text()?.to_owned(), PathBuf::from(cursor.text()?));
        let level: LevelFilter = cursor.text()?.parse().ok()?;
        ledger.sinks.push(Recipe { kind, lake, level, partition: cursor.text()?.to_owned() });
    }
    for _ in 0..cursor.varint()? {
        let path = PathBuf::from(cursor.text()?);
        ledger.files.insert(path, cursor.varint()?);
    }
    for _ in 0..cursor.varint()? {
        ledger.released.push(cursor.varint()?);
    }
    ledger.is_done = cursor.u8()? != 0;
    let held = if version == 1 { 0 } else { cursor.varint()? };
    for _ in 0..held {
        let len = usize::try_from(cursor.varint()?).ok()?;
        ledger.held.push(Segment::from_bytes(cursor.take(len)?.to_vec()));
    }
    ledger.open = Segment::from_bytes(cursor.rest().to_vec());
    Some(ledger)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, bytes: u64) -> FileState {
        FileState { path: PathBuf::from(path), bytes }
    }

    #[test]
    fn it_comes_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let disk = crate::disk::real();
        let recipe = Recipe {
            kind: "jsonl".into(),
            lake: "/lake".into(),
            level: LevelFilter::DEBUG,
            partition: "day={day}".into(),
        };
        let mut ledger = Ledger::new(&Source::this_process("orders"), Path::new("/spool"), vec![recipe.clone()]);
        ledger.note(file("debug_json/records/day=1/p_0001.jsonl", 7));
        ledger.released = vec![3, 900];
        ledger.write(&*disk, folder.path()).unwrap();
        ledger.is_done = true;
        ledger.write(&*disk, folder.path()).unwrap();
        let read = Ledger::read(&*disk, folder.path()).unwrap();
        assert_eq!((read.sinks, read.files, read.released), (vec![recipe], ledger.files, vec![3, 900]));
        assert_eq!((read.source.pid, &*read.source.service, read.is_done), (std::process::id(), "orders", true));
        assert!(read.open.bytes().is_empty() && read.held.is_empty());
    }

    #[test]
    fn what_is_held_comes_back_and_ledgers_of_the_first_version_have_none() {
        let segment = |at: u8| Segment::from_bytes(vec![at; usize::from(at)]);
        let mut ledger = Ledger::new(&Source::default(), Path::new("/spool"), vec![]);
        ledger.open = segment(3);
        let none = ledger.to_bytes().unwrap();
        ledger.held = vec![segment(7), segment(200)];
        let read =
            payload(&ledger.to_bytes().unwrap()).and_then(|(version, payload)| decode(version, payload)).unwrap();
        let bytes: Vec<_> = read.held.iter().chain([&read.open]).map(|segment| segment.bytes().len()).collect();
        assert_eq!(bytes, [7, 200, 3]);
        let (_, payload) = payload(&none).unwrap();
        let (before, open) = payload.split_at(payload.len() - 3);
        let first = [&before[..before.len() - 1], open].concat();
        let read = decode(1, &first).unwrap();
        assert_eq!((read.held.len(), read.open.bytes()), (0, segment(3).bytes()));
    }

    #[test]
    fn damage_is_noticed_wherever_it_is() {
        let bytes = Ledger::new(&Source::this_process("orders"), Path::new("/spool"), vec![]).to_bytes().unwrap();
        assert!(payload(&bytes).is_some());
        for at in (0..bytes.len()).filter(|at| !(4..HEAD).contains(at)) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(payload(&damaged).is_none(), "byte {at}");
            assert!(payload(&bytes[..at]).is_none(), "cut at {at}");
        }
    }

    #[test]
    fn a_newer_ledger_is_not_taken_for_damage() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(&Source::default(), folder.path(), vec![]);
        let mut bytes = ledger.to_bytes().unwrap();
        bytes[4] = VERSION + 1;
        std::fs::write(folder.path().join(LEDGER), bytes).unwrap();
        let error = Ledger::read(&*crate::disk::real(), folder.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }

    #[test]
    fn each_chain_keeps_its_last_file() {
        let mut ledger = Ledger::new(&Source::default(), Path::new("/spool"), vec![]);
        for (path, bytes) in
            [("a/p_0001.jsonl", 1), ("a/p_0002.jsonl", 2), ("b/p_0001.jsonl", 3), ("a/p_0001.jsonl", 9)]
        {
            ledger.note(file(path, bytes));
        }
        ledger.note(file("a/p_9999.jsonl", 4));
        ledger.note(file("a/p_10000.jsonl", 5));
        let files: Vec<_> = ledger.files.iter().map(|(path, bytes)| (path.to_str().unwrap(), *bytes)).collect();
        assert_eq!(files, [("a/p_10000.jsonl", 5), ("b/p_0001.jsonl", 3)]);
    }
}
