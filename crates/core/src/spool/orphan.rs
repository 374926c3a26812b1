//! Spools that were left behind: finding them, reading them, and taking them over.

use std::io;
use std::path::{Path, PathBuf};

use crate::disk::{Access, Disk};
use crate::segment::cursor::Cursor;
use crate::segment::{Decoded, FRAME_HEAD, SegmentError, Tail, checksum};
use crate::spool::files::{number, numbered_as};
use crate::spool::ledger::Ledger;
use crate::spool::lock::SpoolLock;
use crate::spool::{DRAFT, LEDGER, LEDGER_DRAFT};

/// Folder, in a spool, of what could not be read.
pub(super) const QUARANTINE: &str = "quarantine";

/// A spool that this process has taken over from one that is gone. Nobody else gets it meanwhile.
#[derive(Debug)]
pub struct Orphan {
    lock: SpoolLock,
    /// What its sinks had for good.
    pub ledger: Ledger,
    /// What was held of segments that are gone, then its segments in the order they were begun, without those that the
    /// sinks had.
    pub segments: Vec<StoredSegment>,
}

/// A segment in a file.
#[derive(Debug)]
pub struct StoredSegment {
    /// Where it is.
    pub path: PathBuf,
    /// What is in the file.
    pub bytes: Vec<u8>,
}

/// The folders of the processes that have, or had, a spool below `spool`. None when there is no such folder.
pub fn orphans(disk: &dyn Disk, spool: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match disk.list(spool) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let is_process = |name: &std::ffi::OsStr| name != QUARANTINE;
    let mut folders: Vec<PathBuf> = entries
        .into_iter()
        .filter(|entry| entry.is_folder && is_process(&entry.name))
        .map(|entry| spool.join(entry.name))
        .collect();
    folders.sort();
    Ok(folders)
}

