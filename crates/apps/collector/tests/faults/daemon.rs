//! `spanlaked` under fault: started, killed, ended and started again at the same place.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use spanlake_collector::from_settings;
use spanlake_config::CollectorConfig;
use tokio::runtime::Runtime;

use crate::program::{TOKEN, again};

/// Says to a child which file to collect by.
const CONFIG: &str = "SPANLAKE_FAULTS_COLLECTOR";

const LISTENING: &str = "spanlaked: listening on ";

/// Where a collector works, and how it is started there.
pub(crate) struct Place {
    pub(crate) folder: PathBuf,
    pub(crate) address: SocketAddr,
    prefix: Vec<String>,
    makes_checkpoints_often: bool,
}

/// One that runs.
pub(crate) struct Daemon(Child);

// === impl Place ===

impl Place {
    /// At a port of this machine that is free, with a lake and what else is said.
    pub(crate) fn new(folder: &Path, queue: &str, plugins: &str) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("an address");
        Self::at(folder, free, queue, plugins)
    }

    pub(crate) fn at(folder: &Path, address: SocketAddr, queue: &str, plugins: &str) -> Self {
        fs::create_dir_all(folder).expect("a folder");
        let config = format!(
            "listen: {address}\ntokens: {{ all: {{ secret: {TOKEN}, rights: [publish] }} }}\n\
             queue: {{ folder: queue, max: {queue} }}\nflush_every: 30 ms\n\
             plugins:\n  lake: {{ kind: lake, path: lake/lake }}\n{plugins}"
        );
        fs::write(folder.join("spanlaked.yaml"), config).expect("written");
        Self { folder: folder.to_owned(), address, prefix: Vec::new(), makes_checkpoints_often: false }
    }

    /// By a command that comes before its own, such as one that goes into another network.
    pub(crate) fn run_by(mut self, prefix: Vec<String>) -> Self {
        self.prefix = prefix;
        self
    }

    /// A kill then finds one at work. No file says how often they are made, so that it is this executable that collects.
    pub(crate) fn making_checkpoints_often(mut self) -> Self {
        self.makes_checkpoints_often = true;
        self
    }

    pub(crate) fn lake(&self) -> PathBuf {
        self.folder.join("lake/lake")
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Starts it, and waits until it listens.
    pub(crate) fn start(&self) -> Daemon {
        let mut command = match self.makes_checkpoints_often {
            true => again("daemon::collects"),
            false => Command::new(env!("CARGO_BIN_EXE_spanlaked")),
        };
        if !self.makes_checkpoints_often {
            command.args(["run", "--config", "spanlaked.yaml"]);
        }
        let mut command = behind(&self.prefix, command);
        command.current_dir(&self.folder).env(CONFIG, "spanlaked.yaml");
        let mut process = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("it starts");
        let mut lines = BufReader::new(process.stderr.take().expect("piped")).lines().map_while(Result::ok);
        let daemon = Daemon(process);
        let is_up = lines.any(|line| line.starts_with(LISTENING));
        assert!(is_up, "it ended before it listened");
        std::thread::spawn(move || lines.for_each(|line| println!("{line}")));
        daemon
    }
}

/// The command, given to another one to run.
fn behind(prefix: &[String], command: Command) -> Command {
    let Some((first, rest)) = prefix.split_first() else {
        return command;
    };
    let mut outer = Command::new(first);
    outer.args(rest).arg(command.get_program()).args(command.get_args());
    outer
}

// === impl Daemon ===

impl Daemon {
    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    pub(crate) fn kill(mut self) {
        self.0.kill().expect("it runs");
        self.0.wait().expect("it has ended");
    }

    /// Ends it as a service manager does.
    pub(crate) fn end(mut self) {
        kill_process(Pid::from_child(&self.0), Signal::TERM).expect("it runs");
        assert!(self.0.wait().expect("it ends").success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = (self.0.kill(), self.0.wait());
    }
}

#[test]
fn collects() {
    let Ok(file) = std::env::var(CONFIG) else {
        return;
    };
    let config = CollectorConfig::from_file(&file).expect("a configuration");
    Runtime::new().expect("a runtime").block_on(async {
        let builder = from_settings(&config).expect("settings").checkpoint_every(Duration::from_millis(50));
        let collector = builder.start().await.expect("a collector");
        eprintln!("{LISTENING}{}", collector.address());
        std::future::pending::<()>().await;
    });
}
