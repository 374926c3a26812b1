//! A batch: written whole or not at all, whatever files it fills.

use spanlake_core::disk::DiskFile;
use spanlake_core::render::Renderer;
use spanlake_core::{Kind, Record};

use super::FileLog;
use crate::rolling::backups::Attempt;
use crate::rolling::fit::put_shortened;

/// The batch that is under way.
#[derive(Debug, Default)]
pub(super) struct BatchPart {
    /// Whether a record came that is neither kept nor taken back.
    is_open: bool,
    start: Mark,
    /// Where the next file begins.
    cuts: Vec<Mark>,
    /// How long the file will be that the next record goes to.
    len: u64,
    interval: Option<i64>,
    /// How long the current file was before.
    len_before: u64,
    /// Whether a file was made durable because the batch has filled it.
    has_synced: bool,
    /// Files that it has filled and that were rolled.
    filled: Vec<Touched>,
}

/// A point in the text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mark {
    pub(super) at: usize,
    /// How many records lie before it.
    records: u64,
}

/// A rolled file, and how long it is without the batch.
#[derive(Debug)]
pub(super) struct Touched {
    file: Box<dyn DiskFile>,
    id: u64,
    len: u64,
}

/// More are not remembered; the oldest stays as it is then.
const MAX_DEBTS: usize = 64;

// === impl FileLog ===

impl FileLog {
    pub(super) fn start_batch(&mut self) {
        let current = self.current.as_ref();
        let (len, interval) = current.map_or((0, None), |file| (file.len, file.interval));
        let start = self.end();
        self.batch = BatchPart { start, len, interval, len_before: len, ..BatchPart::default() };
    }

    /// Renders a record. If it does not belong into the file any more, it opens the next one.
    pub(super) fn put(&mut self, record: &Record<'_>, renderer: &mut dyn Renderer) {
        self.batch.is_open = true;
        let start = self.end();
        renderer.render(&mut self.text, record);
        self.records += u64::from(record.kind != Kind::Loss);
        let Some(limits) = &self.limits else { return };
        let most = limits.most_bytes();
        if (self.text.len() - start.at) as u64 > most {
            self.text.truncate(start.at);
            put_shortened(&mut self.text, record, usize::try_from(most).unwrap_or(usize::MAX), renderer);
            self.shortened += 1;
        }
        let bytes = (self.text.len() - start.at) as u64;
        if bytes > 0 {
            let opens_next = limits.opens_next(record);
            self.batch.add(start, bytes, most, limits.interval_of(record), opens_next);
        }
    }

    pub(super) fn append_batch(&mut self) -> Attempt {
        for cut in std::mem::take(&mut self.batch.cuts) {
            self.append_up_to(cut.at)?;
            self.fill(cut)?;
        }
        self.append_up_to(self.text.len())
    }

    /// Writes what the current file does not have yet of the text before `end`.
    pub(super) fn append_up_to(&mut self, end: usize) -> Attempt {
        if self.current.is_none() && end > self.base.at {
            self.open()?;
        }
        let Some(current) = &mut self.current else { return Ok(()) };
        let start = self.base.at + current.unsynced_len();
        let text = self.text.get(start..end).unwrap_or_default();
        if let Some(limits) = &self.limits {
            self.backups.enforce(limits, current.len + text.len() as u64);
        }
        current.append(text)
    }

    /// The current file is full: what comes next goes to another one.
    fn fill(&mut self, cut: Mark) -> Attempt {
        if let Some(current) = &mut self.current {
            current.sync(&*self.disk)?;
            (self.base, self.batch.has_synced) = (cut, true);
        }
        let len = if self.batch.filled.is_empty() { self.batch.len_before } else { 0 };
        if let Some((file, id)) = self.roll()? {
            self.batch.filled.push(Touched { file, id, len });
        }
        Ok(())
    }

    /// The batch is written as a whole.
    pub(super) fn keep_batch(&mut self) {
        if let Some(current) = &mut self.current {
            current.interval = self.batch.interval;
        }
        let durable = std::mem::take(&mut self.base);
        self.text.drain(..durable.at);
        self.records -= durable.records;
        self.batch = BatchPart::default();
    }

    /// Nothing of a batch stays that was not written as a whole, be it that something panicked.
    pub(super) fn take_batch_back(&mut self) {
        if !self.batch.is_open {
            return;
        }
        let batch = std::mem::take(&mut self.batch);
        // A file that is full was made durable with everything that was before the batch.
        let kept = if batch.has_synced { Mark::default() } else { batch.start };
        self.text.truncate(kept.at);
        (self.records, self.base) = (kept.records, Mark::default());
        if let Some(current) = &mut self.current {
            current.shorten(match (batch.filled.is_empty(), batch.has_synced) {
                (false, _) => 0,
                (true, true) => batch.len_before,
                (true, false) => current.synced_len + self.text.len() as u64,
            });
        }
        self.debts.extend(batch.filled);
        self.debts.drain(..self.debts.len().saturating_sub(MAX_DEBTS));
        self.settle_debts();
        // If not now, then before the next write.
        let _ = self.mend();
    }

    fn end(&self) -> Mark {
        Mark { at: self.text.len(), records: self.records }
    }

    pub(super) fn settle_debts(&mut self) {
        let Self { debts, backups, .. } = self;
        if debts.is_empty() || backups.settle().is_err() {
            return;
        }
        debts.retain_mut(|Touched { file, id, len }| {
            let cut = if *len == 0 { Ok(()) } else { file.set_len(*len) };
            cut.and_then(|()| backups.cut(*id, *len)).is_err()
        });
    }
}

// === impl BatchPart ===

impl BatchPart {
    /// A record of so many bytes came, at `start` in the text.
    fn add(&mut self, start: Mark, bytes: u64, most: u64, interval: i64, opens_next: bool) {
        let is_late = self.interval.is_some_and(|current| interval > current);
        if self.len > 0 && (self.len + bytes > most || is_late || opens_next) {
            self.cuts.push(start);
            (self.len, self.interval) = (0, None);
        }
        self.len += bytes;
        self.interval = self.interval.max(Some(interval));
    }
}
