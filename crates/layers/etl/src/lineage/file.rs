//! The way to a file.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use spanlake_core::Error;
use spanlake_lake::runs::lineage::EventFile;

use super::invalid;
use super::route::{Route, Standing};

/// Lines on their way to a file. The thread that has them writes them.
#[derive(Debug)]
struct Lines {
    file: EventFile,
    waiting: Vec<u8>,
    count: u64,
    standing: Standing,
}

/// Opens the way to the file of this path, and gives the path whole.
pub(super) fn open(path: &Path) -> Result<(String, Box<dyn Route>), Error> {
    // Whoever has to complete the file stands in another folder.
    let path = std::path::absolute(path).map_err(|error| invalid("the file needs a path").caused_by(error))?;
    let place = path.to_str().ok_or_else(|| invalid("the path of the file is to be text"))?.to_owned();
    let file = EventFile::new(path);
    file.create()?;
    let lines = Lines { file, waiting: Vec::new(), count: 0, standing: Standing::default() };
    Ok((place, Box::new(lines)))
}

impl Lines {
    fn note(&mut self, done: Result<(), Error>) -> bool {
        self.standing.error = done.err().map(Arc::new);
        self.standing.error.is_none()
    }
}

impl Route for Lines {
    fn push(&mut self, event: String) {
        self.waiting.extend_from_slice(event.as_bytes());
        self.waiting.push(b'\n');
        self.count += 1;
    }

    fn flush(&mut self) {
        if self.waiting.is_empty() {
            return;
        }
        let appended = self.file.append(&self.waiting);
        if self.note(appended) {
            self.standing.settled += std::mem::take(&mut self.count);
            self.waiting = Vec::new();
        }
    }

    fn drain(&mut self, _until: Instant) -> bool {
        self.flush();
        if self.count > 0 {
            return false;
        }
        let synced = self.file.sync();
        self.note(synced)
    }

    fn standing(&self) -> Standing {
        Standing { bytes: self.waiting.len(), ..self.standing.clone() }
    }
}
