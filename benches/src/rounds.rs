//! Interleaved rounds: each peer once, in a process of its own, then each peer again.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{Result, peers::Peer, setting, trial::Measured, work::Work};

/// What to run, and how often.
#[derive(Debug)]
pub struct Rounds {
    /// The work all peers are given.
    pub work: Work,
    /// The numbers of producer threads to try.
    pub threads: Vec<u64>,
    /// How often each peer runs with each number of threads.
    pub rounds: u32,
    /// Operations a run.
    pub count: u64,
    /// The peers, in this order in every round.
    pub peers: Vec<&'static Peer>,
    /// The folder below which a folder for each run is made and removed.
    pub out: PathBuf,
}

/// One peer's run in one round.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The round, from 0.
    pub round: u32,
    /// What the run cost.
    pub measured: Measured,
}

impl Rounds {
    /// Runs all rounds, each run as this program's subcommand `peer`; a failed one is reported on stderr and leaves no
    /// sample.
    pub fn run(&self) -> Result<Vec<Sample>> {
        let program = env::current_exe()?;
        let mut samples = Vec::new();
        for round in 0..self.rounds {
            for &threads in &self.threads {
                for peer in &self.peers {
                    eprintln!("round {} of {}, threads {threads}: {}", round + 1, self.rounds, peer.name);
                    match self.run_once(&program, peer, threads) {
                        Ok(measured) => samples.push(Sample { round, measured }),
                        Err(error) => eprintln!("{} failed: {error}", peer.name),
                    }
                }
            }
        }
        Ok(samples)
    }

    fn run_once(&self, program: &Path, peer: &Peer, threads: u64) -> Result<Measured> {
        let folder = setting::scratch_folder(Some(&self.out))?;
        let output = Command::new(program)
            .args(["peer", peer.name])
            .args(["--work", &self.work.to_string()])
            .args(["--threads", &threads.to_string()])
            .args(["--count", &self.count.to_string()])
            .arg("--out")
            .arg(folder.path())
            .stderr(Stdio::inherit())
            .output()?;
        if !output.status.success() {
            return Err(format!("it ended with {}", output.status).into());
        }
        // peers may print; ours is the last line
        let text = String::from_utf8(output.stdout)?;
        Ok(serde_json::from_str(text.trim_end().lines().next_back().unwrap_or_default())?)
    }
}
