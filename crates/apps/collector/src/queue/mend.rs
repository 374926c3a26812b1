//! Putting a queue's folder right: what was never acknowledged is cut off, what is damaged is kept aside.

use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use spanlake_core::disk::{Access, Disk};

use crate::queue::checkpoint::{CHECKPOINT, DRAFT, remove_if_there};
use crate::queue::entry::{Header, Scan};
use crate::queue::survey::{FileState, QueueFile, Survey};

/// Where damaged files go, below the queue's folder.
pub const QUARANTINE: &str = "quarantine";

/// What was wrong in a queue's folder, and is put right.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mended {
    /// Bytes at the end of files that were never acknowledged, cut off.
    pub cut_bytes: u64,
    /// Copies of what was damaged, or looked like it.
    pub quarantined: Vec<PathBuf>,
    /// Entries that had been acknowledged and cannot be read.
    pub lost: u64,
    /// Whether the checkpoint could not be read. All plugins then begin at the oldest entry, and get some again.
    pub is_checkpoint_lost: bool,
}

/// Does to the files what the survey asks for; those that are left are whole.
pub(super) fn mend(disk: &dyn Disk, folder: &Path, survey: &mut Survey) -> io::Result<Mended> {
    if survey.files.iter().any(|file| matches!(file.state, FileState::Newer { .. })) {
        return Err(io::Error::new(ErrorKind::Unsupported, "a newer version wrote a file"));
    }
    let mut mending = Mending { disk, folder, mended: Mended { lost: survey.missing, ..Mended::default() } };
    remove_if_there(disk, &folder.join(DRAFT))?;
    if survey.is_checkpoint_damaged {
        mending.quarantine(&folder.join(CHECKPOINT))?;
        remove_if_there(disk, &folder.join(CHECKPOINT))?;
        mending.mended.is_checkpoint_lost = true;
    }
    let mut files = Vec::new();
    for file in std::mem::take(&mut survey.files) {
        files.extend(mending.file(file)?);
    }
    survey.files = files;
    // Only the last can have bytes that are not durable, for it is made so before the next one is begun.
    survey.files.last().map_or(Ok(()), |last| disk.sync_file(&last.path))?;
    disk.sync_folder(folder)?;
    Ok(mending.mended)
}

struct Mending<'a> {
    disk: &'a dyn Disk,
    folder: &'a Path,
    mended: Mended,
}

impl Mending<'_> {
    /// Puts one file right; what is left of it.
    fn file(&mut self, mut file: QueueFile) -> io::Result<Option<QueueFile>> {
        match &file.state {
            FileState::Done => remove_if_there(self.disk, &file.path)?,
            FileState::Unfinished { from, is_torn } => {
                let (from, is_torn) = (*from, *is_torn);
                self.cut(&mut file, from, is_torn)?;
            }
            FileState::Damaged { lost, .. } => {
                self.mended.lost += lost;
                self.quarantine(&file.path)?;
                file.bytes = self.rewrite(&file)?;
                file.is_mended = true;
            }
            FileState::Whole | FileState::Newer { .. } => {}
        }
        if !file.is_needed() {
            remove_if_there(self.disk, &file.path)?;
            return Ok(None);
        }
        file.state = FileState::Whole;
        Ok(Some(file))
    }

    fn cut(&mut self, file: &mut QueueFile, from: u64, is_torn: bool) -> io::Result<()> {
        if !is_torn {
            self.quarantine(&file.path)?;
        }
        self.mended.cut_bytes += file.bytes - from;
        if file.is_needed() && file.entries == 0 {
            // Only its header says something, and what that says may be beyond where the next file begins.
            file.bytes = self.rewrite(file)?;
        } else if file.is_needed() {
            self.disk.shorten(&file.path, from)?;
            self.disk.sync_file(&file.path)?;
            file.bytes = from;
        }
        Ok(())
    }

    /// Gives a file a second name, durably, under which nothing looks for it.
    fn quarantine(&mut self, path: &Path) -> io::Result<()> {
        let quarantine = self.folder.join(QUARANTINE);
        self.disk.create_folder(&quarantine, Access::Private)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        for attempt in 1u32.. {
            let name = if attempt == 1 { name.to_string() } else { format!("{name}.{attempt}") };
            let kept = quarantine.join(name);
            match self.keep(path, &kept) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                linked => linked?,
            }
            self.mended.quarantined.push(kept);
            break;
        }
        self.disk.sync_folder(&quarantine)?;
        self.disk.sync_folder(self.folder)
    }

    /// A copy of the bytes: the file itself may be cut afterwards.
    fn keep(&self, path: &Path, kept: &Path) -> io::Result<()> {
        let bytes = self.disk.read(path)?;
        let mut file = self.disk.create(kept, Access::Private)?;
        let written = file.write_all(&bytes).and_then(|()| file.sync());
        if written.is_err() {
            // Half a copy would only be taken for one.
            let _ = self.disk.remove(kept);
        }
        written
    }

    /// Replaces a damaged file by one that has what can be read of it; gives its length.
    fn rewrite(&self, file: &QueueFile) -> io::Result<u64> {
        let bytes = self.disk.read(&file.path)?;
        let mut whole = Vec::with_capacity(bytes.len());
        Header { seed: file.seed, first: file.first, is_mended: true }.put(&mut whole);
        for (place, _) in Scan::new(&bytes, file.seed, file.first).filter(|(_, entry)| entry.index < file.limit) {
            whole.extend_from_slice(bytes.get(place).unwrap_or_default());
        }
        let draft = file.path.with_extension("tmp");
        remove_if_there(self.disk, &draft)?;
        let mut out = self.disk.create(&draft, Access::Private)?;
        out.write_all(&whole)?;
        out.sync()?;
        drop(out);
        self.disk.rename(&draft, &file.path)?;
        self.disk.sync_folder(self.folder)?;
        Ok(whole.len() as u64)
    }
}
