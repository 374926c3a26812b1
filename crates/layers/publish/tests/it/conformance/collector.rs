//! The collector as the other side, of several transports.

use std::marker::PhantomData;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use spanlake_collector::queue::Options;
use spanlake_collector::receive::Pull;
use spanlake_collector::{CANARY_TARGET, Collector, CollectorBuilder, Match, Plugin, Portion};
use spanlake_core::{Error, OwnedRecord};
use spanlake_publish::{HttpTransport, OtlpTransport, Transport, ZmqTransport};
use tokio::runtime::Runtime;

use super::{Side, free_address};

/// By which way records get to a collector.
pub(crate) trait By {
    fn transport(at: SocketAddr) -> Box<dyn Transport>;

    /// A collector that is to be found there.
    fn listen(builder: CollectorBuilder, at: SocketAddr) -> CollectorBuilder {
        builder.listen(at)
    }

    fn own_fields(received: &str) -> String {
        received.to_owned()
    }
}

pub(crate) struct Http;
pub(crate) struct Otlp;
pub(crate) struct Grpc;
pub(crate) struct Push;
pub(crate) struct PushSegments;

impl By for Http {
    fn transport(at: SocketAddr) -> Box<dyn Transport> {
        Box::new(HttpTransport::new(format!("http://{at}")).build().expect("a transport"))
    }
}

impl By for Otlp {
    fn transport(at: SocketAddr) -> Box<dyn Transport> {
        Box::new(OtlpTransport::new(format!("http://{at}")).build().expect("a transport"))
    }
}

impl By for Grpc {
    fn transport(at: SocketAddr) -> Box<dyn Transport> {
        Box::new(OtlpTransport::grpc(format!("http://{at}")).build().expect("a transport"))
    }
}

impl By for Push {
    fn transport(at: SocketAddr) -> Box<dyn Transport> {
        Box::new(ZmqTransport::push(format!("tcp://{at}")).build().expect("a transport"))
    }

    fn listen(builder: CollectorBuilder, at: SocketAddr) -> CollectorBuilder {
        builder.listen(free_address()).pull(Pull::new(at))
    }

    /// The topic's system is one of them.
    fn own_fields(received: &str) -> String {
        let system = r#""system":"production""#;
        assert!(received.contains(system), "{received}");
        [format!("{system},"), format!(",{system}"), system.to_owned()]
            .iter()
            .fold(received.to_owned(), |rest, it| rest.replace(it, ""))
    }
}

impl By for PushSegments {
    fn transport(at: SocketAddr) -> Box<dyn Transport> {
        Box::new(ZmqTransport::push(at.to_string()).segments().build().expect("a transport"))
    }

    fn listen(builder: CollectorBuilder, at: SocketAddr) -> CollectorBuilder {
        Push::listen(builder, at)
    }
}

/// A collector in this process, with its queue in a folder.
pub(crate) struct Collecting<B> {
    scratch: tempfile::TempDir,
    runtime: Runtime,
    address: SocketAddr,
    running: Option<Collector>,
    records: Gathered,
    by: PhantomData<B>,
}

/// What a plugin was given.
#[derive(Clone, Default)]
pub(crate) struct Gathered(Arc<Mutex<Vec<OwnedRecord>>>);

impl<B: By> Collecting<B> {
    pub(crate) fn new() -> Self {
        Self {
            scratch: tempfile::tempdir().expect("a folder"),
            runtime: Runtime::new().expect("a runtime"),
            address: free_address(),
            running: None,
            records: Gathered::default(),
            by: PhantomData,
        }
    }

    /// Runs a collector with this setting besides.
    pub(crate) fn run(&mut self, with: impl FnOnce(CollectorBuilder) -> CollectorBuilder) {
        let most = NonZeroU64::new(1 << 30).expect("not zero");
        let queue = Options::new(self.scratch.path().join("queue"), most).most_disk_percent(100);
        let builder = Collector::builder(queue).flush_every(Duration::from_millis(20));
        let builder = with(builder.plugin("gather", Match::default(), self.records.clone()));
        self.running = Some(self.runtime.block_on(builder.start()).expect("a collector"));
    }
}

impl<B: By> Side for Collecting<B> {
    fn transport(at: SocketAddr) -> Box<dyn Transport> {
        B::transport(at)
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn start(&mut self) {
        let address = self.address;
        self.run(|builder| B::listen(builder, address));
    }

    fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.stop()).expect("a good end");
        }
    }

    fn own_fields(received: &str) -> String {
        B::own_fields(received)
    }

    fn count(&mut self) -> usize {
        self.records.0.lock().expect("no test panics here").len()
    }

    fn records(&mut self) -> Vec<OwnedRecord> {
        self.records.0.lock().expect("no test panics here").clone()
    }
}

impl<B> Drop for Collecting<B> {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            let _ = self.runtime.block_on(running.stop());
        }
    }
}

impl Plugin for Gathered {
    fn write(&mut self, portion: &Portion<'_>) -> Result<(), Error> {
        let records = portion
            .records()
            .map(|(_, record)| OwnedRecord::from(record))
            .filter(|record| record.target != CANARY_TARGET);
        self.0.lock().expect("no test panics here").extend(records);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}
