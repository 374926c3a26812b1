//! When a file rolls, and how much is kept of what was rolled.

use std::num::NonZeroU64;
use std::time::Duration;

use spanlake_core::{Kind, Record, observed};

/// Default of [`RollingFileSink::max_files`](super::RollingFileSink::max_files).
pub const DEFAULT_MAX_FILES: NonZeroU64 = NonZeroU64::new(10).unwrap();

/// Of a limit for all files, the part that one file may take where nobody said how long it may get.
const FILE_SHARE: u64 = 4;

/// How often a file rolls: by the UTC time of the records, or by what begins with them.
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
    /// At the line that says that an observed object enters, in no other one: it stands at `DEBUG`, so that the sink has to
    /// take that level.
    Run,
    /// At the begin of a root task.
    RootTask,
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
        self.every.and_then(Every::micros).map_or(0, |micros| ts_us.div_euclid(micros))
    }

    /// Whether a record opens the next file, whatever its time.
    pub(super) fn opens_next(&self, record: &Record<'_>) -> bool {
        match self.every {
            Some(Every::Run) => observed::starts_run(record),
            Some(Every::RootTask) => {
                record.kind == Kind::Begin && record.task.as_deref().is_some_and(|task| task.key.depth() == 0)
            }
            _ => false,
        }
    }

    pub(super) fn interval_of(&self, record: &Record<'_>) -> i64 {
        self.interval(record.ts_us())
    }
}

impl Every {
    /// How long the interval is; `None` where time does not count.
    fn micros(self) -> Option<i64> {
        let seconds = match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
            Self::Seconds(seconds) => seconds.get(),
            Self::Run | Self::RootTask => return None,
        };
        Some(i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000))
    }
}
