//! Leaving out what cannot hold a wanted record: row groups by statistics and bloom filter, rows by cheap columns.

use std::fs::File;

use arrow_array::cast::AsArray;
use arrow_array::{Array, BinaryArray, BooleanArray, RecordBatch};
use arrow_schema::{ArrowError, DataType, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowPredicateFn, ArrowReaderMetadata, ParquetRecordBatchReaderBuilder, RowFilter};
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;
use spanlake_core::TaskKey;

use super::columns::{Numbers, Texts};
use crate::filter::Filter;
use crate::row::parse_level;

/// The earliest moment of a file; `None` when the statistics do not tell.
pub(super) fn first_us(metadata: &ArrowReaderMetadata) -> Option<i64> {
    let units = us_per(metadata);
    let firsts = metadata.metadata().row_groups().iter().map(|group| Some(times_us(group, units?)?.0));
    firsts.min().flatten()
}

/// The row groups that may hold a wanted record.
pub(super) fn row_groups(builder: &ParquetRecordBatchReaderBuilder<File>, filter: &Filter) -> Vec<usize> {
    let units = builder.schema().field_with_name("ts").ok().and_then(|field| unit_us(field.data_type()));
    let groups = builder.metadata().row_groups().iter().enumerate();
    let may_hold = |(number, group): &(usize, &RowGroupMetaData)| {
        let time = units.and_then(|units| times_us(group, units));
        let in_time = time.is_none_or(|(first, last)| filter.overlaps_time(first, last));
        in_time && filter.task_key().is_none_or(|task| may_hold_task(builder, *number, group, task))
    };
    groups.filter(may_hold).map(|(number, _)| number).collect()
}

/// Looks at time, task and level first, so that the other columns are decoded only for rows that pass. It may let too
/// much pass; the filter itself is asked again.
pub(super) fn row_filter(metadata: &ArrowReaderMetadata, filter: &Filter) -> Option<RowFilter> {
    let has = |name: &str| metadata.schema().field_with_name(name).is_ok();
    let wanted = [
        ("ts", filter.has_time()),
        ("path_key", filter.task_key().is_some()),
        ("level", filter.least_level().is_some()),
    ];
    let columns: Vec<_> =
        wanted.into_iter().filter(|(name, wanted)| *wanted && has(name)).map(|(name, _)| name).collect();
    if columns.is_empty() {
        return None;
    }
    let filter = filter.clone();
    let mask = ProjectionMask::columns(metadata.parquet_schema(), columns);
    let predicate = ArrowPredicateFn::new(mask, move |batch| Ok::<_, ArrowError>(passing(&batch, &filter)));
    Some(RowFilter::new(vec![Box::new(predicate)]))
}

fn passing(batch: &RecordBatch, filter: &Filter) -> BooleanArray {
    let times = Numbers::times_us(batch.column_by_name("ts"));
    let levels = Texts::new(batch.column_by_name("level"));
    let keys = batch.column_by_name("path_key").and_then(|keys| keys.as_binary_opt::<i32>());
    let top = filter.task_key().map(TaskKey::path_key);
    let passes = |row: usize| {
        times.at(row).is_none_or(|ts_us| filter.in_time(ts_us))
            && levels.at(row).and_then(parse_level).is_none_or(|level| filter.at_level(level))
            && keys.zip(top.as_deref()).is_none_or(|(keys, top)| is_below(keys, row, top))
    };
    (0..batch.num_rows()).map(|row| Some(passes(row))).collect()
}

fn is_below(keys: &BinaryArray, row: usize, top: &[u8]) -> bool {
    keys.is_valid(row) && keys.value(row).starts_with(top)
}

/// A subtree is one range of path keys. The roots of a row group are random numbers, so that its range tells little
/// when it holds many tasks; then the bloom filter of the roots tells more.
fn may_hold_task(
    builder: &ParquetRecordBatchReaderBuilder<File>,
    number: usize,
    group: &RowGroupMetaData,
    task: &TaskKey,
) -> bool {
    let (_, path_keys) = column(group, "path_key").unzip();
    if !path_keys.is_none_or(|path_keys| may_hold_path(path_keys, &task.path_key())) {
        return false;
    }
    let bloom =
        column(group, "root").and_then(|(root, _)| builder.get_row_group_column_bloom_filter(number, root).ok()?);
    bloom.is_none_or(|bloom| bloom.check(&task.trace_id()[..]))
}

/// Bounds may be shortened: the lower one is then lower, the upper one higher than any value. Deprecated bounds were
/// made in another order.
fn may_hold_path(chunk: &ColumnChunkMetaData, top: &[u8]) -> bool {
    let Some(bounds) = chunk.statistics().filter(|bounds| !bounds.is_min_max_deprecated()) else { return true };
    let begins_in_time = bounds.min_bytes_opt().is_none_or(|least| least <= top || least.starts_with(top));
    begins_in_time && bounds.max_bytes_opt().is_none_or(|most| most >= top)
}

fn times_us(group: &RowGroupMetaData, (factor, divisor): (i64, i64)) -> Option<(i64, i64)> {
    let (_, chunk) = column(group, "ts")?;
    let Some(Statistics::Int64(bounds)) = chunk.statistics() else { return None };
    let us = |time: &i64| time.saturating_mul(factor).div_euclid(divisor);
    Some((us(bounds.min_opt()?), us(bounds.max_opt()?)))
}

fn us_per(metadata: &ArrowReaderMetadata) -> Option<(i64, i64)> {
    unit_us(metadata.schema().field_with_name("ts").ok()?.data_type())
}

/// By what to multiply and divide a moment to have microseconds.
fn unit_us(data_type: &DataType) -> Option<(i64, i64)> {
    match data_type {
        DataType::Timestamp(TimeUnit::Millisecond, _) => Some((1_000, 1)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => Some((1, 1)),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => Some((1, 1_000)),
        _ => None,
    }
}

fn column<'a>(group: &'a RowGroupMetaData, name: &str) -> Option<(usize, &'a ColumnChunkMetaData)> {
    group.columns().iter().enumerate().find(|(_, chunk)| chunk.column_path().string() == name)
}
