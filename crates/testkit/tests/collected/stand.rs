//! A collector with a lake.

use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use spanlake_collector::queue::Options;
use spanlake_collector::{CANARY_TARGET, Collector, CollectorBuilder, LakePlugin, Match};
use spanlake_core::OwnedRecord;
use spanlake_query::{Filter, Lake, TaskTree};
use tokio::runtime::Runtime;

pub(crate) const LONG: Duration = Duration::from_secs(30);

pub(crate) struct Stand {
    scratch: tempfile::TempDir,
    runtime: Runtime,
}

impl Stand {
    pub(crate) fn new() -> Self {
        Self { scratch: tempfile::tempdir().expect("a folder"), runtime: Runtime::new().expect("a runtime") }
    }

    fn lake(&self) -> PathBuf {
        self.scratch.path().join("lake")
    }

    pub(crate) fn start(&self, more: impl FnOnce(CollectorBuilder) -> CollectorBuilder) -> Collector {
        let most = NonZeroU64::new(1 << 30).expect("not zero");
        let queue = Options::new(self.scratch.path().join("queue"), most).most_disk_percent(100);
        let builder = Collector::builder(queue).listen(here()).flush_every(Duration::from_millis(20));
        let builder = builder.plugin("lake", Match::default(), LakePlugin::new(self.lake()));
        self.runtime.block_on(more(builder).start()).expect("a collector")
    }

    /// Stops it when it has stored this many records, canaries not counted.
    pub(crate) fn stop_with(&self, collector: Collector, records: usize) -> Vec<OwnedRecord> {
        let until = Instant::now() + LONG;
        while self.records().len() < records {
            assert!(Instant::now() < until, "{} of {records}: {:?}", self.records().len(), collector.plugins());
            std::thread::sleep(Duration::from_millis(10));
        }
        self.runtime.block_on(collector.stop()).expect("a good end");
        self.records()
    }

    fn records(&self) -> Vec<OwnedRecord> {
        let Ok(lake) = Lake::open(self.lake()) else {
            return Vec::new();
        };
        lake.read(&Filter::new()).expect("records").filter(|record| record.target != CANARY_TARGET).collect()
    }

    pub(crate) fn tree(&self) -> TaskTree {
        let mut tree = TaskTree::builder(Filter::new());
        let lake = Lake::open(self.lake()).expect("a lake");
        lake.scan(&tree.filter_to_scan()).expect("records").for_each(|record| tree.add(record));
        tree.finish()
    }
}

pub(crate) fn here() -> SocketAddr {
    "127.0.0.1:0".parse().expect("an address")
}
