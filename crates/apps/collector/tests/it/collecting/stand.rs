//! A collector under test, and programs that publish to it.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use spanlake_collector::queue::Options;
use spanlake_collector::{CANARY_TARGET, Collector, CollectorBuilder, LakePlugin, Match};
use spanlake_core::{OwnedRecord, Report};
use spanlake_publish::{Guard, HttpTransport, PublishLayer, PublishLayerBuilder};
use spanlake_query::{Filter, Lake};
use tokio::runtime::Runtime;
use tracing_subscriber::prelude::*;

/// Longer than anything takes.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A folder with a queue and a lake, and who runs the collector.
pub(crate) struct Stand {
    pub(crate) scratch: tempfile::TempDir,
    runtime: Runtime,
}

/// A collector that runs.
pub(crate) struct Running<'a> {
    stand: &'a Stand,
    collector: Option<Collector>,
    pub(crate) address: SocketAddr,
}

impl Stand {
    pub(crate) fn new() -> Self {
        Self { scratch: tempfile::tempdir().expect("a folder"), runtime: Runtime::new().expect("a runtime") }
    }

    pub(crate) fn queue(&self) -> Options {
        let most = NonZeroU64::new(1 << 30).expect("not zero");
        Options::new(self.scratch.path().join("queue"), most).most_disk_percent(100)
    }

    pub(crate) fn lake(&self) -> PathBuf {
        self.scratch.path().join("lake")
    }

    pub(crate) fn builder(&self) -> CollectorBuilder {
        Collector::builder(self.queue())
            .listen("127.0.0.1:0".parse().expect("an address"))
            .flush_every(Duration::from_millis(20))
    }

    /// With a plugin for the lake.
    pub(crate) fn start(&self) -> Running<'_> {
        self.run(self.builder().plugin("lake", Match::default(), LakePlugin::jsonl(self.lake())))
    }

    pub(crate) fn run(&self, builder: CollectorBuilder) -> Running<'_> {
        let collector = self.runtime.block_on(builder.start()).expect("a collector");
        Running { stand: self, address: collector.address(), collector: Some(collector) }
    }

    /// Tries to start one that cannot be.
    pub(crate) fn fails(&self, builder: CollectorBuilder) {
        self.runtime.block_on(builder.start()).expect_err("it cannot be");
    }

    /// What the lake has, but for canaries.
    pub(crate) fn records(&self) -> Vec<OwnedRecord> {
        let lake = Lake::open(self.lake()).expect("a lake");
        let timeline = lake.read(&Filter::new()).expect("records");
        timeline.filter(|record| record.target != CANARY_TARGET).collect()
    }

    /// How often each message is in the lake.
    pub(crate) fn messages(&self) -> BTreeMap<String, usize> {
        self.records().into_iter().fold(BTreeMap::new(), |mut counts, record| {
            *counts.entry(record.message).or_default() += 1;
            counts
        })
    }
}

impl Running<'_> {
    pub(crate) fn collector(&self) -> &Collector {
        self.collector.as_ref().expect("it runs")
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A layer that publishes here.
    pub(crate) fn publisher(&self) -> PublishLayerBuilder {
        publisher(HttpTransport::new(self.url()).build().expect("a transport"))
    }

    /// Waits until something is so.
    pub(crate) fn wait(&self, is_so: impl Fn(&Collector) -> bool) {
        let until = Instant::now() + LONG;
        while !is_so(self.collector()) {
            assert!(Instant::now() < until, "it did not come to be: {:?}", self.collector().plugins());
            std::thread::yield_now();
        }
    }

    /// Takes over other settings while it runs.
    pub(crate) fn reload(&self, builder: CollectorBuilder) {
        self.stand.runtime.block_on(self.collector().reload(builder)).expect("settings");
    }

    /// Sends bytes on a connection of their own, and gives all that comes back until it is over.
    pub(crate) fn ask(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).expect("a connection");
        stream.set_read_timeout(Some(LONG)).expect("a time");
        stream.set_write_timeout(Some(LONG)).expect("a time");
        // Whoever is turned out in the middle of it hears why all the same, or nothing.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// What is said at this path.
    pub(crate) fn get(&self, path: &str) -> String {
        self.ask(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
    }

    pub(crate) fn stop(mut self) {
        let collector = self.collector.take().expect("it runs");
        self.stand.runtime.block_on(collector.stop()).expect("a good end");
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(collector) = self.collector.take() {
            let _ = self.stand.runtime.block_on(collector.stop());
        }
    }
}

pub(crate) fn publisher(transport: impl spanlake_publish::Transport + 'static) -> PublishLayerBuilder {
    PublishLayer::builder(transport).send_every(Duration::from_millis(5)).poll_every(Duration::from_millis(20))
}

/// Runs a program whose records are published, to its end.
pub(crate) fn publish(builder: PublishLayerBuilder, program: impl FnOnce(&Guard)) -> Report {
    let (layer, guard) = builder.build().expect("a layer");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || program(&guard));
    guard.shutdown(LONG).expect("an end in time")
}
