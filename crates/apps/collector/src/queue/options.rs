//! How a queue is set up.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

/// Default of [`Options::file_bytes`].
pub const FILE_BYTES: NonZeroU64 = NonZeroU64::new(64 << 20).unwrap();

/// Default of [`Options::intake_bytes`].
pub const INTAKE_BYTES: NonZeroU64 = NonZeroU64::new(64 << 20).unwrap();

/// Default of [`Options::group_for`].
pub const GROUP_FOR: Duration = Duration::from_millis(2);

/// Default of [`Options::most_disk_percent`].
pub const MOST_DISK_PERCENT: u8 = 90;

/// Default of [`Options::remember_for`].
pub const REMEMBER_FOR: Duration = Duration::from_secs(7 * 86_400);

/// Default of [`Options::remember_settled_for`]: longer than a request that nobody waits for any more is on its way.
pub const REMEMBER_SETTLED_FOR: Duration = Duration::from_secs(300);

/// Default of [`Options::max_streams`].
pub const MAX_STREAMS: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();

/// How a queue is set up.
#[derive(Clone, Debug)]
#[must_use = "a queue is opened with it"]
pub struct Options {
    pub(super) folder: PathBuf,
    pub(super) max_bytes: u64,
    pub(super) file_bytes: u64,
    pub(super) intake_bytes: u64,
    pub(super) group_for: Duration,
    pub(super) most_disk_percent: u8,
    pub(super) remember_for: Duration,
    pub(super) remember_settled_for: Duration,
    pub(super) max_streams: usize,
}

impl Options {
    /// A queue in a folder, which takes at most `max_bytes` of the disk, with what waits in memory included.
    pub fn new(folder: impl Into<PathBuf>, max_bytes: NonZeroU64) -> Self {
        Self {
            folder: folder.into(),
            max_bytes: max_bytes.get(),
            file_bytes: FILE_BYTES.get(),
            intake_bytes: INTAKE_BYTES.get(),
            group_for: GROUP_FOR,
            most_disk_percent: MOST_DISK_PERCENT,
            remember_for: REMEMBER_FOR,
            remember_settled_for: REMEMBER_SETTLED_FOR,
            max_streams: MAX_STREAMS.get(),
        }
    }

    /// How long a file gets before the next one is begun; [`FILE_BYTES`] unless set, and at most an eighth of all that the
    /// queue may take, because only whole files are removed.
    pub fn file_bytes(mut self, bytes: NonZeroU64) -> Self {
        self.file_bytes = bytes.get();
        self
    }

    /// How much may wait in memory until it is on the disk; [`INTAKE_BYTES`] unless set.
    pub fn intake_bytes(mut self, bytes: NonZeroU64) -> Self {
        self.intake_bytes = bytes.get();
        self
    }

    /// How long a delivery waits at most for others that are synced with it, when there were others lately;
    /// [`GROUP_FOR`] unless set.
    pub fn group_for(mut self, wait: Duration) -> Self {
        self.group_for = wait;
        self
    }

    /// How full the disk may be, whoever filled it, before deliveries are refused; [`MOST_DISK_PERCENT`] unless set, 100 for as
    /// full as it gets.
    pub fn most_disk_percent(mut self, percent: u8) -> Self {
        self.most_disk_percent = percent;
        self
    }

    /// How long a stream that sends nothing is remembered; [`REMEMBER_FOR`] unless set.
    pub fn remember_for(mut self, silence: Duration) -> Self {
        self.remember_for = silence;
        self
    }

    /// How long a stream that sends nothing is remembered when its sender has said that everything of it is acknowledged;
    /// [`REMEMBER_SETTLED_FOR`] unless set, and no longer than others.
    pub fn remember_settled_for(mut self, silence: Duration) -> Self {
        self.remember_settled_for = silence;
        self
    }

    /// How many streams are remembered; [`MAX_STREAMS`] unless set. Where there are more, those are forgotten that were silent for
    /// the longest time.
    pub fn max_streams(mut self, most: NonZeroUsize) -> Self {
        self.max_streams = most.get();
        self
    }

    /// Where it is.
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    pub(super) fn file_limit(&self) -> u64 {
        self.file_bytes.min(self.max_bytes / 8).max(1)
    }

    /// The largest delivery that is ever taken.
    pub(super) fn most_at_a_time(&self) -> u64 {
        self.intake_bytes.min(self.max_bytes).min(u64::from(u32::MAX / 2))
    }
}
