//! What a record costs until a collector has it: the own endpoint, synced before the ack, beside the SDK of OpenTelemetry, into the
//! same collector, each end a process of its own.
//!
//! `cargo run --release -p spanlake-benches --bin publish -- [--records N] [--rounds N]`.

use std::io::{BufRead, BufReader, Read, Write};
use std::num::NonZeroU64;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clap::{Parser, Subcommand, ValueEnum};
use nix::sys::resource::{UsageWho, getrusage};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{LogExporter, WithExportConfig};
use opentelemetry_sdk::logs::{BatchConfigBuilder, BatchLogProcessor, SdkLoggerProvider};
use serde::{Deserialize, Serialize};
use spanlake_benches::{Result, setting};
use spanlake_collector::queue::Options;
use spanlake_collector::{Collector, Limits, Match, SinkPlugin};
use spanlake_core::Policy;
use spanlake_lake::NullSink;
use spanlake_publish::{Delivered, HttpTransport, Parcel, PublishLayer, Transport, Undelivered};
use tracing::{info, info_span};
use tracing_subscriber::prelude::*;

/// What a record costs until a collector has it.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    role: Option<Role>,
    /// Records of a round.
    #[arg(long, default_value_t = 1_000_000)]
    records: u64,
    /// How often each way is measured, in turn.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Where the collector's queue is; a real disk, because syncing is what it is about.
    #[arg(long, default_value = ".")]
    folder: std::path::PathBuf,
}

#[derive(Subcommand)]
enum Role {
    /// One collector, until its input ends.
    Collect,
    /// One client.
    Send { way: Way, url: String },
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Way {
    /// spanlake's own endpoint.
    Http,
    /// The SDK's batch processor with a queue for all of them.
    OtlpBigQueue,
    /// The same with its default queue.
    Otlp,
}

/// What one end says of itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Said {
    wall_s: f64,
    cpu_s: f64,
    records: u64,
    ack_p50_ms: f64,
    ack_p99_ms: f64,
}

fn main() -> Result<()> {
    let args = Args::parse();
    match &args.role {
        Some(Role::Collect) => say(&collect(&args.folder)?),
        Some(Role::Send { way, url }) => say(&send(*way, url, args.records)?),
        None => compare(&args),
    }
}

fn compare(args: &Args) -> Result<()> {
    print!("{}", setting::describe(&args.folder));
    println!("\n| way | records/s | client CPU ns | collector CPU ns | kept | ack p50 ms | ack p99 ms |");
    println!("|---|--:|--:|--:|--:|--:|--:|");
    for _ in 0..args.rounds {
        for way in [Way::Http, Way::OtlpBigQueue, Way::Otlp] {
            let (client, collector) = round(way, args)?;
            let each = |cpu_s: f64| cpu_s * 1e9 / args.records as f64;
            println!(
                "| {} | {:.0} | {:.0} | {:.0} | {:.3} | {:.1} | {:.1} |",
                way.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned()),
                collector.records as f64 / client.wall_s,
                each(client.cpu_s),
                each(collector.cpu_s),
                collector.records as f64 / args.records as f64,
                client.ack_p50_ms,
                client.ack_p99_ms,
            );
        }
    }
    Ok(())
}

fn round(way: Way, args: &Args) -> Result<(Said, Said)> {
    let folder = args.folder.to_str().ok_or("the folder is UTF-8")?;
    let mut collector = child(&["--folder", folder, "collect"])?;
    let mut said = BufReader::new(collector.stdout.take().ok_or("it is piped")?);
    let mut url = String::new();
    said.read_line(&mut url)?;
    let name = way.to_possible_value().ok_or("a way")?.get_name().to_owned();
    let mut client = child(&["--records", &args.records.to_string(), "send", &name, url.trim()])?;
    let mut text = String::new();
    client.stdout.take().ok_or("it is piped")?.read_to_string(&mut text)?;
    client.wait()?;
    let client = serde_json::from_str(&text)?;
    drop(collector.stdin.take());
    let mut text = String::new();
    said.read_to_string(&mut text)?;
    collector.wait()?;
    Ok((client, serde_json::from_str(&text)?))
}

