//! The sinks of a file, each with what belongs to it alone.

use std::num::{NonZeroU64, NonZeroUsize};

use spanlake_config::settings::{self, FileSink as File, RollingFileSink as Rolling, Sink, SinkKind};
use spanlake_config::{Settings, Size};
use spanlake_core::{Error, LevelFilter, Pipe};
#[cfg(feature = "parquet")]
use spanlake_lake::ParquetSink;
use spanlake_lake::{
    Every, Existing, FileSink, JsonlSink, Keeper, NullSink, RollingFileSink, StreamSink, SystemLogSink,
};

use super::processors::steps;
use super::render::renderer;

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
                Box::new(sink.max_file_bytes(bytes(jsonl.max_file)).max_unsynced_bytes(memory(jsonl.max_unsynced)))
            }
            SinkKind::SystemLog(log) => {
                let sink = SystemLogSink::new(lake).level(level).partition(partition).keeper(keeper);
                Box::new(sink.max_file_bytes(bytes(log.max_file)).max_unsynced_bytes(memory(log.max_unsynced)))
            }
            #[cfg(feature = "parquet")]
            SinkKind::Parquet(parquet) => {
                let sink = ParquetSink::new(lake).level(level).partition(partition).keeper(keeper);
                let sink = sink.max_buffered_bytes(memory(parquet.max_buffered)).max_age(parquet.max_age);
                Box::new(sink.max_file_rows(rows(parquet.max_file_rows)).row_group_rows(rows(parquet.row_group_rows)))
            }
            SinkKind::File(asked) => Box::new(file(asked)?.level(level)),
            SinkKind::RollingFile(asked) => Box::new(rolling(asked)?.level(level)),
            SinkKind::Null => Box::new(NullSink::new().level(level)),
            _ => return Ok(None),
        }))
    }
}

fn stream_to(sink: StreamSink, stream: &settings::StreamSink, level: LevelFilter) -> Result<Made, Error> {
    Ok(Box::new(sink.level(level).renderer(renderer(&stream.renderer)?)))
}

fn file(asked: &File) -> Result<FileSink, Error> {
    let existing = match asked.existing {
        settings::Existing::Keep => Existing::Keep,
        _ => Existing::Append,
    };
    Ok(FileSink::new(asked.path.as_str()).renderer(renderer(&asked.renderer)?).existing(existing))
}

fn rolling(asked: &Rolling) -> Result<RollingFileSink, Error> {
    let Rolling { path, renderer: lines, max_file, every, max_files, max_total, max_age, compression, .. } = asked;
    let sink = RollingFileSink::new(path.as_str()).renderer(renderer(lines)?).max_files(*max_files);
    let sink = max_file.iter().fold(sink, |sink, size| sink.max_bytes(bytes(*size)));
    let seconds = every.iter().filter_map(|every| NonZeroU64::new(every.as_secs()));
    let sink = seconds.fold(sink, |sink, seconds| sink.every(Every::Seconds(seconds)));
    let sink = max_total.iter().fold(sink, |sink, size| sink.max_total_bytes(bytes(**size)));
    let sink = max_age.iter().fold(sink, |sink, age| sink.max_age(**age));
    Ok(match compression {
        #[cfg(feature = "gzip")]
        settings::Compression::Gzip => sink.compression(spanlake_lake::Compression::Gzip),
        #[cfg(feature = "zstd")]
        settings::Compression::Zstd => sink.compression(spanlake_lake::Compression::Zstd),
        _ => sink,
    })
}

// === numbers ===

/// Sizes are never zero.
pub(super) fn bytes(size: Size) -> NonZeroU64 {
    NonZeroU64::new(size.as_bytes()).unwrap_or(NonZeroU64::MIN)
}

/// As much of it as there can be memory.
pub(super) fn memory(size: Size) -> NonZeroUsize {
    rows(bytes(size))
}

fn rows(number: NonZeroU64) -> NonZeroUsize {
    NonZeroUsize::try_from(number).unwrap_or(NonZeroUsize::MAX)
}
