//! The capture layer of a file: its queue, its ends, its sinks.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::Path;

use spanlake_capture::{CaptureLayer, CaptureLayerBuilder};
use spanlake_config::settings::{End, Lifecycle, Renderer, Sink, SinkKind, StreamSink as Stream};
use spanlake_config::{Settings, Size, settings};
use spanlake_core::spool::{FOLDER, SpoolOptions};
use spanlake_core::{Error, LevelFilter, Policy, render};
#[cfg(feature = "parquet")]
use spanlake_lake::ParquetSink;
use spanlake_lake::{JsonlSink, Keeper, Limits, StreamSink, SystemLogSink};

/// The limits of the lake.
pub(super) fn limits(settings: &Settings) -> Limits {
    let settings::Limits { max_total, max_files, max_age, max_per_hour, look_every, .. } = &settings.lake.limits;
    let limits = Limits::new().look_every(*look_every);
    let limits = max_total.iter().fold(limits, |limits, size| limits.max_total_bytes(bytes(*size)));
    let limits = max_files.iter().fold(limits, |limits, files| limits.max_files(*files));
    let limits = max_age.iter().fold(limits, |limits, age| limits.max_age(*age));
    max_per_hour.iter().fold(limits, |limits, size| limits.max_bytes_per_hour(bytes(*size)))
}

/// The most verbose level that anybody gets.
pub(super) fn level(settings: &Settings) -> LevelFilter {
    let levels = settings.sinks.iter().map(|(_, sink)| settings.level_of(sink));
    levels.max().unwrap_or(LevelFilter::OFF)
}

/// The layer's settings.
pub(super) fn builder(settings: &Settings, keeper: &Keeper, level: LevelFilter) -> Result<CaptureLayerBuilder, Error> {
    let builder = CaptureLayer::builder().level(level).service(settings.service.as_deref().unwrap_or_default());
    let builder = queue(settings, builder);
    let builder = settings.shutdown.on.iter().fold(builder, |builder, end| match end {
        End::Exit => builder.shutdown_at_exit(),
        End::FatalPanic => builder.shutdown_on_fatal_panic(),
        End::Signals => builder.shutdown_on_signals(),
        _ => builder,
    });
    let mut builder = builder.shutdown_timeout(settings.shutdown.timeout);
    for (name, sink) in settings.sinks.iter().filter(|(name, _)| !is_fallback(settings, name)) {
        let opened = self::sink(settings, name, sink, keeper);
        let fallback = sink.common.fallback.as_ref().and_then(|name| Some((name.as_str(), settings.sinks.get(name)?)));
        let fallback = fallback.and_then(|(name, sink)| self::sink(settings, name, sink, keeper));
        builder = match (opened, fallback) {
            (None, _) => builder,
            (Some(sink), None) => builder.sink(sink),
            (Some(sink), Some(fallback)) => builder.sink_or(sink, fallback),
        };
    }
    Ok(builder)
}

fn queue(settings: &Settings, builder: CaptureLayerBuilder) -> CaptureLayerBuilder {
    let settings::Queue { capacity, records, policy, drain_every, flush_every, backlog, spool, .. } = &settings.queue;
    let builder = builder.capacity_bytes(memory(*capacity)).backlog_bytes(memory(*backlog));
    let builder = records.iter().fold(builder, |builder, records| builder.capacity_records(*records));
    let builder = builder.policy(self::policy(policy)).drain_every(**drain_every).flush_every(**flush_every);
    match spool.on() {
        None => builder,
        Some(spool) => builder.spool_with(self::spool(settings, spool)),
    }
}

fn policy(policy: &settings::Policy) -> Policy {
    match policy {
        settings::Policy::Block(block) => Policy::Block(block.timeout),
        settings::Policy::DropNewest => Policy::DropNewest,
        settings::Policy::DropOldest => Policy::DropOldest,
        _ => Policy::DropLowest,
    }
}

fn spool(settings: &Settings, spool: &settings::Spool) -> SpoolOptions {
    let in_lake = || Path::new(settings.lake.path.as_str()).join(FOLDER);
    let folder = spool.folder.as_ref().map_or_else(in_lake, Into::into);
    SpoolOptions::new(folder).sync_every(spool.sync_every)
}

// === sinks ===

fn is_fallback(settings: &Settings, name: &str) -> bool {
    settings.sinks.iter().any(|(_, sink)| sink.common.fallback.as_deref().is_some_and(|fallback| fallback == name))
}

/// A sink that has opened nothing yet. None where the program was built without it, and the file did not ask for it.
fn sink(settings: &Settings, name: &str, sink: &Sink, keeper: &Keeper) -> Option<Box<dyn spanlake_core::Sink>> {
    let (lake, level) = (settings.lake.path.as_str(), settings.level_of(sink));
    let partition = || settings.lake.partition.clone();
    Some(match &sink.kind {
        SinkKind::Stderr(stream) => Box::new(console(StreamSink::stderr(), stream).level(level)),
        SinkKind::Stdout(stream) => Box::new(console(StreamSink::stdout(), stream).level(level)),
        SinkKind::Jsonl(jsonl) => {
            let sink = JsonlSink::new(lake).level(level).partition(partition()).keeper(keeper);
            Box::new(sink.max_file_bytes(bytes(jsonl.max_file)).max_unsynced_bytes(memory(jsonl.max_unsynced)))
        }
        SinkKind::SystemLog(log) => {
            let sink = SystemLogSink::new(lake).level(level).partition(partition()).keeper(keeper);
            Box::new(sink.max_file_bytes(bytes(log.max_file)).max_unsynced_bytes(memory(log.max_unsynced)))
        }
        #[cfg(feature = "parquet")]
        SinkKind::Parquet(parquet) => {
            let sink = ParquetSink::new(lake).level(level).partition(partition()).keeper(keeper);
            let sink = sink.max_buffered_bytes(memory(parquet.max_buffered)).max_age(parquet.max_age);
            Box::new(sink.max_file_rows(rows(parquet.max_file_rows)).row_group_rows(rows(parquet.row_group_rows)))
        }
        _ => {
            let _ = name;
            return None;
        }
    })
}

fn console(sink: StreamSink, stream: &Stream) -> StreamSink {
    match &stream.renderer {
        Renderer::Text(lines) if lines.lifecycle == Lifecycle::Timed => sink.lifecycle(render::Lifecycle::Timed),
        _ => sink,
    }
}

// === numbers ===

/// Sizes are never zero.
fn bytes(size: Size) -> NonZeroU64 {
    NonZeroU64::new(size.as_bytes()).unwrap_or(NonZeroU64::MIN)
}

/// As much of it as there can be memory.
fn memory(size: Size) -> NonZeroUsize {
    rows(bytes(size))
}

#[cfg_attr(not(feature = "parquet"), allow(dead_code))]
fn rows(number: NonZeroU64) -> NonZeroUsize {
    NonZeroUsize::try_from(number).unwrap_or(NonZeroUsize::MAX)
}