fn child(words: &[&str]) -> Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    Ok(command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?)
}

fn say(said: &Said) -> Result<()> {
    println!("{}", serde_json::to_string(said)?);
    Ok(())
}

// === the collector ===

fn collect(folder: &Path) -> Result<Said> {
    let scratch = setting::scratch_folder(Some(folder))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let queue = Options::new(scratch.path(), NonZeroU64::new(8 << 30).ok_or("not zero")?).most_disk_percent(100);
    let mut limits = Limits::default();
    limits.patience = Duration::from_secs(60);
    let builder = Collector::builder(queue).listen("127.0.0.1:0".parse()?).limits(limits);
    let builder = builder.plugin("null", Match::default(), SinkPlugin::new(NullSink::new()));
    let collector = runtime.block_on(builder.start())?;
    println!("http://{}", collector.address());
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    let intake = collector.received();
    let cpu_s = cpu_s()?;
    runtime.block_on(collector.stop())?;
    Ok(Said { cpu_s, records: intake, ..Said::default() })
}

// === clients ===

fn send(way: Way, url: &str, records: u64) -> Result<Said> {
    match way {
        Way::Http => publish(url, records),
        Way::OtlpBigQueue => export(url, records, Some(usize::try_from(records)? + 1)),
        Way::Otlp => export(url, records, None),
    }
}

fn publish(url: &str, records: u64) -> Result<Said> {
    let acks = Arc::new(Mutex::new(Vec::new()));
    let transport = Timed { transport: HttpTransport::new(url).build()?, acks: Arc::clone(&acks) };
    let builder = PublishLayer::builder(transport).policy(Policy::Block(Duration::from_secs(60)));
    let (layer, guard) = builder.build()?;
    let began = Instant::now();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || work(records));
    let report = guard.shutdown(Duration::from_secs(120))?;
    let wall_s = began.elapsed().as_secs_f64();
    let mut acks = std::mem::take(&mut *acks.lock().map_err(|_| "nothing panics")?);
    acks.sort_unstable();
    let at =
        |part: f64| acks.get((acks.len() as f64 * part) as usize).map_or(0.0, |ack: &Duration| ack.as_secs_f64() * 1e3);
    Ok(Said { wall_s, cpu_s: cpu_s()?, records: report.written, ack_p50_ms: at(0.5), ack_p99_ms: at(0.99) })
}

fn export(url: &str, records: u64, queue: Option<usize>) -> Result<Said> {
    let exporter = LogExporter::builder().with_http().with_endpoint(format!("{url}/v1/logs")).build()?;
    let config = BatchConfigBuilder::default();
    let config = queue.into_iter().fold(config, |config, size| config.with_max_queue_size(size));
    let processor = BatchLogProcessor::builder(exporter).with_batch_config(config.build()).build();
    let provider = SdkLoggerProvider::builder().with_log_processor(processor).build();
    let layer = OpenTelemetryTracingBridge::new(&provider);
    let began = Instant::now();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || work(records));
    provider.shutdown_with_timeout(Duration::from_secs(120))?;
    Ok(Said { wall_s: began.elapsed().as_secs_f64(), cpu_s: cpu_s()?, ..Said::default() })
}

/// Records of about 300 bytes as a JSON line, inside two tasks.
fn work(records: u64) {
    let _job = info_span!("job", user = "ada").entered();
    let _load = info_span!("load", table = "orders", attempt = 1).entered();
    for rows in 0..records {
        info!(rows, table = "orders", ok = true, "wrote batch");
    }
}

fn cpu_s() -> Result<f64> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}

/// A transport, and how long each of its acknowledgements took.
struct Timed {
    transport: HttpTransport,
    acks: Arc<Mutex<Vec<Duration>>>,
}

impl Transport for Timed {
    fn name(&self) -> &str {
        self.transport.name()
    }

    fn send(&mut self, parcel: &Parcel<'_>, until: Instant) -> std::result::Result<Delivered, Undelivered> {
        let began = Instant::now();
        let sent = self.transport.send(parcel, until);
        if let Ok(mut acks) = self.acks.lock() {
            acks.push(began.elapsed());
        }
        sent
    }
}
