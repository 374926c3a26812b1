//! Dictionary columns, written straight from numbers.
//!
//! Rows refer to nearly everything by number already. The library's column writers take texts: they would hash each
//! row's text and compare it for the statistics, 215 to 300 ns a row over the columns of a record, where an index
//! costs one or two. So these pages are laid out here, and handed to the library as finished column chunks.

use parquet::errors::Result;
use parquet::schema::types::ColumnDescPtr;

use super::chunk::{Chunk, Pages, Zstd};
use super::hybrid::{Run, put_hybrid, width_of};
use super::value::Value;

/// A column's rows as numbers of its values.
#[derive(Debug)]
pub(super) struct Indexes {
    rows: u32,
    /// What the dictionary holds, by the numbers that the caller gave, in order of first use.
    pub(super) values: Vec<u32>,
    /// The rows that have a value: positions in `values`.
    indexes: Vec<Run>,
    /// Which rows have one: 1, or 0 for none.
    levels: Vec<Run>,
}

/// No place in the dictionary yet.
const UNUSED: u32 = u32::MAX;

// === impl Indexes ===

impl Indexes {
    /// Gives every number that occurs its place in the dictionary. `rows` are numbers and how many rows in succession
    /// have them, all below `numbers`; `None` for rows without a value.
    pub(super) fn new(rows: impl Iterator<Item = (Option<u32>, u32)>, numbers: usize) -> Self {
        let mut indexes = Self { rows: 0, values: Vec::new(), indexes: Vec::new(), levels: Vec::new() };
        let mut places = vec![UNUSED; numbers];
        for (number, count) in rows {
            indexes.rows += count;
            push_run(&mut indexes.levels, u32::from(number.is_some()), count);
            if let Some(number) = number {
                let place = &mut places[number as usize];
                if *place == UNUSED {
                    *place = indexes.values.len() as u32;
                    indexes.values.push(number);
                }
                push_run(&mut indexes.indexes, *place, count);
            }
        }
        indexes
    }

    /// Whether looking values up in a dictionary takes less than having each in its row.
    pub(super) fn pays(&self) -> bool {
        self.values.len() as u32 <= self.rows / 4
    }

    /// The column chunk, whose values `value` gives by number.
    pub(super) fn chunk<V: Value>(
        &self,
        column: ColumnDescPtr,
        value: impl Fn(u32) -> V,
        zstd: &mut Zstd,
    ) -> Result<Chunk> {
        let values: Vec<V> = self.values.iter().map(|number| value(*number)).collect();
        let nulls = self.levels.iter().filter(|run| run.value == 0).map(|run| u64::from(run.count)).sum();
        let pages = Pages {
            statistics: V::statistics(values.iter().min().zip(values.iter().max()), nulls),
            dictionary: dictionary_page(&values),
            values: values.len() as u32,
            data: self.data_page(),
            rows: self.rows,
        };
        pages.chunk(column, zstd)
    }

    fn data_page(&self) -> Vec<u8> {
        let mut page = vec![0; 4];
        put_hybrid(&mut page, 1, self.levels.iter().copied());
        let levels_len = (page.len() - 4) as u32;
        page[..4].copy_from_slice(&levels_len.to_le_bytes());
        if !self.values.is_empty() {
            let width = width_of(self.values.len());
            page.push(width as u8);
            put_hybrid(&mut page, width, self.indexes.iter().copied());
        }
        page
    }
}

fn dictionary_page<V: Value>(values: &[V]) -> Vec<u8> {
    let mut page = Vec::new();
    values.iter().for_each(|value| value.put(&mut page));
    page
}

fn push_run(runs: &mut Vec<Run>, value: u32, count: u32) {
    match runs.last_mut() {
        Some(last) if last.value == value => last.count += count,
        _ => runs.push(Run { value, count }),
    }
}
