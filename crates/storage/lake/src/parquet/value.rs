//! Values of dictionary columns: how they are stored, and their bounds.

use std::borrow::Cow;

use parquet::data_type::{ByteArray, FixedLenByteArray};
use parquet::file::statistics::{Statistics, ValueStatistics};
use spanlake_core::key::MAX_DEPTH;

/// A value of a dictionary.
pub(super) trait Value: Ord {
    /// Appends the value as dictionary pages hold it.
    fn put(&self, page: &mut Vec<u8>);

    /// Statistics over the smallest and the largest value.
    fn statistics(bounds: Option<(&Self, &Self)>, nulls: u64) -> Statistics;
}

/// A bound that is longer is left out of the statistics. The longest path key fits.
const MAX_BOUND_BYTES: usize = 16 + 4 * MAX_DEPTH;

impl Value for Cow<'_, [u8]> {
    fn put(&self, page: &mut Vec<u8>) {
        page.extend_from_slice(&(self.len() as u32).to_le_bytes());
        page.extend_from_slice(self);
    }

    fn statistics(bounds: Option<(&Self, &Self)>, nulls: u64) -> Statistics {
        let bounds = bounds.filter(|(min, max)| min.len().max(max.len()) <= MAX_BOUND_BYTES);
        let bound = |bytes: &Self| ByteArray::from(bytes.to_vec());
        let (min, max) = bounds.map(|(min, max)| (bound(min), bound(max))).unzip();
        Statistics::ByteArray(ValueStatistics::new(min, max, None, Some(nulls), false))
    }
}

impl Value for [u8; 16] {
    fn put(&self, page: &mut Vec<u8>) {
        page.extend_from_slice(self);
    }

    fn statistics(bounds: Option<(&Self, &Self)>, nulls: u64) -> Statistics {
        let bound = |bytes: &Self| FixedLenByteArray::from(bytes.to_vec());
        let (min, max) = bounds.map(|(min, max)| (bound(min), bound(max))).unzip();
        Statistics::FixedLenByteArray(ValueStatistics::new(min, max, None, Some(nulls), false))
    }
}

impl Value for i32 {
    fn put(&self, page: &mut Vec<u8>) {
        page.extend_from_slice(&self.to_le_bytes());
    }

    fn statistics(bounds: Option<(&Self, &Self)>, nulls: u64) -> Statistics {
        let (min, max) = bounds.unzip();
        Statistics::Int32(ValueStatistics::new(min.copied(), max.copied(), None, Some(nulls), false))
    }
}

impl Value for i64 {
    fn put(&self, page: &mut Vec<u8>) {
        page.extend_from_slice(&self.to_le_bytes());
    }

    fn statistics(bounds: Option<(&Self, &Self)>, nulls: u64) -> Statistics {
        let (min, max) = bounds.unzip();
        Statistics::Int64(ValueStatistics::new(min.copied(), max.copied(), None, Some(nulls), false))
    }
}
