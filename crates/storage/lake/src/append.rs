//! Logs that grow in sight of readers: one file after the other for each place, a batch written whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::ops::Range;
use std::path::{Path, PathBuf};

use spanlake_core::{Batch, Error, Record};

use crate::file::{create_log, sync_folders};
use crate::layout::{LakeFile, LogType, Purpose, folder};
use crate::partition::Partition;
use crate::places::{Place, Places};

/// Default of `max_file_bytes`: 256 MiB.
pub const DEFAULT_MAX_FILE_BYTES: NonZeroU64 = NonZeroU64::new(256 << 20).unwrap();

/// Files kept open; a batch that opens more is followed by closing all but the last.
const MAX_OPEN: usize = 64;

/// Room for text that is kept from one batch to the next; what an unusually large one took is given back.
const TEXT_KEPT_BYTES: usize = 4 << 20;

/// The files of one log type, appended to.
#[derive(Debug)]
pub(crate) struct AppendLog {
    service: &'static str,
    lake: PathBuf,
    folder: PathBuf,
    extension: &'static str,
    max_file_bytes: u64,
    places: Places<Chain>,
}

/// What goes to one place: the file that is appended to, and the part of the batch that is under way.
#[derive(Debug, Default)]
struct Chain {
    current: Option<LogFile>,
    last_number: u32,
    text: Vec<u8>,
    /// Offsets in `text` where the next file begins.
    cuts: Vec<usize>,
    /// How long the current file was before the batch.
    len_before: u64,
    /// The file that was current before the batch, when the batch has filled it.
    filled: Option<LogFile>,
    /// The files that the batch began.
    begun: Vec<PathBuf>,
}

#[derive(Debug)]
struct LogFile {
    file: File,
    path: PathBuf,
    len: u64,
    is_synced: bool,
    /// Whether its entry in the folder is durable as well.
    is_entry_synced: bool,
}

/// What came of an operation on a file; of a failed one also which file it was.
type Attempt = Result<(), (PathBuf, io::Error)>;

// === impl AppendLog ===

impl AppendLog {
    pub(crate) fn new(service: &'static str, lake: &Path, log_type: LogType, extension: &'static str) -> Self {
        Self {
            service,
            lake: lake.to_owned(),
            folder: folder(lake, Purpose::DebugJson, log_type),
            extension,
            max_file_bytes: DEFAULT_MAX_FILE_BYTES.get(),
            places: Places::new(Partition::default()),
        }
    }

    pub(crate) fn set_partition(&mut self, partition: Partition) {
        self.places = Places::new(partition);
    }

    pub(crate) fn set_max_file_bytes(&mut self, bytes: NonZeroU64) {
        self.max_file_bytes = bytes.get();
    }

    /// Renders a batch with `put` and writes it, each place's part with one call. After an error no file has any of
    /// it; the exception is a file that could not even be cut back, which is then never written to again.
    pub(crate) fn write(
        &mut self,
        batch: &Batch<'_>,
        mut put: impl FnMut(&mut Vec<u8>, &Record<'_>),
    ) -> Result<(), Error> {
        self.places.iter_mut().for_each(|place| place.content.start());
        for record in batch.records() {
            let chain = &mut self.places.of(record).content;
            let start = chain.text.len();
            put(&mut chain.text, record);
            chain.cut_if_full(start, self.max_file_bytes);
        }
        match self.append() {
            Ok(()) => self.places.iter_mut().for_each(|place| place.content.keep()),
            Err((path, error)) => {
                self.places.iter_mut().for_each(|place| place.content.take_back());
                return Err(self.error("cannot append to the file", &path, error));
            }
        }
        // What cannot be closed now stays open; the next flush says why.
        if self.places.iter().count() > MAX_OPEN && self.flush().is_ok() {
            self.places.keep_last();
        }
        Ok(())
    }

    /// Makes everything written durable, the entries of new files included.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        let mut result = Ok(());
        for place in self.places.iter_mut() {
            let folder = self.folder.join(&place.folder);
            result = result.and(place.content.sync(&folder, &self.lake));
        }
        result.map_err(|(path, error)| self.error("cannot make the file durable", &path, error))
    }

    fn append(&mut self) -> Attempt {
        for place in self.places.iter_mut() {
            append_to(place, &self.folder, self.extension)?;
        }
        Ok(())
    }

