//! A server with streams, and what a test looks up there.

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::jetstream::{self, Context, consumer, stream};
use spanlake_collector::{JetStream, LakePlugin, Match};
use spanlake_publish::NatsTransport;
use tokio::runtime::Runtime;

use crate::collecting::stand::{LONG, Running, Stand, publish, publisher};
use crate::sending::server::{Server, free_address};

pub(super) const CLAIMS: &str = "SPANLAKE_spanlaked_CLAIMS";

pub(super) struct Nats {
    pub(super) server: Server,
    runtime: Runtime,
    _scratch: tempfile::TempDir,
}

impl Nats {
    pub(super) fn start() -> Self {
        let (scratch, address) = (tempfile::tempdir().expect("a folder"), free_address());
        let (port, folder) = (address.port().to_string(), scratch.path().to_str().expect("UTF-8").to_owned());
        let mut server = Server::new(address, "nats-server", &["-js", "-a", "127.0.0.1", "-p", &port, "-sd", &folder]);
        server.start();
        Self { server, runtime: Runtime::new().expect("a runtime"), _scratch: scratch }
    }

    pub(super) fn url(&self) -> String {
        format!("nats://{}", self.server.address)
    }

    pub(super) fn transport(&self) -> NatsTransport {
        let most = NonZeroU64::new(1 << 30).expect("not zero");
        NatsTransport::new(self.url()).create(most).build().expect("a transport")
    }

    /// Publishes records, each as a message of its own.
    pub(super) fn publish(&self, texts: &[&str]) {
        let report = publish(publisher(self.transport()).service("orders"), |guard| {
            for text in texts {
                tracing::info!("{text}");
                assert!(guard.flush(LONG).is_complete());
            }
        });
        assert!(report.is_complete(), "{report:?}");
    }

    /// A collector that takes the stream, with a lake.
    pub(super) fn collect<'s>(&self, stand: &'s Stand) -> Running<'s> {
        let lake = LakePlugin::jsonl(stand.lake());
        stand.run(stand.builder().plugin("lake", Match::default(), lake).jetstream("all", self.receiver()))
    }

    pub(super) fn receiver(&self) -> JetStream {
        let mut receiver = JetStream::new(self.url(), "SPANLAKE", "spanlaked");
        receiver.ack_wait = Duration::from_secs(1);
        receiver
    }

    pub(super) fn with<T>(&self, ask: impl AsyncFnOnce(Context) -> Result<T, async_nats::Error>) -> T {
        let asked = async {
            let client = async_nats::connect(self.url()).await?;
            let context = jetstream::new(client.clone());
            let answer = ask(context).await?;
            client.flush().await?;
            Ok::<_, async_nats::Error>(answer)
        };
        self.runtime.block_on(asked).expect("an answer")
    }

    pub(super) fn state(&self, stream: &str) -> stream::Info {
        self.with(async |context| Ok(context.get_stream(stream).await?.get_info().await?))
    }

    /// Once it is there.
    pub(super) fn consumer(&self) -> Option<consumer::Info> {
        self.with(async |context| Ok(context.get_stream("SPANLAKE").await?.consumer_info("spanlaked").await.ok()))
    }

    /// Publishes bytes that may be anything.
    pub(super) fn send(&self, subject: String, headers: HeaderMap, bytes: Vec<u8>) {
        self.with(async |context| {
            context.publish_with_headers(subject, headers, bytes.into()).await?.await?;
            Ok(())
        });
    }

    /// Waits until all messages of the stream are acknowledged.
    pub(super) fn wait_until_empty(&self) {
        until("the stream is empty", || self.state("SPANLAKE").state.messages == 0);
    }
}

pub(super) fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < deadline, "it did not come to be that {what}");
        std::thread::yield_now();
    }
}

/// A counter of a collector.
pub(super) fn counted(running: &Running<'_>, name: &str) -> u64 {
    let metrics = running.get("/metrics");
    let value =
        metrics.lines().find_map(|line| line.strip_prefix("spanlaked_")?.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("{name} is not in:\n{metrics}"))
}
