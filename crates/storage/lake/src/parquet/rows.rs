//! The rows of a file that is not written yet, each a few numbers.

use spanlake_core::record::level_code;
use spanlake_core::render::put_record_fields;
use spanlake_core::{End, Kind, Outcome, Record};

use super::tables::Tables;
use super::texts::Lines;

/// What a file will hold.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) rows: Vec<Row>,
    pub(super) ends: Vec<EndRow>,
    pub(super) tables: Tables,
    pub(super) messages: Lines,
    pub(super) fields: Lines,
    /// The fields of one record, kept for its memory.
    scratch: Vec<u8>,
}

/// One record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) ts_us: i64,
    pub(super) seq: u64,
    pub(super) task: u32,
    pub(super) callsite: u32,
    pub(super) source: u32,
    pub(super) message: u32,
    pub(super) fields: u32,
    /// [`NONE`] unless the record is an end.
    pub(super) end: u32,
    pub(super) level: u8,
    pub(super) kind: u8,
}

/// What only ends have.
#[derive(Clone, Copy, Debug)]
pub(super) struct EndRow {
    pub(super) outcome: Outcome,
    pub(super) duration_us: i64,
    pub(super) error: Option<u32>,
}

/// In place of a row's number: there is none.
pub(super) const NONE: u32 = u32::MAX;

// === impl Rows ===

impl Rows {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// How many rows are records that callers made; statements of loss are not.
    pub(super) fn records(&self) -> u64 {
        self.rows.iter().filter(|row| row.kind != Kind::Loss as u8).count() as u64
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// About how much memory the rows take.
    pub(super) fn bytes(&self) -> usize {
        let rows = self.rows.len() * size_of::<Row>() + self.ends.len() * size_of::<EndRow>();
        rows + self.messages.bytes() + self.fields.bytes() + self.tables.bytes()
    }

    /// Begins the next file, in the memory of this one.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
        self.ends.clear();
        self.tables.clear();
        self.messages.clear();
        self.fields.clear();
    }

    /// Forgets what was known of the objects of the batch before.
    pub(super) fn start_batch(&mut self) {
        self.tables.start_batch();
    }

    #[inline]
    pub(super) fn push(&mut self, record: &Record<'_>) {
        let callsite = match record.callsite {
            Some(callsite) => self.tables.callsite(callsite),
            None => self.tables.no_callsite(record.target()),
        };
        self.scratch.clear();
        put_record_fields(&mut self.scratch, record);
        // Core renders text; what is none would be a defect of its, and no reason to lose the row.
        let fields = str::from_utf8(&self.scratch).unwrap_or("{}");
        let row = Row {
            ts_us: record.ts_us(),
            seq: record.seq,
            task: match record.task.as_deref() {
                Some(task) => self.tables.task(task),
                None => self.tables.no_task(),
            },
            callsite,
            source: self.tables.source(record.source),
            message: self.messages.number(callsite, &record.message),
            fields: self.fields.number(callsite, fields),
            end: record.end().map_or(NONE, |end| push_end(&mut self.ends, &mut self.tables, end)),
            level: level_code(record.level),
            kind: record.kind as u8,
        };
        self.rows.push(row);
    }

    /// Puts the rows into the order of the file: by task in tree order, within a task by `seq`; those outside any task
    /// at the end, by time.
    pub(super) fn sort(&mut self) {
        let tables = &self.tables;
        let mut by_key: Vec<u32> = (0..tables.key_count() as u32).collect();
        by_key.sort_unstable_by_key(|key| tables.path_key(*key));
        let mut ranks = vec![0; by_key.len()];
        for (rank, key) in (0u32..).zip(by_key) {
            ranks[key as usize] = rank;
        }
        let rank_of = |row: &Row| ranks.get(tables.key_of(row.task)? as usize).copied();
        self.rows.sort_by_key(|row| match rank_of(row) {
            Some(rank) => (rank, row.seq, row.ts_us),
            None => (NONE, 0, row.ts_us),
        });
    }
}

fn push_end(ends: &mut Vec<EndRow>, tables: &mut Tables, end: &End<'_>) -> u32 {
    let error = end.error_text().map(|error| tables.words.number(&error));
    ends.push(EndRow { outcome: end.outcome, duration_us: end.duration_us(), error });
    ends.len() as u32 - 1
}
