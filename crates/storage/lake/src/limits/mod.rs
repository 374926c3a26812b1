//! Limits of a lake: how much of a disk its logs take, how old they get, and how fast they grow.

mod keeper;
mod tenant;
mod survey;
mod book;
mod hour;
mod budget;

pub(crate) use keeper::Writing;
pub use keeper::{Keeper, LIVE_FOR};
pub(crate) use tenant::Tenant;

use std::num::NonZeroU64;
use std::time::Duration;

/// Default of [`Limits::look_every`].
pub const DEFAULT_LOOK_EVERY: Duration = Duration::from_secs(10);

/// Limits of a lake's logs, whichever is reached first. Without a setting there is no limit.
///
/// | setting | default | what happens |
/// |---|---|---|
/// | [`max_total_bytes`](Self::max_total_bytes) | none | the oldest files are deleted |
/// | [`max_files`](Self::max_files) | none | the oldest files are deleted |
/// | [`max_age`](Self::max_age) | none | older files are deleted |
/// | [`max_bytes_per_hour`](Self::max_bytes_per_hour) | none | records are dropped, the least severe first |
/// | [`look_every`](Self::look_every) | [`DEFAULT_LOOK_EVERY`]: 10 s | |
///
/// A [`Keeper`] enforces them for the sinks that it is given to. How long a single log gets is a setting of its sink.
///
/// # Which files count
///
/// Those that a sink could have written, of any process: files with the name of a [`LakeFile`](crate::LakeFile) and the
/// extension `jsonl` below `debug_json/records/`, `log` below `debug_json/system_log/`, `parquet` below
/// `analyst/records/`. Nothing else in the lake counts or is deleted: no hidden drafts, no spools, no tables of runs, no
/// files that people put there.
///
/// # Which files go
///
/// The one that was changed longest ago goes first; among those of one process and partition, the JSON lines before the
/// Parquet, which holds the same records and is smaller. As long as any JSON lines of a process and partition are left,
/// a reader takes those; when all are gone, it takes the Parquet. A folder that becomes empty goes too.
///
/// A file that is being written stays, whatever the limits say. Of its own files a process knows. A log of another
/// process is taken to be one if it was changed within [`LIVE_FOR`]: sinks touch what they hold open more often than
/// that, also when there is nothing to write. What a sink holds open and has not written to for some minutes, it closes
/// when later records went elsewhere, to the partition of another day for instance.
///
/// A file that somebody else deletes at the same time is no error. One that cannot be deleted is passed over until the
/// next look; the failure shows in the [`Report`](spanlake_core::Report), and writing goes on. Deleting needs no room on
/// the disk. What was deleted is counted in [`SinkReport::deleted`](spanlake_core::SinkReport::deleted).
///
/// # How exact they are
///
/// Room is made before a batch is written and before a Parquet file is shown. What the sinks of a keeper wrote is known
/// at once, what other processes wrote at the next look: `max_total_bytes` and `max_files` hold after every write of this
/// process, but for
///
/// - what others wrote since the last look, and a Parquet file while it is still a draft;
/// - what may not be deleted: files that are being written, what other processes appended to logs within [`LIVE_FOR`],
///   and the batch itself where it is longer than the limit. With `max_total_bytes` a log is therefore followed by the
///   next one early enough that all files that are being written take about half of the limit at most.
///
/// Age is looked at when the lake is: a file may get older by `look_every`, and by as long as nothing is written.
///
/// ```
/// use std::num::NonZeroU64;
/// use std::time::Duration;
/// use spanlake_lake::Limits;
///
/// let gibibyte = NonZeroU64::new(1 << 30).unwrap();
/// let limits = Limits::new().max_total_bytes(gibibyte).max_age(Duration::from_secs(30 * 86_400));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "limits do nothing until a keeper has them"]
pub struct Limits {
    max_total_bytes: Option<NonZeroU64>,
    max_files: Option<NonZeroU64>,
    max_age: Option<Duration>,
    max_bytes_per_hour: Option<NonZeroU64>,
    look_every: Duration,
}

impl Limits {
    /// No limits.
    pub fn new() -> Self {
        Self {
            max_total_bytes: None,
            max_files: None,
            max_age: None,
            max_bytes_per_hour: None,
            look_every: DEFAULT_LOOK_EVERY,
        }
    }

    /// Most bytes that the lake's logs have together, by the lengths of the files.
    pub fn max_total_bytes(mut self, bytes: NonZeroU64) -> Self {
        self.max_total_bytes = Some(bytes);
        self
    }

    /// Most files that the lake's logs consist of.
    pub fn max_files(mut self, files: NonZeroU64) -> Self {
        self.max_files = Some(files);
        self
    }

    /// How long a file is kept after it was changed last.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Most bytes that the sinks of one keeper write to the lake in an hour of the clock, UTC. The nearer they come, the
    /// more severe a record has to be:
    ///
    /// | written, of what is allowed | what is dropped |
    /// |---|---|
    /// | 50 % | `TRACE` |
    /// | 70 % | and `DEBUG` |
    /// | 85 % | and `INFO` |
    /// | 95 % | and `WARN` |
    /// | all of it | and `ERROR` |
    ///
    /// Begins are dropped by their level as events are. An end is dropped only when its task's begin was and nothing of
    /// the task was written since, so that no task stands in the lake without its end. What is dropped counts as lost with
    /// cause [`Budget`](spanlake_core::Cause::Budget) and is stated in the stream. It is dropped in front of *all* sinks of
    /// the capture layer, so that all tell the same; a console that shall show everything belongs to a layer of its own.
    ///
    /// What is exceeded: by one batch, of at most 512 records, in each log; by the Parquet file for what was taken before;
    /// by ends of tasks whose begins are in the lake; by statements of loss. Within any 60 minutes two hours of the clock
    /// have their share. A process that is started anew begins anew.
    pub fn max_bytes_per_hour(mut self, bytes: NonZeroU64) -> Self {
        self.max_bytes_per_hour = Some(bytes);
        self
    }

    /// How often a keeper that has something to write looks through the lake for what other processes wrote. Where
    /// looking takes long it looks less often, to spend a hundredth of its time on it; with zero it looks before every
    /// write.
    pub fn look_every(mut self, interval: Duration) -> Self {
        self.look_every = interval;
        self
    }

    /// Whether one of the limits is kept by deleting files.
    fn deletes(&self) -> bool {
        self.max_total_bytes.is_some() || self.max_files.is_some() || self.max_age.is_some()
    }
}

/// No limits.
impl Default for Limits {
    fn default() -> Self {
        Self::new()
    }
}
