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

use super::standing::Standing;
use super::zmtp::{Connection, notice_silence};
use super::{accept, pushed};
use crate::http::Policy;
use crate::intake::{Incoming, Intake, Reason};

/// Records that wait while others are kept.
const WAITING: usize = 512;

/// Records that are kept with one sync, at most.
const GROUP: usize = 4096;

/// Bytes of messages behind which no more are kept with the same sync.
const GROUP_BYTES: usize = 4 << 20;

/// How long the first of them waits for others.
const GROUP_FOR: Duration = Duration::from_millis(20);

/// How long is waited before a full queue is tried again, and a publisher that is not there.
pub(super) const PAUSE: Duration = Duration::from_millis(500);

/// How long what has come may take into the queue, once nothing more is taken.
const LAST_RECORDS: Duration = Duration::from_secs(5);

/// Bytes that are read from a connection at once.
const READ_BYTES: usize = 32 << 10;

/// How long a connection to a publisher is waited for.
const CONNECT_FOR: Duration = Duration::from_secs(10);

/// A `PULL` socket for scoped tasks in JSON, and for segments of spanlake's publishers.
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

/// A record that came, and how long its message was.
#[derive(Debug)]
struct Arrived {
    record: ForeignRecord,
    bytes: usize,
}

/// A receiver at work. It ends by itself when this is dropped.
#[derive(Debug)]
pub(crate) struct Receiving {
    /// Connections end when this goes.
    pub(super) open: watch::Sender<()>,
    /// Ends behind the last of them, when all that came is kept.
    pub(super) keeper: JoinHandle<()>,
    /// Where it listens, of one that does.
    pub(crate) address: Option<SocketAddr>,
    /// How the other side is doing, of one that connects to a publisher.
    pub(crate) standing: Option<Arc<Standing>>,
}

impl Pull {
    /// Here, with 1,024 connections and 1 MiB a message.
    pub fn new(address: SocketAddr) -> Self {
        Self { address, connections: 1024, message_bytes: scoped::Reader::MOST_BYTES }
    }

    pub(crate) async fn begin(self, intake: Intake, policy: Arc<Mutex<Arc<Policy>>>) -> Result<Receiving, Error> {
        let refused = |error| Error::io("Pull", "cannot listen", error).with("address", self.address);
        let listener = TcpListener::bind(self.address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let (sender, receiver) = mpsc::channel(WAITING);
        let (segments, pushed) = mpsc::channel(pushed::WAITING);
        let kept = intake.clone();
        let keeper = tokio::spawn(async move {
            tokio::join!(keep(kept.clone(), String::new(), receiver), pushed::keep(kept, pushed));
        });
        let reader = Arc::new(Mutex::new(scoped::Reader::with_limits(self.message_bytes, scoped::Reader::MOST_TASKS)));
        let door = Door { most_bytes: self.message_bytes, intake, policy, reader, sender, segments };
        let (open, closed) = watch::channel(());
        tokio::spawn(async move {
            let mut ends = closed.clone();
            tokio::select! {
                () = self.listen(listener, door, closed) => {}
                _ = ends.changed() => {}
            }
        });
        Ok(Receiving { open, keeper, address: Some(address), standing: None })
    }

    async fn listen(self, listener: TcpListener, door: Door, closed: watch::Receiver<()>) {
        let room = Arc::new(Semaphore::new(self.connections));
        loop {
            match (listener.accept().await, Arc::clone(&room).try_acquire_owned()) {
                (Ok((stream, peer)), Ok(permit)) => {
                    let pulled = door.clone().pull(stream, peer.ip().to_string(), permit);
                    let mut ends = closed.clone();
                    tokio::spawn(async move {
                        tokio::select! {
                            () = pulled => {}
                            _ = ends.changed() => {}
                        }
                    });
                }
                (Ok(_), Err(_)) => door.intake.refuse(Reason::Connections),
                (Err(_), _) => sleep(PAUSE).await,
            }
        }
    }
}

/// What every connection needs.
#[derive(Clone)]
struct Door {
    most_bytes: usize,
    intake: Intake,
    policy: Arc<Mutex<Arc<Policy>>>,
    reader: Arc<Mutex<scoped::Reader>>,
    sender: mpsc::Sender<Arrived>,
    segments: mpsc::Sender<Incoming>,
}

impl Door {
    /// Takes what one peer sends, until it goes.
    async fn pull(self, stream: TcpStream, peer: String, _permit: OwnedSemaphorePermit) {
        // Who is gone would have its place for ever.
        if let Err(error) = notice_silence(&stream) {
            return refuse_io(&self.intake, error.kind());
        }
        let mut connection =
            match Connection::greet(BufReader::with_capacity(READ_BYTES, stream), "PULL", self.most_bytes).await {
                Ok(connection) => connection,
                Err(error) => return refuse_io(&self.intake, error.kind()),
            };
        loop {
            let frames = match connection.message().await {
                Ok(frames) => frames,
                Err(error) => return refuse_io(&self.intake, error.kind()),
            };
            let bytes = frames.iter().map(Vec::len).sum();
            self.pay(&peer, bytes).await;
            // It waits where the queue does, and so does the peer.
            let is_over = match pushed::has_segments(&frames) {
                true => self.take_segments(&frames).await,
                false => self.take_record(&frames, bytes).await,
            };
            if is_over {
                return;
            }
        }
    }

