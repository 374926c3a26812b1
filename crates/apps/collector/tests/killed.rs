//! Kills at random moments, of either side: every record whose call had returned is in the lake once.
//!
//! The tests run this executable again as a child, told by an environment variable what to do, and kill it. How many records the child
//! has made stands in a file that outlives it: a record is owed when its number is below, and may be there when it is the number itself.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU64;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use spanlake_collector::queue::Options;
use spanlake_collector::{CANARY_TARGET, Collector, LakePlugin, Match};
use spanlake_core::{Kind, Outcome, OwnedRecord};
use spanlake_publish::{Guard, HttpTransport, PublishLayer};
use spanlake_query::{Filter, Lake};
use tokio::runtime::Runtime;
use tracing_subscriber::prelude::*;

/// Says to a child what it is to do; absent in the parent.
const ROLE: &str = "SPANLAKED_ROLE";
const FOLDER: &str = "SPANLAKED_FOLDER";
const ADDRESS: &str = "SPANLAKED_ADDRESS";

const KILLS: u64 = 12;
const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_publisher_that_is_killed_loses_nothing_and_doubles_nothing() {
    if let Ok(role) = std::env::var(ROLE) {
        return play(&role);
    }
    let mut interrupted = 0;
    for kill in 0..KILLS {
        let stand = Stand::new();
        let runtime = Runtime::new().expect("a runtime");
        let collector = runtime.block_on(stand.builder().start()).expect("a collector");
        let mut child = stand.start("publish");
        thread::sleep(pause(kill, 300_000));
        child.kill().expect("killed");
        child.wait().expect("ended");
        let (_layer, guard) = publisher(&stand);
        let report = guard.shutdown(LONG).expect("what it left is sent");
        assert_eq!(report.lost, 0, "{report:?}");
        runtime.block_on(collector.stop()).expect("a good end");
        interrupted += stand.check(stand.made());
        let left = fs::read_dir(stand.folder().join("spool")).expect("a spool").count();
        assert_eq!(left, 0, "nothing is left to be sent");
    }
    assert!(interrupted > 0, "no task was open at any of {KILLS} kills");
}

#[test]
fn a_collector_that_is_killed_loses_nothing_and_doubles_nothing() {
    if std::env::var(ROLE).is_ok() {
        return;
    }
    let stand = Stand::new();
    let (layer, guard) = publisher(&stand);
    let mut made = 0;
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        for kill in 0..KILLS {
            let mut child = stand.start("collect");
            let until = Instant::now() + pause(kill, 500_000);
            while Instant::now() < until {
                tracing::info!("{made}");
                made += 1;
                thread::sleep(Duration::from_micros(50));
            }
            child.kill().expect("killed");
            child.wait().expect("ended");
        }
        let mut child = stand.start("collect");
        let report = guard.flush(LONG);
        assert!(report.is_complete() && report.written == made, "{report:?}");
        drop(guard);
        let lake_has_all = || stand.messages().len() as u64 == made;
        let until = Instant::now() + LONG;
        while !lake_has_all() {
            assert!(Instant::now() < until, "{} of {made}", stand.messages().len());
            thread::sleep(Duration::from_millis(50));
        }
        child.kill().expect("killed");
        child.wait().expect("ended");
    });
    let messages = stand.messages();
    assert_eq!((messages.len() as u64, messages.values().max()), (made, Some(&1)));
}

/// What a child does until it is killed.
fn play(role: &str) {
    let stand = Stand::of(PathBuf::from(std::env::var(FOLDER).expect("a folder")));
    match role {
        "publish" => {
            let (layer, _guard) = publisher(&stand);
            let made = fs::File::options().write(true).open(stand.folder().join("made")).expect("a file");
            tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
                let mut number = 0_u64;
                loop {
                    let _load = tracing::info_span!("load").entered();
                    for _ in 0..1000 {
                        tracing::info!("{number}");
                        number += 1;
                        made.write_all_at(&number.to_le_bytes(), 0).expect("noted");
                    }
                }
            });
        }
        _ => Runtime::new().expect("a runtime").block_on(async {
            let builder = stand.builder().listen(stand.address);
            let _collector = builder.start().await.expect("a collector");
            std::future::pending::<()>().await;
        }),
    }
}

