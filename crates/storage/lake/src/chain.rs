//! The files of one place, one after the other, and the text that is not durable in them yet.
//!
//! After a failed sync nobody knows which part of the text reached the disk, and a later sync that succeeds does not
//! say. The file is therefore sealed: cut back to what is known to be durable, and never written to again. The text
//! that it was to hold is still in memory and goes to the next file.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use spanlake_core::disk::DiskFile;
use spanlake_core::{Kind, Record};

use crate::file::{create_log, sync_folders};
use crate::ground::Ground;
use crate::layout::LakeFile;
use crate::limits::Writing;
use crate::places::Place;

/// What goes to one place.
#[derive(Debug, Default)]
pub(crate) struct Chain {
    /// The file that is appended to.
    current: Option<LogFile>,
    /// What is not durable yet: the end of the current file or, without one, what is owed to the next. Behind it the
    /// part of the batch that is under way.
    text: Vec<u8>,
    /// How many records the text has; statements of loss are not counted.
    records: u64,
    batch: BatchPart,
}

/// A place's part of the batch that is under way.
#[derive(Debug, Default)]
struct BatchPart {
    /// Whether a record came that is neither kept nor taken back.
    is_open: bool,
    /// Where it begins in the text.
    start: Mark,
    /// Where the next file begins.
    cuts: Vec<Mark>,
    /// Up to where the text is in files.
    written: Mark,
    /// Up to where files that are full or closed have made the text durable.
    durable: Mark,
    /// How long the current file was before.
    len_before: u64,
    /// The file that was current before, when the batch has filled it.
    filled: Option<LogFile>,
    /// The same when it had to be closed.
    closed: Option<PathBuf>,
    /// The files that the batch began.
    begun: Vec<PathBuf>,
}

/// A point in the text.
#[derive(Clone, Copy, Debug, Default)]
struct Mark {
    at: usize,
    /// How many records lie before it.
    records: u64,
}

#[derive(Debug)]
struct LogFile {
    file: Box<dyn DiskFile>,
    path: PathBuf,
    len: u64,
    /// How much of it is durable.
    synced_len: u64,
    /// Whether its entry in the folder is durable as well.
    is_entry_synced: bool,
    /// Whether a sync has failed.
    is_sealed: bool,
    /// When it was changed last.
    changed: Instant,
    /// Says, as long as it is held, that the file may not be deleted.
    _writing: Writing,
}

/// What came of an operation on a file; of a failed one also which file it was.
pub(crate) type Attempt = Result<(), (PathBuf, io::Error)>;

/// Room for text that is kept after a flush.
const TEXT_KEPT_BYTES: usize = 4 << 20;

// === impl Chain ===

impl Chain {
    pub(crate) fn start_batch(&mut self) {
        let len_before = self.current.as_ref().map_or(0, |file| file.len);
        let cuts = std::mem::take(&mut self.batch.cuts);
        let start = self.end();
        self.batch = BatchPart { start, written: start, cuts, len_before, ..BatchPart::default() };
        self.batch.cuts.clear();
    }

    /// Renders a record with `put`. If it does not fit into the file any more, it opens the next one; a record that is
    /// longer than a whole file has one to itself.
    pub(crate) fn put(&mut self, record: &Record<'_>, most: u64, put: impl FnOnce(&mut Vec<u8>)) {
        self.batch.is_open = true;
        let start = self.end();
        put(&mut self.text);
        self.records += u64::from(record.kind != Kind::Loss);
        let (begin, in_file) = match self.batch.cuts.last() {
            Some(cut) => (cut.at, 0),
            None => (self.batch.start.at, self.batch.len_before),
        };
        let is_alone = start.at == begin && in_file == 0;
        let is_empty = start.at == self.text.len();
        if !is_alone && !is_empty && in_file + (self.text.len() - begin) as u64 > most {
            self.batch.cuts.push(start);
        }
    }

    /// The batch is written everywhere: full files are done with.
    pub(crate) fn keep_batch(&mut self) {
        let durable = self.batch.durable;
        self.text.drain(..durable.at);
        self.records -= durable.records;
        self.batch = BatchPart { cuts: std::mem::take(&mut self.batch.cuts), ..BatchPart::default() };
    }

    /// How many bytes the batch has here, and how many files it begins.
    pub(crate) fn batch_size(&self) -> (u64, u64) {
        let bytes = (self.text.len() - self.batch.start.at) as u64;
        let is_first = self.current.is_none() && bytes > 0;
        (bytes, self.batch.cuts.len() as u64 + u64::from(is_first))
    }

    /// How many files it has open.
    pub(crate) fn open_files(&self) -> usize {
        usize::from(self.current.is_some()) + usize::from(self.batch.filled.is_some())
    }

