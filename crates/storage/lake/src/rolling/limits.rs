//! When a file rolls, and how much is kept of what was rolled.

use std::num::NonZeroU64;
use std::time::Duration;

use spanlake_core::Record;

/// Default of [`RollingFileSink::max_files`](super::RollingFileSink::max_files).
pub const DEFAULT_MAX_FILES: NonZeroU64 = NonZeroU64::new(10).unwrap();

/// Of a limit for all files, the part that one file may take where nobody said how long it may get.
const FILE_SHARE: u64 = 4;

/// How often a file rolls, by the UTC time of the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Every {
    /// At the full minute.
    Minute,
    /// At the full hour.
    Hour,
    /// At midnight.
    Day,
    /// At multiples of so many seconds since the Unix epoch.
    Seconds(NonZeroU64),
}

/// The limits of one name's files.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) max_bytes: Option<NonZeroU64>,
    pub(super) every: Option<Every>,
    pub(super) max_files: NonZeroU64,
    pub(super) max_total_bytes: Option<NonZeroU64>,
    pub(super) max_age: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        let max_files = DEFAULT_MAX_FILES;
        Self { max_bytes: None, every: None, max_files, max_total_bytes: None, max_age: None }
    }
}

impl Limits {
    /// How long one file may get.
    pub(super) fn most_bytes(&self) -> u64 {
        let total = self.max_total_bytes.map(NonZeroU64::get);
        let own = self.max_bytes.map(NonZeroU64::get).or(total.map(|total| (total / FILE_SHARE).max(1)));
        own.unwrap_or(u64::MAX).min(total.unwrap_or(u64::MAX))
    }

    /// Which interval a moment lies in; the same one for all where time rolls nothing.
    pub(super) fn interval(&self, ts_us: i64) -> i64 {
        self.every.map_or(0, |every| ts_us.div_euclid(every.micros()))
    }

    pub(super) fn interval_of(&self, record: &Record<'_>) -> i64 {
        self.interval(record.ts_us())
    }
}

impl Every {
    fn micros(self) -> i64 {
        let seconds = match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
            Self::Seconds(seconds) => seconds.get(),
        };
        i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000)
    }
}
