//! The capture layer of a file: its queue, its ends, its sinks.

use std::path::Path;

use spanlake_capture::{CaptureLayer, CaptureLayerBuilder};
use spanlake_config::settings::End;
use spanlake_config::{Settings, settings};
use spanlake_core::spool::{FOLDER, SpoolOptions};
use spanlake_core::{Error, Policy};
use spanlake_lake::{Keeper, Limits};
use spanlake_scope::Verbosity;

use super::plan::plan;
use super::records;
use super::sinks::memory;

/// The limits of the lake.
pub(super) fn limits(settings: &Settings) -> Limits {
    let settings::Limits { max_total, max_files, max_age, max_per_hour, look_every, .. } = &settings.lake.limits;
    let limits = Limits::new().look_every(*look_every);
    let limits = max_total.iter().fold(limits, |limits, size| limits.max_total_bytes(size.non_zero()));
    let limits = max_files.iter().fold(limits, |limits, files| limits.max_files(*files));
    let limits = max_age.iter().fold(limits, |limits, age| limits.max_age(**age));
    max_per_hour.iter().fold(limits, |limits, size| limits.max_bytes_per_hour(size.non_zero()))
}

/// The layer's settings.
pub(super) fn builder(
    settings: &Settings,
    keeper: &Keeper,
    verbosity: &Verbosity,
) -> Result<CaptureLayerBuilder, Error> {
    let builder = CaptureLayer::builder().verbosity(verbosity).service(settings.service.as_deref().unwrap_or_default());
    let builder = queue(settings, builder);
    let builder = settings.shutdown.on.iter().fold(builder, |builder, end| match end {
        End::Exit => builder.shutdown_at_exit(),
        End::FatalPanic => builder.shutdown_on_fatal_panic(),
        End::Signals => builder.shutdown_on_signals(),
        _ => builder,
    });
    let builder = builder.shutdown_timeout(settings.shutdown.timeout).redact(records::redaction(&settings.redact));
    Ok(builder.plan(plan(settings, keeper, &[])?))
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
