//! The SDK of OpenTelemetry.

use std::time::{Duration, Instant};

use nix::sys::resource::UsageWho;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{LogExporter, WithExportConfig};
use opentelemetry_sdk::logs::{BatchConfigBuilder, BatchLogProcessor, SdkLoggerProvider};
use spanlake_benches::Result;
use tracing_subscriber::prelude::*;

use super::{Said, cpu_s, work};

pub(super) fn export(url: &str, records: u64, queue: Option<usize>) -> Result<Said> {
    let exporter = LogExporter::builder().with_http().with_endpoint(format!("{url}/v1/logs")).build()?;
    let config = BatchConfigBuilder::default();
    let config = queue.into_iter().fold(config, |config, size| config.with_max_queue_size(size));
    let processor = BatchLogProcessor::builder(exporter).with_batch_config(config.build()).build();
    let provider = SdkLoggerProvider::builder().with_log_processor(processor).build();
    let layer = OpenTelemetryTracingBridge::new(&provider);
    let began = Instant::now();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || work(records));
    provider.shutdown_with_timeout(Duration::from_secs(120))?;
    Ok(Said { wall_s: began.elapsed().as_secs_f64(), cpu_s: cpu_s(UsageWho::RUSAGE_SELF)?, ..Said::default() })
}
