//! Rolled files are compressed on a thread of their own, under a hidden name.
//!
//! The thread knows nothing of numbers, which change while it works: it reads a file that was opened for it, and says when
//! the compressed form is whole and durable. The sink then gives it its name and removes the other.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use spanlake_core::disk::{Access, Disk, DiskFile};

/// How rolled files are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// `name.0001.gz`.
    #[cfg(feature = "gzip")]
    Gzip,
    /// `name.0001.zst`.
    #[cfg(feature = "zstd")]
    Zstd,
}

/// The thread, and what it has to do.
#[derive(Debug)]
pub(super) struct Packer {
    compression: Compression,
    jobs: Option<SyncSender<Job>>,
    done: Receiver<Packed>,
    /// Files that the thread has.
    pending: Vec<u64>,
    stops: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A file to compress.
struct Job {
    id: u64,
    source: Box<dyn Read + Send>,
    target: PathBuf,
}

/// A file that was compressed, or not.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) id: u64,
    pub(super) target: PathBuf,
    /// How long the compressed form is.
    pub(super) bytes: io::Result<u64>,
}

/// Files that wait; more are taken up when these are done.
const MAX_WAITING: usize = 4;

/// After so many bytes it looks whether it is to stop.
const PIECE_BYTES: usize = 64 << 10;

// === impl Packer ===

impl Packer {
    /// Starts the thread.
    pub(super) fn spawn(compression: Compression, disk: Arc<dyn Disk>) -> io::Result<Self> {
        let (jobs, waiting) = sync_channel::<Job>(MAX_WAITING);
        let (tell, done) = channel();
        let stops = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&stops);
        let work = move || {
            for job in waiting {
                let bytes = pack(compression, &*disk, job.source, &job.target, &stop);
                if tell.send(Packed { id: job.id, target: job.target, bytes }).is_err() {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("spanlake-pack".to_owned()).spawn(work)?;
        Ok(Self { compression, jobs: Some(jobs), done, pending: Vec::new(), stops, thread: Some(thread) })
    }

    pub(super) fn suffix(&self) -> &'static str {
        self.compression.suffix()
    }

    /// Whether the file is not waited for already and could be taken.
    pub(super) fn wants(&self, id: u64) -> bool {
        self.pending.len() < MAX_WAITING && !self.pending.contains(&id)
    }

    /// Hands a file over.
    pub(super) fn give(&mut self, id: u64, source: Box<dyn Read + Send>, target: PathBuf) {
        let given = self.jobs.as_ref().map(|jobs| jobs.try_send(Job { id, source, target }));
        if given.is_some_and(|given| given.is_ok()) {
            self.pending.push(id);
        }
    }

    /// A file that was done with since.
    pub(super) fn take(&mut self) -> Option<Packed> {
        let packed = self.done.try_recv().ok()?;
        self.pending.retain(|id| *id != packed.id);
        Some(packed)
    }
}

/// The thread leaves what it is at, of which nothing stays. The file is compressed by whoever opens the name next.
impl Drop for Packer {
    fn drop(&mut self) {
        self.stops.store(true, Ordering::Relaxed);
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // Its panic is none of the caller's.
            let _ = thread.join();
        }
    }
}

impl Compression {
    pub(super) fn suffix(self) -> &'static str {
        match self {
            #[cfg(feature = "gzip")]
            Self::Gzip => ".gz",
            #[cfg(feature = "zstd")]
            Self::Zstd => ".zst",
        }
    }
}

/// Writes the compressed form to a new file and makes it durable; gives its length.
fn pack(
    compression: Compression,
    disk: &dyn Disk,
    source: Box<dyn Read + Send>,
    target: &Path,
    stop: &AtomicBool,
) -> io::Result<u64> {
    let packed = disk.create(target, Access::Shared).and_then(|file| compress(compression, file, source, stop));
    let packed = packed.and_then(|mut file| file.file.sync().map(|()| file.bytes));
    if packed.is_err() {
        // A later process of the same name removes what stays.
        let _ = disk.remove(target);
    }
    packed
}

/// A file, and how much was written to it.
struct Counted {
    file: Box<dyn DiskFile>,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn compress(
    compression: Compression,
    file: Box<dyn DiskFile>,
    mut source: Box<dyn Read + Send>,
    stop: &AtomicBool,
) -> io::Result<Counted> {
    let file = Counted { file, bytes: 0 };
    match compression {
        #[cfg(feature = "gzip")]
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(file, flate2::Compression::default());
            copy(&mut *source, &mut encoder, stop)?;
            encoder.finish()
        }
        #[cfg(feature = "zstd")]
        Compression::Zstd => {
            let mut encoder = zstd::stream::write::Encoder::new(file, zstd::DEFAULT_COMPRESSION_LEVEL)?;
            copy(&mut *source, &mut encoder, stop)?;
            encoder.finish()
        }
    }
}

fn copy(source: &mut dyn Read, target: &mut dyn Write, stop: &AtomicBool) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match source.read(&mut piece)? {
            0 => return Ok(()),
            _ if stop.load(Ordering::Relaxed) => return Err(io::ErrorKind::Interrupted.into()),
            read => target.write_all(&piece[..read])?,
        }
    }
}
