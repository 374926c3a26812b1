//! ZeroMQ: a `PUB` socket that others subscribe to.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use spanlake_core::Error;
use spanlake_core::sync::{Mutex, lock};
use spanlake_wire::notification::{self, Extent};
use spanlake_wire::scoped;
use spanlake_wire::zmtp::put_message;
use tokio::io::{AsyncWriteExt, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout;

use super::{Plugin, Portion};
use crate::receive::zmtp::{Connection, Said, notice_silence};

/// How long a subscriber is waited for that does not take what it asked for; then it is hung up on.
const PATIENCE: Duration = Duration::from_secs(1);

/// Messages that wait for a subscriber.
const WAITING: usize = 4096;

/// Longest message that a subscriber may send, which are topics.
const TOPIC_BYTES: usize = 1024;

/// Most topics that a subscriber may ask for.
const TOPICS: usize = 64;

/// Default of [`ZeromqPlugin::subscribers`].
const SUBSCRIBERS: usize = 64;

const SERVICE: &str = "ZeromqPlugin";

/// Publishes each record to those who subscribe to the beginning of its topic.
///
/// **`PUB` has no memory and no answer**: who is not connected gets nothing, and who takes nothing for a second is hung up on. After a
/// crash what came since the last checkpoint is published again. There are no tokens: beyond the own machine it is for networks that are
/// trusted.
#[derive(Debug)]
pub struct ZeromqPlugin {
    address: SocketAddr,
    notation: Notation,
    most_subscribers: usize,
    served: Option<Served>,
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notation {
    /// A notification in CBOR, whose topic is its level.
    Notification(Extent),
    /// A scoped task in JSON, whose topic begins with the letter of this system.
    Scoped(scoped::System),
}

/// A socket that is open.
#[derive(Debug)]
struct Served {
    subscribers: Subscribers,
    runtime: Runtime,
}

/// A topic, and the message as it goes over the wire.
type Message = (Vec<u8>, Arc<[u8]>);

type Subscribers = Arc<Mutex<Vec<Subscriber>>>;

#[derive(Clone, Debug)]
struct Subscriber {
    topics: Arc<Mutex<Vec<Vec<u8>>>>,
    /// Messages as they go over the wire.
    sender: mpsc::Sender<Arc<[u8]>>,
}

// === impl ZeromqPlugin ===

impl ZeromqPlugin {
    /// A socket at this address, which is opened when the collector runs.
    pub fn new(address: SocketAddr, notation: Notation) -> Self {
        Self { address, notation, most_subscribers: SUBSCRIBERS, served: None }
    }

    /// How many may be connected at once: 64. Who comes when there are as many is turned away.
    #[must_use]
    pub fn subscribers(mut self, most: usize) -> Self {
        self.most_subscribers = most;
        self
    }

    fn served(&mut self) -> Result<&Served, Error> {
        let served =
            self.served.take().map_or_else(|| self.serve(), Ok).map_err(|error| {
                Error::io(SERVICE, "cannot listen", error).with("address", self.address).recoverable()
            })?;
        Ok(self.served.insert(served))
    }

    fn serve(&self) -> io::Result<Served> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("pub").enable_all().build()?;
        let subscribers = Subscribers::default();
        let listener = runtime.block_on(TcpListener::bind(self.address))?;
        runtime.spawn(listen(listener, Arc::clone(&subscribers), self.most_subscribers));
        Ok(Served { subscribers, runtime })
    }

    fn messages(&self, portion: &Portion<'_>) -> Vec<Message> {
        let records = portion.records().map(|(_, record)| record);
        match self.notation {
            Notation::Notification(extent) => {
                let written = records.map(|record| notification::encode(record, extent));
                written.map(|(topic, body)| message(topic.as_bytes(), &body)).collect()
            }
            Notation::Scoped(system) => {
                let mut writer = scoped::Writer::new(system);
                let written = records.map(|record| {
                    let (topic, body) = writer.write(record);
                    message(topic, body)
                });
                written.collect()
            }
        }
    }
}

fn message(topic: &[u8], body: &[u8]) -> Message {
    let mut message = Vec::new();
    put_message(&mut message, topic, body);
    (topic.to_vec(), message.into())
}

impl Plugin for ZeromqPlugin {
    fn write(&mut self, portion: &Portion<'_>) -> Result<(), Error> {
        let messages = self.messages(portion);
        let served = self.served()?;
        let subscribers = lock(&served.subscribers).clone();
        for subscriber in subscribers {
            for (_, message) in messages.iter().filter(|(topic, _)| subscriber.wants(topic)) {
                let sending = subscriber.sender.send(Arc::clone(message));
                let sent = served.runtime.block_on(async { timeout(PATIENCE, sending).await });
                if !matches!(sent, Ok(Ok(()))) {
                    lock(&served.subscribers).retain(|other| !other.sender.same_channel(&subscriber.sender));
                    break;
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// Who subscribes may come before the first record.
    fn tick(&mut self) -> Result<(), Error> {
        self.served().map(drop)
    }
}

impl Subscriber {
    fn wants(&self, topic: &[u8]) -> bool {
        lock(&self.topics).iter().any(|wanted| topic.starts_with(wanted))
    }

    /// Takes in what it sends: a topic that it wants, or wants no longer.
    fn hear(&self, frame: &[u8]) {
        let mut topics = lock(&self.topics);
        match frame.split_first() {
            Some((1, topic)) if topics.len() < TOPICS => topics.push(topic.to_vec()),
            Some((0, topic)) => {
                if let Some(at) = topics.iter().position(|known| known == topic) {
                    topics.swap_remove(at);
                }
            }
            _ => {}
        }
    }
}

async fn listen(listener: TcpListener, subscribers: Subscribers, most: usize) {
    let room = Arc::new(Semaphore::new(most));
    loop {
        match (listener.accept().await, Arc::clone(&room).try_acquire_owned()) {
            (Ok((stream, _)), Ok(permit)) => {
                tokio::spawn(serve(stream, Arc::clone(&subscribers), permit));
            }
            (Ok(_), Err(_)) => {}
            (Err(_), _) => tokio::time::sleep(PATIENCE).await,
        }
    }
}

/// Has a subscriber get what it asks for, until it goes or is hung up on.
async fn serve(stream: TcpStream, subscribers: Subscribers, _permit: OwnedSemaphorePermit) {
    // Who is gone would have its place for ever where it asked for nothing that is said.
    if notice_silence(&stream).is_err() {
        return;
    }
    let Ok(connection) = Connection::greet(stream, "PUB", TOPIC_BYTES).await else {
        return;
    };
    let (mut connection, writer) = connection.split();
    let (sender, receiver) = mpsc::channel(WAITING);
    let subscriber = Subscriber { topics: Arc::default(), sender };
    lock(&subscribers).push(subscriber.clone());
    let mut writing = tokio::spawn(write(writer, receiver));
    let reading = async {
        while let Ok(said) = connection.hear().await {
            match said {
                Said::Message(frames) => frames.iter().for_each(|frame| subscriber.hear(frame)),
                Said::Answer(answer) => drop(subscriber.sender.send(answer.into()).await),
            }
        }
    };
    tokio::select! {
        () = reading => {}
        _ = &mut writing => {}
    }
    lock(&subscribers).retain(|other| !other.sender.same_channel(&subscriber.sender));
    writing.abort();
}

/// Ends when nobody sends any more, or the other side takes nothing for too long.
async fn write(mut writer: WriteHalf<TcpStream>, mut receiver: mpsc::Receiver<Arc<[u8]>>) {
    while let Some(message) = receiver.recv().await {
        let written = timeout(PATIENCE, writer.write_all(&message)).await;
        if !matches!(written, Ok(Ok(()))) {
            return;
        }
    }
}
