//! ZeroMQ: scoped tasks that are pushed here, and notifications that are subscribed to.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use spanlake_core::Error;
use spanlake_core::clock::utc_now_ns;
use spanlake_core::sync::{Mutex, lock};
use spanlake_wire::level::Severity;
use spanlake_wire::{ForeignRecord, Refusal, notification, scoped};
use tokio::io::BufReader;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::accept;
use super::zmtp::Connection;
use crate::intake::{Intake, Reason};

/// Records that are kept with one sync, at most.
const GROUP: usize = 512;

/// How long the first of them waits for others.
const GROUP_FOR: Duration = Duration::from_millis(20);

/// How long is waited before a full queue is tried again, and a publisher that is not there.
const PAUSE: Duration = Duration::from_millis(500);

/// How long what has come may take into the queue, once nothing more is taken.
const LAST_RECORDS: Duration = Duration::from_secs(5);

/// How long a connection to a publisher is waited for.
const CONNECT_FOR: Duration = Duration::from_secs(10);

/// A `PULL` socket for scoped tasks in JSON.
#[derive(Clone, Debug)]
pub struct Pull {
    /// Where it listens. ZeroMQ has no tokens: whoever gets there may send.
    pub address: SocketAddr,
    /// Most connections at once; who comes when there are as many is turned away.
    pub connections: usize,
    /// Longest message, in bytes.
    pub message_bytes: usize,
}

/// A `SUB` socket for notifications in CBOR, which connects to a publisher and comes back when that goes.
#[derive(Clone, Debug)]
pub struct Subscribe {
    /// Where the publisher is: a host and a port.
    pub publisher: String,
    /// The least severe level that is asked for.
    pub level: Severity,
    /// The name of the service whose records these are.
    pub service: String,
    /// Longest message, in bytes.
    pub message_bytes: usize,
}

/// A receiver at work. It ends by itself when this is dropped.
#[derive(Debug)]
pub(crate) struct Receiving {
    /// Connections end when this goes.
    open: watch::Sender<()>,
    /// Ends behind the last of them, when all that came is kept.
    keeper: JoinHandle<()>,
    /// Where it listens, of one that does.
    pub(crate) address: Option<SocketAddr>,
}

impl Pull {
    /// Here, with 1,024 connections and 1 MiB a message.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, connections: 1024, message_bytes: scoped::Reader::MOST_BYTES }
    }

    pub(crate) async fn begin(self, intake: Intake) -> Result<Receiving, Error> {
        let refused = |error| Error::io("Pull", "cannot listen", error).with("address", self.address);
        let listener = TcpListener::bind(self.address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let (sender, receiver) = mpsc::channel(GROUP);
        let keeper = tokio::spawn(keep(intake.clone(), String::new(), receiver));
        let (open, closed) = watch::channel(());
        tokio::spawn(async move {
            let mut ends = closed.clone();
            tokio::select! {
                () = self.listen(listener, intake, sender, closed) => {}
                _ = ends.changed() => {}
            }
        });
        Ok(Receiving { open, keeper, address: Some(address) })
    }

    async fn listen(
        self,
        listener: TcpListener,
        intake: Intake,
        sender: mpsc::Sender<ForeignRecord>,
        closed: watch::Receiver<()>,
    ) {
        let room = Arc::new(Semaphore::new(self.connections));
        let reader = Arc::new(Mutex::new(scoped::Reader::with_limits(self.message_bytes, scoped::Reader::MOST_TASKS)));
        loop {
            match (listener.accept().await, Arc::clone(&room).try_acquire_owned()) {
                (Ok((stream, _)), Ok(permit)) => {
                    let pulled =
                        pull(stream, permit, self.message_bytes, intake.clone(), Arc::clone(&reader), sender.clone());
                    let mut ends = closed.clone();
                    tokio::spawn(async move {
                        tokio::select! {
                            () = pulled => {}
                            _ = ends.changed() => {}
                        }
                    });
                }
                (Ok(_), Err(_)) => intake.refuse(Reason::Connections),
                (Err(_), _) => sleep(PAUSE).await,
            }
        }
    }
}

