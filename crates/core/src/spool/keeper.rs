//! The thread that has a spool's next files ready and syncs those in use.

use std::time::{Duration, Instant};

use crate::clock::deadline;
use crate::disk::Sentinel;
use crate::error::{Category, Error, Stage};
use crate::spool::files::Files;
use crate::spool::lock::SpoolLock;
use crate::sync::thread::{Builder, JoinHandle};
use crate::sync::{Arc, Mutex, join_until, lock};

/// The longest the thread sleeps.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// How long whoever drops the last handle of a buffer waits for the thread. It has moments of work left unless the disk
/// holds it up; then it keeps the folder until it is through.
const LAST_MOMENTS: Duration = Duration::from_secs(1);

/// The thread; it ends with the value.
#[derive(Debug)]
pub(super) struct Keeper {
    files: Arc<Files>,
    thread: Mutex<Option<JoinHandle<()>>>,
    sentinel: Arc<Sentinel>,
}

// === impl Keeper ===

impl Keeper {
    pub(super) fn spawn(
        files: Arc<Files>,
        held: Arc<SpoolLock>,
        sync_every: Option<Duration>,
        sentinel: Arc<Sentinel>,
    ) -> Result<Self, Error> {
        let kept = Arc::clone(&files);
        let run = move || {
            keep(&kept, sync_every);
            // Nobody else has the folder while files come and go in it.
            drop(held);
        };
        let thread = Builder::new().name("spanlake-spool".to_owned()).spawn(run).map_err(|error| {
            Error::new(Stage::Factory, "Spool", Category::Io, "cannot start the spool's thread").caused_by(error)
        })?;
        Ok(Self { files, thread: Mutex::new(Some(thread)), sentinel })
    }

    /// Ends the thread and removes the pages that were ready. Called on the pump's thread, which may wait.
    pub(super) fn close(&self) {
        self.files.close();
        if let Some(thread) = lock(&self.thread).take() {
            // A panic there has nothing to tell.
            let _ = thread.join();
        }
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        if !self.sentinel.is_forked() {
            self.files.close();
            join_until(&mut lock(&self.thread), deadline(LAST_MOMENTS));
        }
    }
}

fn keep(files: &Files, sync_every: Option<Duration>) {
    let next = || deadline(sync_every.unwrap_or(LONGEST_REST));
    let mut due = next();
    loop {
        files.make_ready();
        if Instant::now() >= due {
            if sync_every.is_some() {
                // What failed is in the report, and tried again at the next time.
                let _ = files.sync();
            }
            due = next();
        }
        if !files.rest(due) {
            return files.make_ready();
        }
    }
}
