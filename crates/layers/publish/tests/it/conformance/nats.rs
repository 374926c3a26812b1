//! A NATS server as the other side, whose stream is read back by a consumer.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU64;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull;
use futures_util::StreamExt;
use spanlake_core::OwnedRecord;
use spanlake_core::segment::{Decoded, merge};
use spanlake_publish::{NatsTransport, Transport};
use spanlake_wire::batch::Batch;
use tokio::runtime::Runtime;
use tracing::subscriber::NoSubscriber;

use super::{Side, free_address, wait};

const MOST_BYTES: NonZeroU64 = NonZeroU64::new(1 << 30).expect("not zero");

/// A server of its own, with its streams in a folder.
pub(crate) struct Nats {
    scratch: tempfile::TempDir,
    runtime: Runtime,
    address: SocketAddr,
    running: Option<Child>,
    /// How much of the stream was read: a server that was killed forgets what a consumer had acknowledged.
    read: u64,
    records: Vec<OwnedRecord>,
}

impl Nats {
    /// `None` where there is no server on this machine, which is said.
    pub(crate) fn new() -> Option<Self> {
        let version = Command::new("nats-server").arg("--version").stdout(Stdio::null()).status();
        if version.is_err() {
            let why = "there is no nats-server here; apt-get install nats-server";
            let _ = writeln!(std::io::stderr(), "NOT RUN: publish to jetstream: {why}");
            return None;
        }
        Some(Self {
            scratch: tempfile::tempdir().expect("a folder"),
            runtime: Runtime::new().expect("a runtime"),
            address: free_address(),
            running: None,
            read: 0,
            records: Vec::new(),
        })
    }

    /// Reads what the stream has beyond what was read before.
    async fn read(&self) -> Result<(u64, Vec<OwnedRecord>), async_nats::Error> {
        let client = async_nats::connect(self.address.to_string()).await?;
        let stream = jetstream::new(client).get_stream("SPANLAKE").await?;
        let config = pull::Config { durable_name: Some("test".to_owned()), ..pull::Config::default() };
        let consumer = stream.get_or_create_consumer("test", config).await?;
        let mut messages = consumer.fetch().max_messages(100).expires(Duration::from_millis(200)).messages().await?;
        let (mut read, mut records) = (self.read, Vec::new());
        while let Some(message) = messages.next().await {
            let message = message?;
            assert_eq!(message.subject.as_str(), "spanlake.segments.orders");
            let batch = Batch::read(&message.payload, 1 << 24)?;
            let decoded: Vec<_> =
                batch.entries().map(|entry| Decoded::read(entry.segment)).collect::<Result<_, _>>()?;
            let number = message.info()?.stream_sequence;
            if number > read {
                records.extend(merge(&decoded).map(|record| OwnedRecord::from(&record)));
                read = number;
            }
            message.double_ack().await?;
        }
        Ok((read, records))
    }
}

impl Side for Nats {
    fn transport(at: SocketAddr) -> Box<dyn Transport> {
        let transport = NatsTransport::new(format!("nats://{at}")).create(MOST_BYTES);
        Box::new(transport.build().expect("a transport"))
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn start(&mut self) {
        let mut server = Command::new("nats-server");
        server.args(["-js", "-a", "127.0.0.1", "-p", &self.address.port().to_string(), "-sd"]).arg(self.scratch.path());
        let server = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.running = Some(server.expect("a server"));
        wait("the server listens", || TcpStream::connect(self.address).is_ok());
    }

    fn stop(&mut self) {
        if let Some(mut server) = self.running.take() {
            server.kill().expect("it can be killed");
            server.wait().expect("it has ended");
        }
    }

    fn records(&mut self) -> Vec<OwnedRecord> {
        // What the client of this test logs is none of the program's. A stream that is not there has nothing.
        let read = || self.runtime.block_on(self.read());
        let read = tracing::subscriber::with_default(NoSubscriber::new(), read);
        if let Ok((read, records)) = read {
            self.read = read;
            self.records.extend(records);
        }
        self.records.clone()
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        self.stop();
    }
}