/// Takes what one peer sends, until it goes.
async fn pull(
    stream: TcpStream,
    _permit: OwnedSemaphorePermit,
    most_bytes: usize,
    intake: Intake,
    reader: Arc<Mutex<scoped::Reader>>,
    sender: mpsc::Sender<ForeignRecord>,
) {
    let mut connection = match Connection::greet(BufReader::new(stream), "PULL", most_bytes).await {
        Ok(connection) => connection,
        Err(error) => return refuse_io(&intake, error.kind()),
    };
    loop {
        let frames = match connection.message().await {
            Ok(frames) => frames,
            Err(error) => return refuse_io(&intake, error.kind()),
        };
        let read = lock(&reader).read(&frames, utc_now_ns());
        match read {
            // It waits where the queue does, and so does the peer.
            Ok(record) => {
                if sender.send(record).await.is_err() {
                    return;
                }
            }
            Err(refusal) => intake.refuse(reason(refusal)),
        }
    }
}

impl Subscribe {
    /// To this publisher, for everything from `debug` on, 1 MiB a message.
    pub fn new(publisher: impl Into<String>) -> Self {
        let publisher = publisher.into();
        Self { service: String::new(), publisher, level: Severity::Debug, message_bytes: 1 << 20 }
    }

    pub(crate) fn begin(self, intake: Intake) -> Receiving {
        let (sender, receiver) = mpsc::channel(GROUP);
        let keeper = tokio::spawn(keep(intake.clone(), self.service.clone(), receiver));
        let (open, mut closed) = watch::channel(());
        tokio::spawn(async move {
            tokio::select! {
                () = self.listen(intake, sender) => {}
                _ = closed.changed() => {}
            }
        });
        Receiving { open, keeper, address: None }
    }

    async fn listen(self, intake: Intake, sender: mpsc::Sender<ForeignRecord>) {
        while !sender.is_closed() {
            let connected = timeout(CONNECT_FOR, TcpStream::connect(&self.publisher)).await;
            if let Ok(Ok(stream)) = connected
                && let Err(error) = self.take(stream, &intake, &sender).await
            {
                refuse_io(&intake, error.kind());
            }
            sleep(PAUSE).await;
        }
    }

    async fn take(
        &self,
        stream: TcpStream,
        intake: &Intake,
        sender: &mpsc::Sender<ForeignRecord>,
    ) -> std::io::Result<()> {
        let mut connection = Connection::greet(BufReader::new(stream), "SUB", self.message_bytes).await?;
        for topic in notification::subscriptions(self.level) {
            connection.subscribe(topic).await?;
        }
        loop {
            let frames = connection.message().await?;
            match notification::read(&frames, self.message_bytes, utc_now_ns()) {
                Ok(mut record) => {
                    if record.source.service.is_empty() {
                        record.source.service.clone_from(&self.service);
                    }
                    if sender.send(record).await.is_err() {
                        return Ok(());
                    }
                }
                Err(refusal) => intake.refuse(reason(refusal)),
            }
        }
    }
}

/// Keeps what comes, many records with one sync. Where the queue is full it waits, and with it those who send.
async fn keep(intake: Intake, service: String, mut receiver: mpsc::Receiver<ForeignRecord>) {
    while let Some(first) = receiver.recv().await {
        let (mut records, until) = (vec![first], Instant::now() + GROUP_FOR);
        while records.len() < GROUP {
            match timeout_at(until, receiver.recv()).await {
                Ok(Some(record)) => records.push(record),
                _ => break,
            }
        }
        while accept(&intake, &service, &records).await.is_err_and(|refusal| refusal.is_retryable()) {
            sleep(PAUSE).await;
        }
    }
}

/// A peer that goes is none of our business; one that says something else than it should is counted.
fn refuse_io(intake: &Intake, kind: ErrorKind) {
    match kind {
        ErrorKind::FileTooLarge => intake.refuse(Reason::TooLarge),
        ErrorKind::InvalidData => intake.refuse(Reason::Malformed),
        ErrorKind::TimedOut => intake.refuse(Reason::Slow),
        _ => {}
    }
}

/// What the counters call it.
pub(crate) fn reason(refusal: Refusal) -> Reason {
    match refusal {
        Refusal::Pickle => Reason::Encoding,
        Refusal::TooLong | Refusal::TooDeep | Refusal::TooMany => Reason::TooLarge,
        _ => Reason::Malformed,
    }
}

impl Receiving {
    /// Ends the connections, and comes back when what had come over them is kept.
    pub(crate) async fn stop(self) {
        let Self { open, mut keeper, .. } = self;
        drop(open);
        if timeout(LAST_RECORDS, &mut keeper).await.is_err() {
            keeper.abort();
        }
    }
}