impl Orphan {
    /// Takes over the spool in `folder`; `None` when its process lives, or somebody else was faster. An error says that
    /// it cannot be read; see [`quarantine`].
    pub fn adopt(disk: &dyn Disk, folder: &Path) -> io::Result<Option<Self>> {
        // Nothing is touched, not even for a lock, that no spool has made: people keep other things beside.
        let name = folder.file_name().and_then(|name| name.to_str());
        let Some(lock) = name.filter(|name| is_process(name)).map_or(Ok(None), |_| SpoolLock::adopt(folder))? else {
            return Ok(None);
        };
        let ledger = match Ledger::read(disk, folder) {
            Ok(ledger) => ledger,
            Err(error) if error.kind() == io::ErrorKind::NotFound && numbered(disk, folder)?.is_empty() => {
                // It died before it began, or after it was done.
                remove_drafts(disk, folder);
                lock.remove_folder(disk);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let mut segments = Vec::new();
        if !ledger.is_done {
            let held = ledger.held.iter().map(|segment| segment.bytes().to_vec());
            segments.extend(held.map(|bytes| StoredSegment { path: folder.join(LEDGER), bytes }));
            for (_, path) in numbered(disk, folder)?.into_iter().filter(|(number, _)| !ledger.released.contains(number))
            {
                segments.push(StoredSegment { bytes: disk.read(&path)?, path });
            }
        }
        Ok(Some(Self { lock, ledger, segments }))
    }

    /// Whether it is where it was made, so that its ledger speaks of the lakes that it wrote to. Otherwise it was moved, or it
    /// is a copy, and its process may live.
    pub fn is_at_home(&self) -> bool {
        self.lock.folder() == self.ledger.folder
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.lock.folder()
    }

    /// Keeps a copy of a segment that is damaged, for people to look at.
    pub fn set_aside(&self, disk: &dyn Disk, segment: &StoredSegment) -> io::Result<PathBuf> {
        let aside = aside(disk, self.folder())?;
        let kept = aside.join(segment.path.file_name().unwrap_or_default());
        let _ = disk.remove(&kept);
        let mut file = disk.create(&kept, Access::Private)?;
        file.write_all(&segment.bytes)?;
        file.sync()?;
        disk.sync_folder(&aside)?;
        Ok(kept)
    }

    /// Notes that everything is in the lake for good, then removes the spool.
    pub fn finish(mut self, disk: &dyn Disk) -> io::Result<()> {
        self.ledger.is_done = true;
        self.ledger.held.clear();
        self.ledger.write(disk, self.lock.folder())?;
        for (_, path) in numbered(disk, self.lock.folder())? {
            disk.remove(&path)?;
        }
        remove_drafts(disk, self.lock.folder());
        self.lock.remove_folder(disk);
        Ok(())
    }
}

/// Puts a spool that cannot be read out of the way, so that it stops nothing; gives where it is now. `None` when its
/// process lives.
pub fn quarantine(disk: &dyn Disk, folder: &Path) -> io::Result<Option<PathBuf>> {
    let Some(_lock) = SpoolLock::adopt(folder)? else {
        return Ok(None);
    };
    let aside = aside(disk, folder)?;
    for entry in disk.list(folder)? {
        disk.rename(&folder.join(&entry.name), &aside.join(&entry.name))?;
    }
    disk.sync_folder(&aside)?;
    disk.remove_folder(folder)?;
    Ok(Some(aside))
}

impl StoredSegment {
    /// The number of its file; `None` for one that stood in the ledger.
    pub fn number(&self) -> Option<u64> {
        number(&self.path)
    }

    /// What it holds, and whether damage stands behind that. A frame whose length was not written yet is no damage: it
    /// is one whose call never returned.
    pub fn decode(&self) -> Result<(Decoded<'_>, bool), SegmentError> {
        let decoded = Decoded::read(&self.bytes)?;
        let is_damaged = match decoded.tail() {
            Tail::Whole => false,
            Tail::Torn { at } => self.bytes.get(at..).is_some_and(is_damage),
        };
        Ok((decoded, is_damaged))
    }

    /// Whether no record was ever written into it.
    pub fn is_blank(&self) -> bool {
        begins_with_zeros(&self.bytes) && !is_damage(&self.bytes)
    }
}

/// Whether the four bytes that are written last are not there.
fn begins_with_zeros(bytes: &[u8]) -> bool {
    bytes.iter().take(4).all(|byte| *byte == 0)
}

/// Whether what stands behind the last whole frame of a file was once something else. A write that was cut short has no
/// length, for that comes last, and nothing behind it; where the disk has lost a part of the file, frames follow.
fn is_damage(rest: &[u8]) -> bool {
    let Some((0, _)) = frame_head(rest) else {
        return rest.iter().any(|byte| *byte != 0);
    };
    (0..rest.len()).any(|at| is_frame(&rest[at..]))
}

/// Whether a frame starts here that is whole.
fn is_frame(bytes: &[u8]) -> bool {
    let Some((len, sum)) = frame_head(bytes) else {
        return false;
    };
    let payload = usize::try_from(len).ok().and_then(|len| bytes.get(FRAME_HEAD..)?.get(..len));
    payload.is_some_and(|payload| !payload.is_empty() && checksum(payload) == sum)
}

/// Length and checksum of the frame that starts here.
fn frame_head(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut cursor = Cursor::new(bytes);
    Some((cursor.u32()?, cursor.u32()?))
}

/// Removes files that were to replace others when the process went away.
fn remove_drafts(disk: &dyn Disk, folder: &Path) {
    let names = disk.list(folder).unwrap_or_default().into_iter().map(|entry| folder.join(entry.name));
    let is_ours = |path: &PathBuf| numbered_as(path, DRAFT).is_some() || path.ends_with(LEDGER_DRAFT);
    for draft in names.filter(is_ours) {
        // What stays is looked at again with the folder, at the next recovery.
        let _ = disk.remove(&draft);
    }
}

/// Whether a folder's name is one that [`Source::process_name`] gives, perhaps with a number behind it.
///
/// [`Source::process_name`]: crate::record::Source::process_name
fn is_process(name: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let mut parts = name.split('_');
    let (Some(start), Some(host), Some(pid), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let fits = |(at, byte): (usize, u8)| match at {
        8 => byte == b'T',
        15 => byte == b'.',
        22 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    start.len() == 23
        && start.bytes().enumerate().all(fits)
        && !host.is_empty()
        && pid.split_once('.').map_or(is_number(pid), |(pid, attempt)| is_number(pid) && is_number(attempt))
}

/// The segments in a folder by number.
fn numbered(disk: &dyn Disk, folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let paths = disk.list(folder)?.into_iter().map(|entry| folder.join(entry.name));
    let mut numbered: Vec<(u64, PathBuf)> = paths.filter_map(|path| Some((number(&path)?, path))).collect();
    numbered.sort();
    Ok(numbered)
}

/// Where the rest of a spool is kept for people, durably: what is moved there shall not vanish with it.
fn aside(disk: &dyn Disk, folder: &Path) -> io::Result<PathBuf> {
    let spool = folder.parent().unwrap_or(folder);
    let quarantine = spool.join(QUARANTINE);
    let aside = quarantine.join(folder.file_name().unwrap_or_default());
    disk.create_folder(&quarantine, Access::Private)?;
    disk.create_folder(&aside, Access::Private)?;
    disk.sync_folder(&quarantine)?;
    disk.sync_folder(spool)?;
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::{Cause, Loss};
    use crate::record::Source;
    use crate::segment::SegmentWriter;

    /// A segment of some frames on a page that has room for more, and where they end.
    fn page() -> (StoredSegment, usize) {
        let mut writer = SegmentWriter::new(&Source::this_process("orders"));
        (0..5).for_each(|at| writer.loss(&Loss::one(Cause::Full, tracing_core::Level::INFO, 1, at)));
        let mut bytes = writer.take().bytes().to_vec();
        let end = bytes.len();
        bytes.resize(end + 8192, 0);
        (StoredSegment { path: PathBuf::new(), bytes }, end)
    }

    /// How many frames are read, and whether the rest is damage.
    fn read(segment: &StoredSegment) -> (usize, bool) {
        let (decoded, is_damaged) = segment.decode().unwrap();
        (decoded.len(), is_damaged)
    }

    #[test]
    fn a_write_that_was_cut_short_is_no_damage() {
        let (mut segment, end) = page();
        assert_eq!(read(&segment), (5, false), "room that was not used");
        segment.bytes[end + 8..end + 900].fill(b'x');
        assert_eq!(read(&segment), (5, false), "a payload without a length");
        segment.bytes.truncate(end);
        assert_eq!(read(&segment), (5, false), "no room at all");
    }

    #[test]
    fn what_was_a_frame_once_is_damage() {
        let (mut segment, end) = page();
        segment.bytes[end - 1] ^= 1;
        assert_eq!(read(&segment), (4, true), "a byte is another");
        let (mut segment, end) = page();
        segment.bytes.truncate(end - 1);
        assert_eq!(read(&segment), (4, true), "the file was cut");
        let (mut segment, end) = page();
        let frame_len = last_frame_len(&segment, end);
        segment.bytes[end - 2 * frame_len..end - frame_len].fill(0);
        assert_eq!(read(&segment), (3, true), "the disk lost the frame before the last");
    }

    /// Length of the last frame; all losses here have the same.
    fn last_frame_len(segment: &StoredSegment, end: usize) -> usize {
        let starts = (0..end).filter(|at| is_frame(&segment.bytes[*at..end]));
        end - starts.max().unwrap()
    }

    #[test]
    fn files_that_were_to_replace_others_go_with_the_spool() {
        let spool = tempfile::tempdir().unwrap();
        let disk = crate::disk::real();
        let folder = spool.path().join("20261120T131410.123456Z_obelix_6156");
        std::fs::create_dir(&folder).unwrap();
        Ledger::new(&Source::default(), &folder, vec![]).write(&*disk, &folder).unwrap();
        std::fs::write(folder.join("000000000001.new"), b"abc").unwrap();
        let orphan = Orphan::adopt(&*disk, &folder).unwrap().unwrap();
        orphan.finish(&*disk).unwrap();
        assert!(!folder.exists());

        std::fs::create_dir(&folder).unwrap();
        std::fs::write(folder.join("ledger.new"), b"abc").unwrap();
        assert!(Orphan::adopt(&*disk, &folder).unwrap().is_none());
        assert!(!folder.exists());
    }
}