fn publisher(stand: &Stand) -> (PublishLayer, Guard) {
    let transport = HttpTransport::new(format!("http://{}", stand.address)).build().expect("a transport");
    let builder = PublishLayer::builder(transport).send_every(Duration::from_millis(5));
    builder.spool(stand.folder().join("spool")).build().expect("a layer")
}

/// A moment in the first `most_us` microseconds, another one for each kill.
fn pause(kill: u64, most_us: u64) -> Duration {
    Duration::from_micros(20_000 + kill.wrapping_mul(0x9e37_79b9_7f4a_7c15) % most_us)
}

/// A folder with a queue, a lake and a spool, and an address.
struct Stand {
    scratch: Option<tempfile::TempDir>,
    folder: PathBuf,
    address: SocketAddr,
}

impl Stand {
    fn new() -> Self {
        let scratch = tempfile::tempdir().expect("a folder");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("an address");
        fs::write(scratch.path().join("made"), [0; 8]).expect("a file");
        Self { folder: scratch.path().to_owned(), scratch: Some(scratch), address: free }
    }

    fn of(folder: PathBuf) -> Self {
        let address = std::env::var(ADDRESS).expect("an address").parse().expect("an address");
        Self { scratch: None, folder, address }
    }

    fn folder(&self) -> &Path {
        &self.folder
    }

    fn builder(&self) -> spanlake_collector::CollectorBuilder {
        let most = NonZeroU64::new(1 << 30).expect("not zero");
        let queue = Options::new(self.folder.join("queue"), most).most_disk_percent(100);
        let lake = LakePlugin::new(self.folder.join("lake"));
        Collector::builder(queue)
            .listen(self.address)
            .flush_every(Duration::from_millis(30))
            .checkpoint_every(Duration::from_millis(50))
            .plugin("lake", Match::default(), lake)
    }

    fn start(&self, role: &str) -> Child {
        let mut command = Command::new(std::env::current_exe().expect("this executable"));
        command.args(["--exact", "a_publisher_that_is_killed_loses_nothing_and_doubles_nothing", "--nocapture"]);
        command.env(ROLE, role).env(FOLDER, &self.folder).env(ADDRESS, self.address.to_string());
        command.stdout(Stdio::null()).spawn().expect("a child")
    }

    fn made(&self) -> u64 {
        let bytes = fs::read(self.folder.join("made")).expect("a file");
        u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
    }

    fn records(&self) -> Vec<OwnedRecord> {
        let Ok(lake) = Lake::open(self.folder.join("lake")) else {
            return Vec::new();
        };
        let records = lake.read(&Filter::new()).expect("records");
        records.filter(|record| record.target != CANARY_TARGET).collect()
    }

    fn messages(&self) -> BTreeMap<String, usize> {
        let events = self.records().into_iter().filter(|record| record.kind == Kind::Event);
        events.fold(BTreeMap::new(), |mut counts, record| {
            *counts.entry(record.message).or_default() += 1;
            counts
        })
    }

    /// Everything that is owed is there once, and every task has one end; gives how many were interrupted.
    fn check(&self, made: u64) -> usize {
        let messages = self.messages();
        for number in 0..made {
            assert_eq!(messages.get(&number.to_string()), Some(&1), "{number} of {made}");
        }
        assert!(messages.len() as u64 <= made + 1, "{} of {made}", messages.len());
        assert_eq!(messages.values().max().unwrap_or(&1), &1);
        let records = self.records();
        let count = |kind| records.iter().filter(|record| record.kind == kind).count();
        assert_eq!(count(Kind::Begin), count(Kind::End), "every task has an end");
        records.iter().filter(|record| record.outcome == Some(Outcome::Interrupted)).count()
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        // A child leaves the folder to its parent.
        drop(self.scratch.take());
    }
}