    /// How many files it has open at most while its part of the batch is written, if there is one.
    pub(crate) fn files_to_open(&self) -> Option<usize> {
        let has_part = self.text.len() > self.batch.start.at;
        has_part.then_some(if self.batch.cuts.is_empty() { 1 } else { 2 })
    }

    /// When the current file was changed last.
    pub(crate) fn changed(&self) -> Option<Instant> {
        self.current.as_ref().map(|file| file.changed)
    }

    /// Whether it has no file open, and needs none for what it has.
    pub(crate) fn is_closed(&self) -> bool {
        self.current.is_none() && self.text.is_empty()
    }

    /// Whether all of it is durable and nothing was written for so long.
    pub(crate) fn is_idle(&self, idle_for: Duration) -> bool {
        self.text.is_empty() && self.current.as_ref().is_none_or(|file| file.changed.elapsed() >= idle_for)
    }

    /// Gives back the room that an unusual amount of text took. Not after every sync: a busy log would touch fresh pages
    /// all the time, which costs more than to render the text.
    pub(crate) fn shrink(&mut self) {
        self.text.shrink_to(TEXT_KEPT_BYTES);
    }

    /// Bytes kept because they are not durable.
    pub(crate) fn unsynced_bytes(&self) -> usize {
        self.text.len()
    }

    /// Records that no file holds which is to be trusted.
    pub(crate) fn owed_records(&self) -> u64 {
        if self.is_owed() { self.records } else { 0 }
    }

    fn is_owed(&self) -> bool {
        self.current.is_none() && !self.text.is_empty()
    }

    fn end(&self) -> Mark {
        Mark { at: self.text.len(), records: self.records }
    }

    /// All of the text is durable, or not wanted.
    fn clear_text(&mut self) {
        self.text.clear();
        self.records = 0;
    }
}

// === impl Place ===

impl Place<Chain> {
    /// Writes the part of the batch, one call for each file.
    pub(crate) fn append(&mut self, ground: &mut Ground) -> Attempt {
        let mut from = self.content.batch.start.at;
        for number in 0..self.content.batch.cuts.len() {
            let cut = self.content.batch.cuts[number];
            self.append_text(from..cut.at, ground)?;
            self.open_next(cut, ground)?;
            from = cut.at;
        }
        self.append_text(from..self.content.text.len(), ground)?;
        self.content.batch.written = self.content.end();
        Ok(())
    }

    /// Makes durable what is in its files and closes them, also in the middle of a batch that has a part here.
    pub(crate) fn close(&mut self, ground: &mut Ground) -> Attempt {
        if !self.content.batch.is_open {
            self.flush(ground)?;
            self.content.current = None;
            return Ok(());
        }
        let Chain { current, batch, .. } = &mut self.content;
        if let Some(file) = current {
            // After a failure the batch is taken back, and with it a file that is not to be trusted.
            file.sync(ground)?;
        }
        let last = current.take();
        batch.durable = batch.written;
        // Files that the batch began are known by their paths.
        let before = if batch.begun.is_empty() { last } else { batch.filled.take() };
        batch.closed = before.map(|file| file.path).or(batch.closed.take());
        Ok(())
    }

    /// The batch failed somewhere: files that it began go, and the one that was current before is cut back.
    pub(crate) fn take_batch_back(&mut self, ground: &mut Ground) {
        let chain = &mut self.content;
        if !chain.batch.is_open {
            return;
        }
        let batch = std::mem::take(&mut chain.batch);
        if !batch.begun.is_empty() {
            chain.current = batch.filled;
        }
        batch.begun.into_iter().for_each(|path| ground.leave(path, 0));
        batch.closed.into_iter().for_each(|path| ground.leave(path, batch.len_before));
        chain.text.truncate(batch.start.at);
        chain.records = batch.start.records;
        if batch.durable.at > 0 {
            // The file was made durable when it was full, with everything that was before the batch.
            chain.clear_text();
        }
        chain.current = chain.current.take().and_then(|file| file.cut_back(batch.len_before, ground));
    }

    /// Writes what a sealed file did not make durable into the next one.
    pub(crate) fn restore(&mut self, ground: &mut Ground) -> Attempt {
        if !self.content.is_owed() {
            return Ok(());
        }
        let result = self.append_text(0..self.content.text.len(), ground);
        if let Some(file) = self.content.current.take_if(|_| result.is_err()) {
            ground.leave(file.path, 0);
        }
        self.content.batch.begun.clear();
        result
    }

    /// Makes everything durable. After a failure the text is in the next file already if that can be.
    pub(crate) fn flush(&mut self, ground: &mut Ground) -> Attempt {
        self.leave_removed(ground);
        let had_file = self.content.current.is_some();
        let result = self.sync(ground);
        if result.is_err() && had_file {
            // At once, for it may be the last flush. The error is told all the same: somebody should look at this disk.
            let _ = self.sync(ground);
        }
        result
    }

