//! Processes with a spool that are killed: this program, started again with a role.

use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::time::Duration;

use spanlake_capture::CaptureLayer;
use spanlake_core::{Batch, Error, LevelFilter, Recipe, Sink};
use tracing::{info, info_span};
use tracing_subscriber::layer::SubscriberExt;

/// Set for the child only: where its spool is.
const SPOOL: &str = "SPANLAKE_TEST_SPOOL";

/// How many events the child records before its sink is stuck, and how many after that.
const EVENTS: [u64; 2] = [100, 50];

/// How many records are in the spool: those, the begin of a task that stays open, and the three of one that ends.
pub(crate) const RECORDS: u64 = EVENTS[0] + EVENTS[1] + 4;

/// Long enough that only a defect reaches it.
const LONG: Duration = Duration::from_secs(60);

/// A process that has recorded, and lives.
pub(crate) struct Process {
    child: Child,
    spool: PathBuf,
}

impl Process {
    /// Starts one and waits until it has recorded all it will.
    pub(crate) fn start(spool: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "killed::plays_the_child", "--nocapture"])
            .env(SPOOL, spool)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the child starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let process = Self { child, spool: spool.to_owned() };
        let (told, ready) = mpsc::channel();
        std::thread::spawn(move || {
            if lines.map_while(Result::ok).any(|line| line.ends_with("ready")) {
                // Nobody waits any more when the test has failed.
                let _ = told.send(());
            }
        });
        ready.recv_timeout(LONG).expect("the child is ready in time");
        process
    }

    /// The folder that it has in the spool.
    pub(crate) fn folder(&self) -> PathBuf {
        let end = format!("_{}", self.child.id());
        let names = self.spool.read_dir().expect("the spool").map(|entry| entry.expect("an entry").path());
        let own = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(&end));
        names.into_iter().find(own).expect("the process has a folder")
    }

    /// Kills it; gives its folder, which it leaves behind.
    pub(crate) fn kill(self) -> PathBuf {
        self.folder()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().and_then(|()| self.child.wait()).expect("the child can be killed");
    }
}

/// Takes a first batch and never gives it back; the lake is the folder above the spool.
struct Stuck {
    taken: Sender<()>,
    lake: PathBuf,
}

impl Sink for Stuck {
    fn name(&self) -> &str {
        "stuck"
    }

    fn write(&mut self, _: &Batch<'_>) -> Result<(), Error> {
        self.taken.send(()).expect("the other end is there");
        loop {
            std::thread::park();
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn recipe(&self) -> Option<Recipe> {
        let partition = "run_date={year}-{month}-{day}".to_owned();
        Some(Recipe { kind: "jsonl".to_owned(), lake: self.lake.clone(), level: LevelFilter::DEBUG, partition })
    }
}

/// The child's part; in the parent it does nothing.
#[test]
fn plays_the_child() {
    let Some(spool) = std::env::var_os(SPOOL).map(PathBuf::from) else {
        return;
    };
    let (taken, is_stuck) = mpsc::channel();
    let stuck = Stuck { taken, lake: spool.parent().expect("a folder above").to_owned() };
    let builder = CaptureLayer::builder().service("orders").sink(stuck).spool(spool);
    let (capture, _guard) = builder.build().expect("a spool");
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(capture)).expect("the only one");
    let _open = info_span!("load", table = "orders").entered();
    (0..EVENTS[0]).for_each(|row| info!(row, "read"));
    is_stuck.recv_timeout(LONG).expect("the sink gets a batch");
    (0..EVENTS[1]).for_each(|row| info!(row, "read more"));
    info_span!("check").in_scope(|| info!("checked"));
    println!("ready");
    // Until it is killed, or whoever would do that is gone.
    io::copy(&mut io::stdin(), &mut io::sink()).expect("a pipe");
    std::process::abort();
}