    /// Hands a record on; gives whether nobody takes any more.
    async fn take_record(&self, frames: &[Vec<u8>], bytes: usize) -> bool {
        let read = lock(&self.reader).read(frames, utc_now_ns());
        match read {
            Ok(record) => return self.sender.send(Arrived { record, bytes }).await.is_err(),
            Err(refusal) => self.intake.refuse(reason(refusal)),
        }
        false
    }

    /// The same with segments.
    async fn take_segments(&self, frames: &[Vec<u8>]) -> bool {
        match pushed::read(frames, self.most_bytes) {
            Ok(incoming) => return self.segments.send(incoming).await.is_err(),
            Err(reason) => self.intake.refuse(reason),
        }
        false
    }

    /// Waits until the peer may have sent so much. It cannot be told, so that it is not read any further meanwhile.
    async fn pay(&self, peer: &str, bytes: usize) {
        loop {
            let policy = Arc::clone(&lock(&self.policy));
            match policy.quotas.take(peer, bytes as u64, std::time::Instant::now()) {
                Ok(()) => return,
                Err(pause) => sleep(pause).await,
            }
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
        let (sender, receiver) = mpsc::channel(WAITING);
        let keeper = tokio::spawn(keep(intake.clone(), self.service.clone(), receiver));
        let (open, mut closed) = watch::channel(());
        let standing = Arc::new(Standing::of(format!("publisher `{}`", self.publisher)));
        let told = Arc::clone(&standing);
        tokio::spawn(async move {
            tokio::select! {
                () = self.listen(intake, sender, &told) => {}
                _ = closed.changed() => {}
            }
        });
        Receiving { open, keeper, address: None, standing: Some(standing) }
    }

    async fn listen(self, intake: Intake, sender: mpsc::Sender<Arrived>, standing: &Standing) {
        while !sender.is_closed() {
            let connected = timeout(CONNECT_FOR, TcpStream::connect(&self.publisher)).await;
            match connected.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into())) {
                Ok(stream) => {
                    if let Err(error) = self.take(stream, &intake, &sender, standing).await {
                        refuse_io(&intake, error.kind());
                        standing.fail(&error);
                    }
                }
                Err(error) => standing.fail(&error),
            }
            sleep(PAUSE).await;
        }
    }

    async fn take(
        &self,
        stream: TcpStream,
        intake: &Intake,
        sender: &mpsc::Sender<Arrived>,
        standing: &Standing,
    ) -> std::io::Result<()> {
        notice_silence(&stream)?;
        let mut connection =
            Connection::greet(BufReader::with_capacity(READ_BYTES, stream), "SUB", self.message_bytes).await?;
        for topic in notification::subscriptions(self.level) {
            connection.subscribe(topic).await?;
        }
        standing.arrive();
        loop {
            let frames = connection.message().await?;
            let bytes = frames.iter().map(Vec::len).sum();
            match notification::read(&frames, self.message_bytes, utc_now_ns()) {
                Ok(mut record) => {
                    if record.source.service.is_empty() {
                        record.source.service.clone_from(&self.service);
                    }
                    if sender.send(Arrived { record, bytes }).await.is_err() {
                        return Ok(());
                    }
                }
                Err(refusal) => intake.refuse(reason(refusal)),
            }
        }
    }
}

/// Keeps what comes, many records with one sync. Where the queue is full it waits, and with it those who send.
async fn keep(intake: Intake, service: String, mut receiver: mpsc::Receiver<Arrived>) {
    while let Some(first) = receiver.recv().await {
        let until = Instant::now() + GROUP_FOR;
        let (mut records, mut bytes) = (vec![first.record], first.bytes);
        while records.len() < GROUP && bytes < GROUP_BYTES {
            // What is there needs no clock.
            let next = match receiver.try_recv() {
                Ok(next) => Some(next),
                Err(_) => timeout_at(until, receiver.recv()).await.ok().flatten(),
            };
            let Some(next) = next else { break };
            records.push(next.record);
            bytes += next.bytes;
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
        Refusal::Pickle => Reason::Pickle,
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
