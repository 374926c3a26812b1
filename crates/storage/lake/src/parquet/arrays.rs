//! Arrow arrays of the columns whose values differ from row to row.

use std::fmt::Write;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, Int64Array, TimestampMicrosecondArray};
use parquet::errors::Result;

use super::rows::{Row, Rows};
use super::schema::Column;

/// Rows that become an array at a time, few enough for it to stay in the processor's cache.
const SLICE_ROWS: usize = 8192;

/// Text after which an array ends early.
const SLICE_BYTES: usize = 1 << 20;

/// Calls `put` with one array after the other, which together are the column of `rows`.
pub(super) fn each(
    column: Column,
    file: &Rows,
    rows: &[Row],
    mut put: impl FnMut(ArrayRef) -> Result<()>,
) -> Result<()> {
    let mut slices = rows.chunks(SLICE_ROWS);
    match column {
        Column::Ts => slices.try_for_each(|rows| put(times(rows))),
        Column::Seq => slices.try_for_each(|rows| put(seqs(file, rows))),
        Column::DurationUs => slices.try_for_each(|rows| put(durations(file, rows))),
        Column::Key => texts(rows, put, |text, row| put_key(text, file, row)),
        Column::Message => texts(rows, put, |text, row| text.append_value(file.messages.get(row.message))),
        _ => texts(rows, put, |text, row| text.append_value(file.fields.get(row.fields))),
    }
}

fn times(rows: &[Row]) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(|row| row.ts_us)).with_timezone("UTC"))
}

fn seqs(file: &Rows, rows: &[Row]) -> ArrayRef {
    let seq = |row: &Row| file.tables.key_of(row.task).map(|_| row.seq as i64);
    Arc::new(rows.iter().map(seq).collect::<Int64Array>())
}

fn durations(file: &Rows, rows: &[Row]) -> ArrayRef {
    let duration = |row: &Row| file.ends.get(row.end as usize).map(|end| end.duration_us);
    Arc::new(rows.iter().map(duration).collect::<Int64Array>())
}

fn texts(
    mut rows: &[Row],
    mut put: impl FnMut(ArrayRef) -> Result<()>,
    append: impl Fn(&mut StringBuilder, &Row),
) -> Result<()> {
    while !rows.is_empty() {
        let mut text = StringBuilder::with_capacity(SLICE_ROWS.min(rows.len()), SLICE_BYTES);
        let mut taken = 0;
        for row in rows.iter().take(SLICE_ROWS) {
            append(&mut text, row);
            taken += 1;
            if text.values_slice().len() >= SLICE_BYTES {
                break;
            }
        }
        put(Arc::new(text.finish()))?;
        rows = &rows[taken..];
    }
    Ok(())
}

/// `<seq>@<task key>`
fn put_key(text: &mut StringBuilder, file: &Rows, row: &Row) {
    let Some(key) = file.tables.key_of(row.task) else {
        return text.append_null();
    };
    // Writing to a builder cannot fail.
    let _ = text.write_str(itoa::Buffer::new().format(row.seq)).and_then(|()| text.write_str("@"));
    text.append_value(file.tables.key_text(key));
}
