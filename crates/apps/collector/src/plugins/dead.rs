//! Dead letters: what a plugin will never take, as JSON lines, one file for each plugin.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use spanlake_core::render::{JsonLines, Renderer};
use spanlake_core::{Error, Kind, Record};

/// Default of [`CollectorBuilder::max_dead`](crate::CollectorBuilder::max_dead): 256 MiB.
pub const MAX_DEAD: NonZeroU64 = NonZeroU64::new(256 << 20).unwrap();

/// The dead letters of a plugin.
#[derive(Clone, Debug)]
pub(crate) struct Dead {
    path: PathBuf,
    most_bytes: u64,
}

/// What became of records; statements of loss are not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Buried {
    /// How many are there.
    pub(crate) kept: u64,
    /// For how many there was no room.
    pub(crate) lost: u64,
}

impl Dead {
    /// Those of a plugin, in a folder of the queue, so many bytes at most.
    pub(crate) fn of(folder: &Path, plugin: &str, most_bytes: NonZeroU64) -> Self {
        Self { path: folder.join("dead").join(format!("{plugin}.jsonl")), most_bytes: most_bytes.get() }
    }

    /// Adds records, durably, as far as there is room: those that do not fit are lost.
    pub(crate) fn write(&self, records: &[Record<'_>]) -> Result<Buried, Error> {
        self.append(records).map_err(|error| {
            Error::io("Dead", "cannot write the dead letters", error).with("path", self.path.display())
        })
    }

    fn append(&self, records: &[Record<'_>]) -> io::Result<Buried> {
        self.path.parent().map_or(Ok(()), fs::create_dir_all)?;
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        // Somebody may have taken the file away since: there is room again.
        let before = file.metadata()?.len();
        let room = self.most_bytes.saturating_sub(before);
        let (lines, buried) = lines(records, room);
        let written = file.write_all(&lines).and_then(|()| file.sync_data());
        if written.is_err() {
            // It is tried again as a whole. Where it cannot be cut, some of it is there twice.
            let _ = file.set_len(before);
        }
        written.map(|()| buried)
    }
}

/// The lines of those records that have room.
fn lines(records: &[Record<'_>], room: u64) -> (Vec<u8>, Buried) {
    let (mut lines, mut buried, mut renderer) = (Vec::new(), Buried::default(), JsonLines::default());
    for record in records {
        let before = lines.len();
        renderer.render(&mut lines, record);
        let fits = lines.len() as u64 <= room;
        if !fits {
            lines.truncate(before);
        }
        let count = if fits { &mut buried.kept } else { &mut buried.lost };
        *count += u64::from(record.kind != Kind::Loss);
    }
    (lines, buried)
}
