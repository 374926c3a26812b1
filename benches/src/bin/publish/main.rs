//! What a record costs until somebody else has it: each transport, synced before the ack where there is one, beside the SDK of
//! OpenTelemetry into the same collector and the bare libraries of ZeroMQ and NATS, each end a process of its own.
//!
//! `cargo run --release -p spanlake-benches --bin publish -- [--records N] [--rounds N] [--ways http,nats]`. `nats` needs `nats-server`.

mod collect;
mod ours;
mod raw;
mod sdk;

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use clap::{Parser, Subcommand, ValueEnum};
use nix::sys::resource::{UsageWho, getrusage};
use serde::{Deserialize, Serialize};
use spanlake_benches::{Result, setting};
use tracing::{info, info_span};

/// What a record costs until somebody else has it.
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
    /// The ways to measure; all unless told otherwise.
    #[arg(long, value_delimiter = ',')]
    ways: Vec<Way>,
    /// Where the collector's queue is; a real disk, because syncing is what it is about.
    #[arg(long, default_value = ".")]
    folder: PathBuf,
}

#[derive(Subcommand)]
enum Role {
    /// One that takes records, until its input ends.
    Collect { way: Way },
    /// One client.
    Send { way: Way, place: String },
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Way {
    /// To nobody: what recording costs, without any transport.
    Nobody,
    /// spanlake's own endpoint.
    Http,
    /// OTLP over HTTP, by spanlake.
    OtlpHttp,
    /// OTLP over gRPC, by spanlake.
    OtlpGrpc,
    /// Scoped tasks in JSON, pushed by spanlake.
    Zeromq,
    /// Segments, pushed over ZeroMQ by spanlake.
    ZeromqSegments,
    /// A stream of NATS, by spanlake, from which a collector takes it.
    Nats,
    /// OTLP over HTTP, by the SDK's batch processor with a queue for all of them.
    SdkBigQueue,
    /// The same with its default queue.
    Sdk,
    /// 300 bytes a record, 100 records a message, by a library of ZeroMQ.
    RawZeromq,
    /// 300 bytes a record, 100 records a message, into a stream of NATS by its library.
    RawNats,
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
        Some(Role::Collect { way }) => say(&collect::run(*way, &args.folder)?),
        Some(Role::Send { way, place }) => say(&send(*way, place, args.records)?),
        None => compare(&args),
    }
}

fn compare(args: &Args) -> Result<()> {
    print!("{}", setting::describe(&args.folder));
    println!("\n| way | records/s | client CPU ns | other side's CPU ns | kept | ack p50 ms | ack p99 ms |");
    println!("|---|--:|--:|--:|--:|--:|--:|");
    let ways = if args.ways.is_empty() { Way::value_variants() } else { &args.ways };
    for _ in 0..args.rounds {
        for way in ways {
            let (client, other) = round(*way, args)?;
            let each = |cpu_s: f64| cpu_s * 1e9 / args.records as f64;
            // A server of NATS says nothing of records: those count that it has acknowledged.
            let kept = if other.records == 0 { client.records } else { other.records } as f64;
            println!(
                "| {} | {:.0} | {:.0} | {:.0} | {:.3} | {:.1} | {:.1} |",
                name(*way),
                kept / client.wall_s,
                each(client.cpu_s),
                each(other.cpu_s),
                kept / args.records as f64,
                client.ack_p50_ms,
                client.ack_p99_ms,
            );
        }
    }
    Ok(())
}

fn name(way: Way) -> String {
    way.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn round(way: Way, args: &Args) -> Result<(Said, Said)> {
    let folder = args.folder.to_str().ok_or("the folder is UTF-8")?;
    let name = name(way);
    let mut other = child(&["--folder", folder, "collect", &name])?;
    let mut said = BufReader::new(other.stdout.take().ok_or("it is piped")?);
    let mut place = String::new();
    said.read_line(&mut place)?;
    let mut client = child(&["--records", &args.records.to_string(), "send", &name, place.trim()])?;
    let mut text = String::new();
    client.stdout.take().ok_or("it is piped")?.read_to_string(&mut text)?;
    client.wait()?;
    let client = serde_json::from_str(&text)?;
    drop(other.stdin.take());
    let mut text = String::new();
    said.read_to_string(&mut text)?;
    other.wait()?;
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

/// Tells where somebody listens, and comes back when nobody needs it any more.
fn listen_at(place: &str) -> Result<()> {
    println!("{place}");
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

fn send(way: Way, place: &str, records: u64) -> Result<Said> {
    match way {
        Way::Nobody | Way::Http | Way::OtlpHttp | Way::OtlpGrpc | Way::Zeromq | Way::ZeromqSegments | Way::Nats => {
            ours::publish(ours::transport(way, place)?, records)
        }
        Way::SdkBigQueue => sdk::export(place, records, Some(usize::try_from(records)? + 1)),
        Way::Sdk => sdk::export(place, records, None),
        Way::RawZeromq => raw::zeromq(place, records),
        Way::RawNats => raw::nats(place, records),
    }
}

/// Records of about 300 bytes as a JSON line, inside two tasks.
fn work(records: u64) {
    let _job = info_span!("job", user = "ada").entered();
    let _load = info_span!("load", table = "orders", attempt = 1).entered();
    for rows in 0..records {
        info!(rows, table = "orders", ok = true, "wrote batch");
    }
}

/// Of this process, or of the children that it has waited for.
fn cpu_s(who: UsageWho) -> Result<f64> {
    let usage = getrusage(who)?;
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    Ok(seconds(usage.user_time()) + seconds(usage.system_time()))
}
