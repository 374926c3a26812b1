//! Runs the peers side by side and prints a Markdown table headed by its setting.

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use spanlake_benches::{
    Result,
    order::Order,
    peers::{self, Peer},
    rounds::Rounds,
    setting, table,
    work::Work,
};

/// Run the peers in interleaved rounds, one process per run, and print medians and ratios.
#[derive(Parser)]
struct Args {
    #[command(subcommand)]
    run: Option<Run>,
    /// What the peers are asked to do
    #[arg(long, default_value = "events")]
    work: Work,
    /// Producer threads, one table for each number
    #[arg(long, default_value = "1", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..))]
    threads: Vec<u64>,
    /// How often each peer runs
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// Operations a run [default: depends on the work]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// The peers [default: all that take the work]
    #[arg(long, value_delimiter = ',')]
    peers: Vec<String>,
    /// The peer the ratios refer to; it always runs [default: depends on the work]
    #[arg(long)]
    yardstick: Option<String>,
    /// The folder for the files, emptied after each run [default: in memory]
    #[arg(long)]
    out: Option<PathBuf>,
}

/// One run in a process of its own. `cargo run --bin compare` does not build `peer`, so `compare` starts itself.
#[derive(Subcommand)]
enum Run {
    #[command(hide = true)]
    Peer(Order),
}

fn main() -> Result<()> {
    let args = Args::parse();
    match args.run {
        Some(Run::Peer(order)) => order.run(),
        None => compare(&args),
    }
}

fn compare(args: &Args) -> Result<()> {
    let yardstick = args.yardstick.as_deref().unwrap_or(args.work.yardstick());
    let folder = setting::scratch_folder(args.out.as_deref())?;
    let rounds = Rounds {
        work: args.work,
        threads: args.threads.clone(),
        rounds: args.rounds,
        count: args.count.unwrap_or(args.work.count_default()),
        peers: chosen(&args.peers, yardstick, args.work)?,
        out: folder.path().to_owned(),
    };
    print_heading(&rounds, yardstick);
    let samples = rounds.run()?;
    for threads in rounds.threads {
        println!("\n### {threads} producer thread{}\n", if threads == 1 { "" } else { "s" });
        print!("{}", table::markdown(&samples, threads, yardstick));
    }
    Ok(())
}

fn chosen(names: &[String], yardstick: &str, work: Work) -> Result<Vec<&'static Peer>> {
    if names.is_empty() {
        return Ok(peers::for_work(work).collect());
    }
    let mut chosen = names.iter().map(|name| peers::find(name, work)).collect::<Result<Vec<_>>>()?;
    if !names.iter().any(|name| name == yardstick) {
        chosen.push(peers::find(yardstick, work)?);
    }
    Ok(chosen)
}

fn print_heading(rounds: &Rounds, yardstick: &str) {
    println!("## {}\n", rounds.work);
    print!("{}", setting::describe(&rounds.out));
    println!("- operations a run: {}", rounds.count);
    println!("- rounds: {}", rounds.rounds);
    println!("- x: times cheaper than {yardstick} in the same round");
}
