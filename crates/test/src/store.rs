//! Where the records of all tests of a process end, told apart by their roots.

use std::collections::{HashMap, VecDeque};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use spanlake_core::{Batch, Error, OwnedRecord, Sink, TaskKey};

/// Most records outside any task that are kept.
const MOST_STRAYS: usize = 10_000;

/// What is kept for tests that are running.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    by_test: HashMap<TaskKey, Vec<OwnedRecord>>,
    strays: VecDeque<OwnedRecord>,
    /// How many strays gave way before the first that is kept.
    strays_gone: usize,
}

/// The sink that puts it there.
#[derive(Debug)]
pub(crate) struct Store;

static KEPT: LazyLock<Mutex<Kept>> = LazyLock::new(Mutex::default);

/// What is kept, while nothing is added. A test that fails poisons nothing for the others.
pub(crate) fn kept() -> MutexGuard<'static, Kept> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Kept {
    /// From now on the records of this root and of what is below it are kept.
    pub(crate) fn begin(&mut self, root: &TaskKey) {
        self.by_test.insert(root.clone(), Vec::new());
    }

    pub(crate) fn end(&mut self, root: &TaskKey) {
        self.by_test.remove(root);
    }

    pub(crate) fn records(&self, root: &TaskKey) -> Vec<OwnedRecord> {
        self.by_test.get(root).cloned().unwrap_or_default()
    }

    /// How many strays there were so far.
    pub(crate) fn strays_seen(&self) -> usize {
        self.strays_gone + self.strays.len()
    }

    /// Those after the first `seen`, as far as they are kept.
    pub(crate) fn strays_after(&self, seen: usize) -> Vec<OwnedRecord> {
        self.strays.iter().skip(seen.saturating_sub(self.strays_gone)).cloned().collect()
    }

    fn add(&mut self, record: OwnedRecord) {
        let Some(key) = &record.key else {
            self.strays.push_back(record);
            if self.strays.len() > MOST_STRAYS {
                self.strays.pop_front();
                self.strays_gone += 1;
            }
            return;
        };
        if let Some(records) = self.by_test.get_mut(&TaskKey::root(key.task.uuid())) {
            records.push(record);
        }
    }
}

impl Sink for Store {
    fn name(&self) -> &str {
        "tests"
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        let mut kept = kept();
        batch.records().for_each(|record| kept.add(OwnedRecord::from(record)));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