    /// Touches a file that nothing was written to for so long, lest another process takes it for one that nobody writes
    /// to; leaves it where one did.
    pub(crate) fn touch(&mut self, idle_for: Duration, ground: &mut Ground) {
        let is_idle = |file: &LogFile| file.changed.elapsed() >= idle_for;
        if self.content.current.as_ref().is_some_and(is_idle) {
            self.leave_removed(ground);
        }
        if let Some(file) = self.content.current.as_mut().filter(|file| is_idle(file)) {
            // Whatever comes of it: the length is as before.
            let _ = file.file.set_len(file.len);
            file.changed = Instant::now();
        }
    }

    fn sync(&mut self, ground: &mut Ground) -> Attempt {
        self.restore(ground)?;
        if let Some(file) = &mut self.content.current {
            let synced = file.sync(ground);
            if let Some(sealed) = self.content.current.take_if(|_| synced.is_err()) {
                ground.leave(sealed.path, sealed.synced_len);
            }
            synced?;
        }
        self.content.clear_text();
        Ok(())
    }

    /// Where somebody removed the file, what is written from now on shall not vanish with it.
    fn leave_removed(&mut self, ground: &mut Ground) {
        let is_gone = |file: &mut LogFile| matches!(ground.disk.exists(&file.path), Ok(false));
        if let Some(gone) = self.content.current.take_if(is_gone) {
            ground.forget(&gone.path);
        }
    }

    fn append_text(&mut self, range: Range<usize>, ground: &mut Ground) -> Attempt {
        if range.is_empty() {
            return Ok(());
        }
        if self.content.current.is_none() {
            self.open(ground)?;
        }
        let Chain { current, text, .. } = &mut self.content;
        match current {
            Some(file) => file.append(text.get(range).unwrap_or_default(), ground),
            None => Ok(()),
        }
    }

    /// Opens the next file at `cut`. The full one is made durable before it is left, so that a flush has one file to look
    /// after.
    fn open_next(&mut self, cut: Mark, ground: &mut Ground) -> Attempt {
        let Chain { current, batch, .. } = &mut self.content;
        if let Some(full) = current {
            full.sync(ground)?;
            (batch.durable, batch.written) = (cut, cut);
        }
        // One that the batch began is known by its path, and makes room for the next.
        current.take_if(|_| !batch.begun.is_empty());
        self.open(ground)
    }

    fn open(&mut self, ground: &mut Ground) -> Attempt {
        let folder = ground.folder.join(&self.folder);
        let chain = &mut self.content;
        let number = self.last_number.saturating_add(1);
        let mut name = LakeFile { process: self.process.clone(), number, extension: ground.extension.to_owned() };
        let created = create_log(&*ground.disk, &folder, &name);
        let (file, path, number) = created.map_err(|error| (folder.join(name.to_string()), error))?;
        (self.last_number, name.number) = (number, number);
        let writing = ground.tenant.begin(&path, &name);
        let before = chain.current.replace(LogFile::new(file, path.clone(), writing));
        if chain.batch.begun.is_empty() {
            chain.batch.filled = before;
        }
        chain.batch.begun.push(path);
        Ok(())
    }
}

// === impl LogFile ===

impl LogFile {
    fn new(file: Box<dyn DiskFile>, path: PathBuf, writing: Writing) -> Self {
        Self {
            file,
            path,
            len: 0,
            synced_len: 0,
            is_entry_synced: false,
            is_sealed: false,
            changed: Instant::now(),
            _writing: writing,
        }
    }

    fn append(&mut self, text: &[u8], ground: &mut Ground) -> Attempt {
        self.file.write_all(text).map_err(|error| (self.path.clone(), error))?;
        self.len += text.len() as u64;
        self.changed = Instant::now();
        ground.put(&self.path, self.len);
        Ok(())
    }

    /// Takes back what is behind `len`; `None` when the file is not to be used any more.
    fn cut_back(mut self, len: u64, ground: &mut Ground) -> Option<Self> {
        self.len = len;
        self.synced_len = self.synced_len.min(len);
        if !self.is_sealed && self.file.set_len(len).is_ok() {
            ground.put(&self.path, len);
            return Some(self);
        }
        ground.leave(self.path, self.synced_len);
        None
    }

    /// Makes content and entry durable.
    fn sync(&mut self, ground: &Ground) -> Attempt {
        if self.is_entry_synced && self.synced_len == self.len {
            return Ok(());
        }
        let folder = self.path.parent().unwrap_or(Path::new("")).to_owned();
        let entry = || if self.is_entry_synced { Ok(()) } else { sync_folders(&*ground.disk, &folder) };
        if let Err(error) = self.file.sync().and_then(|()| entry()) {
            self.is_sealed = true;
            return Err((self.path.clone(), error));
        }
        self.synced_len = self.len;
        self.is_entry_synced = true;
        Ok(())
    }
}
