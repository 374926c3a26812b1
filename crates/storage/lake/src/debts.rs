//! What a failure left behind and should not have: files that are too long, or that should not be there.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use spanlake_core::disk::Disk;

/// Files that are still to be cut back or removed. A disk that fails a write often fails to take it back as well, and
/// lets it be done later.
#[derive(Debug, Default)]
pub(crate) struct Debts(VecDeque<Debt>);

#[derive(Debug)]
struct Debt {
    path: PathBuf,
    /// What the file may keep; with nothing it goes.
    len: u64,
}

/// More are not remembered; the oldest stays as it is then. A batch of as many days may fail on a disk that is broken.
const MAX_DEBTS: usize = 4096;

// === impl Debts ===

impl Debts {
    /// Cuts the file back to `len` bytes, or removes it when that is none; if not now, then when debts are next paid.
    pub(crate) fn owe(&mut self, disk: &dyn Disk, path: PathBuf, len: u64) {
        if shorten(disk, &path, len).is_ok() {
            return;
        }
        if self.0.len() == MAX_DEBTS {
            self.0.pop_front();
        }
        self.0.push_back(Debt { path, len });
    }

    /// Tries all of them again.
    pub(crate) fn pay(&mut self, disk: &dyn Disk) {
        self.0.retain(|debt| shorten(disk, &debt.path, debt.len).is_err());
    }
}

fn shorten(disk: &dyn Disk, path: &Path, len: u64) -> io::Result<()> {
    let done = match len {
        0 => disk.remove(path),
        _ => disk.append(path).and_then(|mut file| file.set_len(len)),
    };
    // Somebody may have removed the file, which is as good.
    done.or_else(|error| if error.kind() == ErrorKind::NotFound { Ok(()) } else { Err(error) })
}
