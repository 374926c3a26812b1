//! Reading Parquet files: row groups that cannot hold a wanted record are not read, and a broken file stops nothing.

mod columns;
mod prune;

use std::cell::Cell;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use spanlake_core::OwnedRecord;

use crate::damage::Damages;
use crate::filter::Filter;
use columns::Batch;

/// Rows decoded at once. A row may hold two bodies of a mebibyte each, and a batch of texts at most two gibibytes.
const BATCH_ROWS: usize = 1024;

/// The records of one Parquet file.
pub(crate) struct ParquetReader {
    batches: Option<ParquetRecordBatchReader>,
    batch: Batch,
    filter: Arc<Filter>,
    damages: Damages,
}

impl ParquetReader {
    pub(crate) fn open(path: &Path, filter: Arc<Filter>) -> Self {
        let mut damages = Damages::of(path);
        let batches = guarded(|| open_batches(path, &filter));
        let batches = batches.map_err(|reason| damages.file(reason)).ok();
        Self { batches, batch: Batch::default(), filter, damages }
    }

    pub(crate) fn damages(&mut self) -> &mut Damages {
        &mut self.damages
    }

    /// Decodes the next batch; `false` when there is none.
    fn advance(&mut self) -> bool {
        let Some(batches) = &mut self.batches else { return false };
        match guarded(|| batches.next().transpose().map_err(|error| error.to_string())) {
            Ok(Some(batch)) => {
                self.batch = Batch::new(&batch);
                return true;
            }
            Ok(None) => {}
            Err(reason) => self.damages.file(reason),
        }
        self.batches = None;
        false
    }
}

impl Iterator for ParquetReader {
    type Item = OwnedRecord;

    fn next(&mut self) -> Option<OwnedRecord> {
        loop {
            if self.batch.is_used_up() && !self.advance() {
                return None;
            }
            match self.batch.next_row() {
                Some(Ok(row)) if self.filter.admits_columns(&row.columns()) => return Some(row.into_record()),
                Some(Ok(_)) | None => {}
                Some(Err(reason)) => self.damages.row(|| reason),
            }
        }
    }
}

/// When the first record of a file was recorded, as its statistics tell.
pub(crate) fn first_us(path: &Path) -> Option<i64> {
    let first = guarded(|| {
        let metadata = load(&File::open(path).map_err(|error| error.to_string())?)?;
        Ok(prune::first_us(&metadata))
    });
    first.ok().flatten()
}

fn open_batches(path: &Path, filter: &Filter) -> Result<ParquetRecordBatchReader, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let metadata = load(&file)?;
    let projection = ProjectionMask::columns(metadata.parquet_schema(), columns::READ);
    let row_filter = prune::row_filter(&metadata, filter);
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata);
    let row_groups = prune::row_groups(&builder, filter);
    let builder = builder.with_batch_size(BATCH_ROWS).with_projection(projection).with_row_groups(row_groups);
    let builder = match row_filter {
        Some(row_filter) => builder.with_row_filter(row_filter),
        None => builder,
    };
    builder.build().map_err(|error| error.to_string())
}

/// The types are those of the Parquet schema: what else Arrow wrote beside it, such as dictionaries, is not followed,
/// so that there are few types, whoever wrote the file.
fn load(file: &File) -> Result<ArrowReaderMetadata, String> {
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    ArrowReaderMetadata::load(file, options).map_err(|error| error.to_string())
}

/// Whether this thread is inside the Parquet decoder, which may panic on a file that was made to break it. Such a panic
/// is caught and told as a [`Damage`](crate::Damage); a panic hook may keep quiet about it.
pub fn is_decoding() -> bool {
    DECODING.get()
}

thread_local! {
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Runs the decoder.
pub(crate) fn guarded<T>(run: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    DECODING.set(true);
    let result = catch_unwind(AssertUnwindSafe(run));
    DECODING.set(false);
    result.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("the Parquet decoder panicked: {}", text.unwrap_or("no reason given")))
    })
}