    fn error(&self, message: &str, path: &Path, error: io::Error) -> Error {
        Error::io(self.service, message, error).with("path", path.display())
    }
}

/// Writes a place's part of the batch, opening the next file wherever it is cut.
fn append_to(place: &mut Place<Chain>, log: &Path, extension: &str) -> Attempt {
    let Place { folder, process, content: chain, .. } = place;
    for (at, part) in chain.parts().enumerate() {
        if at > 0 || (chain.current.is_none() && !part.is_empty()) {
            let number = chain.last_number + 1;
            let name = LakeFile { process: process.clone(), number, extension: extension.to_owned() };
            chain.open_next(&log.join(&*folder), &name)?;
        }
        if let Some(file) = &mut chain.current {
            file.append(chain.text.get(part).unwrap_or_default())?;
        }
    }
    Ok(())
}

// === impl Chain ===

impl Chain {
    fn start(&mut self) {
        self.text.clear();
        self.text.shrink_to(TEXT_KEPT_BYTES);
        self.cuts.clear();
        self.len_before = self.current.as_ref().map_or(0, |file| file.len);
    }

    /// Lets the next file begin at `start` if the text from there on does not fit into this one any more. A record
    /// that is longer than a whole file has one to itself.
    fn cut_if_full(&mut self, start: usize, most: u64) {
        let (begin, in_file) = match self.cuts.last() {
            Some(cut) => (*cut, 0),
            None => (0, self.len_before),
        };
        let is_alone = start == begin && in_file == 0;
        let is_empty = start == self.text.len();
        if !is_alone && !is_empty && in_file + (self.text.len() - begin) as u64 > most {
            self.cuts.push(start);
        }
    }

    /// The ranges of the text that go to one file each.
    fn parts(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let mut bounds = vec![0];
        bounds.extend_from_slice(&self.cuts);
        bounds.push(self.text.len());
        (1..bounds.len()).map(move |at| bounds[at - 1]..bounds[at])
    }

    fn open_next(&mut self, folder: &Path, name: &LakeFile) -> Attempt {
        // A full file is made durable before it is left, so that a flush has one file to look after.
        if let Some(full) = &mut self.current {
            full.sync()?;
        }
        let (file, path, number) = create_log(folder, name).map_err(|error| (folder.join(name.to_string()), error))?;
        let next = LogFile { file, path: path.clone(), len: 0, is_synced: false, is_entry_synced: false };
        let full = self.current.replace(next);
        if self.begun.is_empty() {
            self.filled = full;
        }
        self.begun.push(path);
        self.last_number = number;
        Ok(())
    }

    /// The batch is written: full files are done with.
    fn keep(&mut self) {
        self.filled = None;
        self.begun.clear();
    }

    /// The batch failed somewhere: files that it began go, and the one that was current before is cut back.
    fn take_back(&mut self) {
        if !self.begun.is_empty() {
            self.current = self.filled.take();
        }
        for path in self.begun.drain(..) {
            if fs::remove_file(&path).is_err() {
                // Then it shall at least be empty; beyond that there is nothing to try.
                let _ = File::options().write(true).truncate(true).open(&path);
            }
        }
        let len = self.len_before;
        self.current.take_if(|file| !file.cut_back(len));
    }

    fn sync(&mut self, folder: &Path, lake: &Path) -> Attempt {
        // Where somebody removed the file, what is written from now on shall not vanish with it.
        self.current.take_if(|file| !file.path.exists());
        let Some(file) = &mut self.current else {
            return Ok(());
        };
        file.sync()?;
        if !file.is_entry_synced {
            sync_folders(folder, lake).map_err(|error| (folder.to_owned(), error))?;
            file.is_entry_synced = true;
        }
        Ok(())
    }
}

// === impl LogFile ===

impl LogFile {
    fn append(&mut self, text: &[u8]) -> Attempt {
        if text.is_empty() {
            return Ok(());
        }
        self.is_synced = false;
        self.file.write_all(text).map_err(|error| (self.path.clone(), error))?;
        self.len += text.len() as u64;
        Ok(())
    }

    fn cut_back(&mut self, len: u64) -> bool {
        self.len = len;
        self.file.set_len(len).is_ok()
    }

    fn sync(&mut self) -> Attempt {
        if !self.is_synced {
            self.file.sync_data().map_err(|error| (self.path.clone(), error))?;
            self.is_synced = true;
        }
        Ok(())
    }
}
