//! A lake in a bucket as a plugin: objects are whole, and every record is in it once, also where the collector is killed.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use spanlake_core::{Category, Error, Stage};
use spanlake_lake::LakeFile;
use spanlake_lake::store::{Store, StoreOptions};

use super::{LakePlugin, Pieces, Plugin, Portion};

/// Bytes of segments behind which what was written goes to the bucket, also before a flush: an object has to fit into memory.
const STAGED_BYTES: usize = 8 << 20;

const SERVICE: &str = "BucketPlugin";

/// Which of a lake's formats are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Formats {
    /// JSON lines and Parquet.
    Both,
    /// JSON lines only.
    Jsonl,
    /// Parquet only.
    Parquet,
}

/// Writes a lake in a bucket, as JSON lines and Parquet.
///
/// Files are written on the collector's disk first, and become objects when they are whole: at each flush, and when they get long.
/// Each has a number; those whose numbers are behind the last progress that the queue knows of are removed at the next start, and
/// their records come again from the queue. Between, a reader may see these records go and come back.
#[derive(Debug)]
pub struct BucketPlugin {
    store: Store,
    formats: Formats,
    folder: PathBuf,
    /// What was written and is no object yet, and how many bytes of segments that was.
    staged: Option<(LakePlugin, usize)>,
    /// The number of the next object.
    next: u32,
    trail: Trail,
}

/// Where objects of this plugin are, known on the disk before they are made.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Trail {
    /// What their names begin with.
    process: String,
    /// Since the last start.
    folders: BTreeSet<String>,
    /// The number of the next object at that start.
    next: u32,
}

impl BucketPlugin {
    /// The lake at an address such as `s3://bucket/lake`; `folder` is the plugin's own, on the disk that the queue is on. Fails when
    /// the address is none, or of a kind that is not built in: features `s3`, `gcs` and `azure`. No server is asked.
    pub fn new(
        address: &str,
        options: &StoreOptions,
        folder: impl Into<PathBuf>,
        formats: Formats,
    ) -> Result<Self, Error> {
        let (store, folder) = (Store::open(address, options)?, folder.into());
        Ok(Self { store, formats, folder, staged: None, next: 1, trail: Trail::default() })
    }

    fn files(&self) -> PathBuf {
        self.folder.join("files")
    }

    fn begin(&self) -> LakePlugin {
        match self.formats {
            Formats::Both => LakePlugin::new(self.files()),
            Formats::Jsonl => LakePlugin::jsonl(self.files()),
            Formats::Parquet => LakePlugin::parquet(self.files()),
        }
    }

    /// Has all that was written in the bucket. After a failure it goes on where it was.
    fn upload(&mut self) -> Result<(), Error> {
        if let Some((staged, _)) = &mut self.staged {
            staged.flush()?;
            self.staged = None;
        }
        let mut files = Store::folder(self.files());
        for file in files.list("")? {
            let Some(path) = self.object(&file.path)? else { continue };
            let content = files.read(&file.path)?.unwrap_or_default();
            self.store.put(&path, &content)?;
            files.remove(&file.path)?;
            // Not before the file is gone: tried again, it is the same object.
            self.next += 1;
        }
        Ok(())
    }

    /// What a file is called as an object; its folder is on the trail from then on.
    fn object(&mut self, path: &str) -> Result<Option<String>, Error> {
        let Some((folder, file)) =
            path.rsplit_once('/').and_then(|(folder, name)| Some((folder, LakeFile::parse(name)?)))
        else {
            return Ok(None);
        };
        let is_new = self.trail.folders.insert(folder.to_owned());
        if self.trail.process.is_empty() {
            self.trail.process.clone_from(&file.process);
        }
        if is_new && let Err(error) = self.keep_trail() {
            self.trail.folders.remove(folder);
            return Err(error);
        }
        let object = LakeFile { process: self.trail.process.clone(), number: self.next, extension: file.extension };
        Ok(Some(format!("{folder}/{object}")))
    }

    fn keep_trail(&self) -> Result<(), Error> {
        let text = serde_json::to_vec(&self.trail).map_err(|error| unreadable().caused_by(error))?;
        Store::folder(&self.folder).put(TRAIL, &text)
    }

    fn read_trail(&self) -> Result<Trail, Error> {
        let text = Store::folder(&self.folder).read(TRAIL)?;
        let trail = text.map(|text| serde_json::from_slice(&text)).transpose();
        Ok(trail.map_err(|error| unreadable().caused_by(error))?.unwrap_or_default())
    }

    /// The objects since the last start, by their numbers.
    fn objects(&mut self) -> Result<Vec<(u32, String)>, Error> {
        let mut objects = Vec::new();
        for folder in &self.trail.folders {
            for object in self.store.list(folder)? {
                let file = object.path.rsplit('/').next().and_then(LakeFile::parse);
                let own = file.filter(|file| file.process == self.trail.process);
                objects.extend(own.map(|file| (file.number, object.path)));
            }
        }
        Ok(objects)
    }
}

const TRAIL: &str = "trail.json";

impl Plugin for BucketPlugin {
    fn write(&mut self, portion: &Portion<'_>) -> Result<(), Error> {
        if self.staged.as_ref().is_none_or(|(_, bytes)| *bytes >= STAGED_BYTES) {
            self.upload()?;
            self.staged = Some((self.begin(), 0));
        }
        if let Some((staged, bytes)) = &mut self.staged {
            staged.write(portion)?;
            *bytes += portion.entries().iter().map(|given| given.entry.segment.len()).sum::<usize>();
        }
        Ok(())
    }

    /// As the lake that is written first.
    fn pieces(&self) -> Pieces {
        Pieces::Whole
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.upload()
    }

    fn note(&mut self) -> Result<Vec<u8>, Error> {
        Ok(self.next.to_string().into_bytes())
    }

    fn resume(&mut self, note: &[u8]) -> Result<(), Error> {
        self.trail = self.read_trail()?;
        let objects = self.objects()?;
        if note.is_empty() {
            // The queue has lost what it knew: everything is kept, and nothing written over.
            let last = objects.iter().map(|(number, _)| number + 1).max();
            self.next = last.unwrap_or_default().max(self.trail.next).max(1);
        } else {
            let number = std::str::from_utf8(note).ok().and_then(|number| number.parse().ok());
            self.next = number.ok_or_else(unreadable)?;
            // Nobody knows of those from this number on.
            for (_, path) in objects.iter().filter(|(number, _)| *number >= self.next) {
                self.store.remove(path)?;
            }
        }
        match fs::remove_dir_all(self.files()) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                let error = Error::io(SERVICE, "cannot remove what was not sent", error);
                return Err(error.with("folder", self.files().display()));
            }
            _ => {}
        }
        self.trail.folders.clear();
        self.trail.next = self.next;
        self.keep_trail()
    }
}

fn unreadable() -> Error {
    Error::new(Stage::Handler, SERVICE, Category::Formatting, "cannot read what the bucket has")
}
