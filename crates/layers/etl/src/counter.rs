//! The counters of a run: numbers that batches add to.

use std::sync::atomic::{AtomicI64, AtomicU16, Ordering};

use spanlake_lake::runs::RunRow;

/// Something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counter {
    RowsRead,
    RowsWritten,
    RowsInserted,
    RowsUpdated,
    RowsDeleted,
    FilesAdded,
    FilesRemoved,
    BytesAdded,
    BytesRemoved,
}

/// How many there are.
pub(crate) const COUNTERS: usize = 9;

/// What a run has counted. Each is null until something is told of it, if only a zero.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    values: [AtomicI64; COUNTERS],
    /// Bit by bit, those of which something was told.
    told: AtomicU16,
}

// === impl Counter ===

impl Counter {
    pub(crate) const ALL: [Counter; COUNTERS] = [
        Counter::RowsRead,
        Counter::RowsWritten,
        Counter::RowsInserted,
        Counter::RowsUpdated,
        Counter::RowsDeleted,
        Counter::FilesAdded,
        Counter::FilesRemoved,
        Counter::BytesAdded,
        Counter::BytesRemoved,
    ];

    /// The word behind `etl.`, and in the names of metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Counter::RowsRead => "rows_read",
            Counter::RowsWritten => "rows_written",
            Counter::RowsInserted => "rows_inserted",
            Counter::RowsUpdated => "rows_updated",
            Counter::RowsDeleted => "rows_deleted",
            Counter::FilesAdded => "files_added",
            Counter::FilesRemoved => "files_removed",
            Counter::BytesAdded => "bytes_added",
            Counter::BytesRemoved => "bytes_removed",
        }
    }

    /// The counter of this name, or of its column's, which has `source_` or `destination_` in front.
    pub(crate) fn named(name: &str) -> Option<Self> {
        let bare = |counter: &Counter| name.strip_prefix(counter.phase()).and_then(|name| name.strip_prefix('_'));
        Self::ALL.into_iter().find(|counter| name == counter.name() || bare(counter) == Some(counter.name()))
    }

    /// What a row has of it.
    pub(crate) fn of(self, row: &RunRow) -> Option<i64> {
        match self {
            Counter::RowsRead => row.source_rows_read,
            Counter::RowsWritten => row.destination_rows_written,
            Counter::RowsInserted => row.destination_rows_inserted,
            Counter::RowsUpdated => row.destination_rows_updated,
            Counter::RowsDeleted => row.destination_rows_deleted,
            Counter::FilesAdded => row.destination_files_added,
            Counter::FilesRemoved => row.destination_files_removed,
            Counter::BytesAdded => row.destination_bytes_added,
            Counter::BytesRemoved => row.destination_bytes_removed,
        }
    }

    /// Whether it counts rows, which those of maintenance runs do not count among.
    pub(crate) fn is_rows(self) -> bool {
        self.name().starts_with("rows")
    }

    fn phase(self) -> &'static str {
        if self == Counter::RowsRead { "source" } else { "destination" }
    }
}

// === impl Counters ===

impl Counters {
    /// Adds, in either direction; a sum beyond what 64 bits hold stays at their end.
    pub(crate) fn add(&self, counter: Counter, value: i64) {
        let at = counter as usize;
        let add = |sum: i64| Some(sum.saturating_add(value));
        // It always succeeds, because there is always a sum.
        let _ = self.values[at].fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        self.told.fetch_or(1 << at, Ordering::Release);
    }

    /// What was counted; `None` when nothing was told of it.
    pub(crate) fn get(&self, counter: Counter) -> Option<i64> {
        let at = counter as usize;
        let is_told = self.told.load(Ordering::Acquire) & (1 << at) != 0;
        is_told.then(|| self.values[at].load(Ordering::Relaxed))
    }

    /// Whether nothing was told of any.
    pub(crate) fn is_untold(&self) -> bool {
        self.told.load(Ordering::Acquire) == 0
    }

    /// Begins again from nothing.
    pub(crate) fn clear(&self) {
        self.told.store(0, Ordering::Release);
        self.values.iter().for_each(|value| value.store(0, Ordering::Relaxed));
    }

    /// Puts what was counted into the row.
    pub(crate) fn fill(&self, row: &mut RunRow) {
        row.source_rows_read = self.get(Counter::RowsRead);
        row.destination_rows_written = self.get(Counter::RowsWritten);
        row.destination_rows_inserted = self.get(Counter::RowsInserted);
        row.destination_rows_updated = self.get(Counter::RowsUpdated);
        row.destination_rows_deleted = self.get(Counter::RowsDeleted);
        row.destination_files_added = self.get(Counter::FilesAdded);
        row.destination_files_removed = self.get(Counter::FilesRemoved);
        row.destination_bytes_added = self.get(Counter::BytesAdded);
        row.destination_bytes_removed = self.get(Counter::BytesRemoved);
    }
}
