//! The command line of one run, the same for `peer` and for the processes that `compare` starts.

use std::path::PathBuf;

use clap::Parser;

use crate::{Result, peers, setting, trial::Trial, work::Work};

/// Run one peer once and print what it cost as one line of JSON.
#[derive(Debug, Parser)]
pub struct Order {
    /// The peer; `list` names them all
    pub peer: String,
    /// What it is asked to do
    #[arg(long, default_value = "events")]
    pub work: Work,
    /// Threads that share the operations
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub threads: u64,
    /// Operations in all [default: depends on the work]
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// An empty folder for its files, kept; without it, one in memory that is removed
    #[arg(long)]
    pub out: Option<PathBuf>,
}

impl Order {
    /// Does what was ordered, in this process.
    pub fn run(self) -> Result<()> {
        if self.peer == "list" {
            peers::PEERS.iter().for_each(|peer| println!("{}", peer.name));
            return Ok(());
        }
        let peer = peers::find(&self.peer, self.work)?;
        let folder = setting::scratch_folder(None)?;
        let trial = Trial {
            work: self.work,
            threads: self.threads,
            count: self.count.unwrap_or(self.work.count_default()),
            out: self.out.unwrap_or_else(|| folder.path().to_owned()),
        };
        println!("{}", serde_json::to_string(&trial.run(peer)?)?);
        Ok(())
    }
}
