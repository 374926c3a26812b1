//! The sinks of a file, each with what belongs to it alone.

use std::num::{NonZeroU64, NonZeroUsize};

use spanlake_config::settings::{self, Sink, SinkKind};
use spanlake_config::{Settings, Size, made};
use spanlake_core::{Error, LevelFilter, Pipe};
#[cfg(feature = "parquet")]
use spanlake_lake::ParquetSink;
use spanlake_lake::{JsonlSink, Keeper, NullSink, StreamSink, SystemLogSink};

use super::processors::steps;

type Made = Box<dyn spanlake_core::Sink>;

/// All pipes that are to be made, which open nothing before the first record comes.
pub(super) struct Sinks<'a> {
    pub(super) settings: &'a Settings,
    pub(super) keeper: &'a Keeper,
    /// The most verbose level that is recorded when nobody turns it up.
    pub(super) base: LevelFilter,
}

impl Sinks<'_> {
    /// Whether a sink only stands in for another one.
    pub(super) fn is_fallback(&self, name: &str) -> bool {
        let fallbacks = self.settings.sinks.iter().filter_map(|(_, sink)| sink.common.fallback.as_ref());
        fallbacks.into_iter().any(|fallback| fallback.as_str() == name)
    }

    /// The pipe to a sink. None where the program was built without it, and the file did not ask for it.
    pub(super) fn pipe(&self, name: &str, sink: &Sink) -> Result<Option<Pipe>, Error> {
        let Some(made) = self.make(sink)? else {
            return Ok(None);
        };
        let common = &sink.common;
        let pipe = Pipe::to(made).named(name).level(self.level(sink)).processor(steps(&common.processors)?);
        let pipe = common.backlog.iter().fold(pipe, |pipe, size| pipe.backlog_bytes(memory(*size)));
        let fallback = common.fallback.as_ref().and_then(|name| self.settings.sinks.get(name));
        let fallback = fallback.map(|fallback| self.make(fallback)).transpose()?.flatten();
        Ok(Some(fallback.into_iter().fold(pipe, Pipe::fallback)))
    }

    /// What a sink takes. Whatever is turned up while the program runs is for sinks that are not watched and set no level,
    /// unless these are to have less than a console.
    pub(super) fn level(&self, sink: &Sink) -> LevelFilter {
        let level = self.settings.level_of(sink);
        let is_open = sink.common.level.is_none() && !sink.is_console() && level >= self.base;
        if is_open { LevelFilter::TRACE } else { level }
    }

    fn make(&self, sink: &Sink) -> Result<Option<Made>, Error> {
        let (lake, partition) = (self.settings.lake.path.as_str(), self.settings.lake.partition.clone());
        let (keeper, level) = (self.keeper, self.level(sink));
        Ok(Some(match &sink.kind {
            SinkKind::Stderr(stream) => stream_to(StreamSink::stderr(), stream, level)?,
            SinkKind::Stdout(stream) => stream_to(StreamSink::stdout(), stream, level)?,
            SinkKind::Jsonl(jsonl) => {
                let sink = JsonlSink::new(lake).level(level).partition(partition).keeper(keeper);
                Box::new(sink.max_file_bytes(jsonl.max_file.non_zero()).max_unsynced_bytes(memory(jsonl.max_unsynced)))
            }
            SinkKind::SystemLog(log) => {
                let sink = SystemLogSink::new(lake).level(level).partition(partition).keeper(keeper);
                Box::new(sink.max_file_bytes(log.max_file.non_zero()).max_unsynced_bytes(memory(log.max_unsynced)))
            }
            #[cfg(feature = "parquet")]
            SinkKind::Parquet(parquet) => {
                let sink = ParquetSink::new(lake).level(level).partition(partition).keeper(keeper);
                let sink = sink.max_buffered_bytes(memory(parquet.max_buffered)).max_age(parquet.max_age);
                Box::new(sink.max_file_rows(rows(parquet.max_file_rows)).row_group_rows(rows(parquet.row_group_rows)))
            }
            SinkKind::File(asked) => Box::new(made::file(asked)?.level(level)),
            SinkKind::RollingFile(asked) => Box::new(made::rolling(asked)?.level(level)),
            SinkKind::Null => Box::new(NullSink::new().level(level)),
            _ => return Ok(None),
        }))
    }
}

fn stream_to(sink: StreamSink, stream: &settings::StreamSink, level: LevelFilter) -> Result<Made, Error> {
    Ok(Box::new(sink.level(level).renderer(made::renderer(&stream.renderer)?)))
}

// === numbers ===

/// As much of it as there can be memory.
pub(super) fn memory(size: Size) -> NonZeroUsize {
    rows(size.non_zero())
}

fn rows(number: NonZeroU64) -> NonZeroUsize {
    NonZeroUsize::try_from(number).unwrap_or(NonZeroUsize::MAX)
}
