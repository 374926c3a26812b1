//! A `PUB` socket that others connect to, with notifications in CBOR by level.

use std::io::Result as IoResult;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::thread;
use std::time::{Duration, Instant};

use spanlake_core::guest::{self, Place};
use spanlake_core::segment::merge;
use spanlake_core::sync::atomic::{AtomicBool, Ordering};
use spanlake_core::sync::{Arc, Mutex, lock};
use spanlake_core::{Category, Error, Stage};
use spanlake_wire::notification::{self, Extent};
use spanlake_wire::zmtp::put_message;

use super::DEFAULT_MESSAGE_BYTES;
use crate::transport::zmtp::{Connection, Said};
use crate::transport::{Delivered, Parcel, Transport, Undelivered, lose};

const SERVICE: &str = "ZmqPublisher";

/// Default of [`ZmqPublisherBuilder::subscribers`].
const DEFAULT_SUBSCRIBERS: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// Most topics that a subscriber may ask for.
const MOST_TOPICS: usize = 64;

/// How long a greeting may take.
const GREETING_TIME: Duration = Duration::from_secs(10);

/// Default of [`ZmqPublisherBuilder::patience`].
const DEFAULT_PATIENCE: Duration = Duration::from_secs(2);

/// Bytes that it has to take in that time.
const STEP: usize = 64 << 10;

/// How long it may take for that also where others took all the time that there was.
const LAST_MOMENTS: Duration = Duration::from_millis(50);

/// How long a subscriber may be silent, which is for ever: it need not say anything.
const LONG: Duration = Duration::from_secs(86_400);

/// How long is waited when nobody can be let in.
const PAUSE: Duration = Duration::from_millis(500);

/// Publishes records as notifications in CBOR, by level, to who subscribes.
///
/// # What can be lost
///
/// **It is for those who look on.** What is published while nobody subscribes is gone, and counts as written; so is what is on its
/// way to a subscriber that goes. A subscriber that takes nothing for [`patience`](ZmqPublisherBuilder::patience) is turned out, and misses what is
/// said until it comes back. A record that is longer than [`message_bytes`](ZmqPublisherBuilder::message_bytes) is skipped and
/// counted as lost. ZeroMQ has no tokens: whoever gets to the address may listen.
///
/// ```
/// use spanlake_publish::ZmqPublisher;
///
/// let transport = ZmqPublisher::bind("127.0.0.1:0".parse()?).build()?;
/// assert_ne!(transport.address().port(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ZmqPublisher {
    room: Arc<Room>,
    address: SocketAddr,
    extent: Extent,
    message_bytes: usize,
    name: String,
}

/// Settings of a [`ZmqPublisher`].
///
/// | setting | default |
/// |---|---|
/// | [`extent`](Self::extent) | what subscribers look for, not all of the record |
/// | [`message_bytes`](Self::message_bytes) | 1 MiB |
/// | [`subscribers`](Self::subscribers) | 64 |
/// | [`patience`](Self::patience) | 2 s |
#[derive(Clone, Debug)]
#[must_use = "nothing is opened until `build`"]
pub struct ZmqPublisherBuilder {
    address: SocketAddr,
    extent: Extent,
    message_bytes: NonZeroUsize,
    subscribers: NonZeroUsize,
    patience: Duration,
}

/// Those who listen.
#[derive(Debug)]
struct Room {
    present: Mutex<Vec<Arc<Subscriber>>>,
    most: usize,
    patience: Duration,
    is_closed: AtomicBool,
}

#[derive(Debug)]
struct Subscriber {
    /// Also ends what its own thread hears by.
    writer: Mutex<Connection>,
    topics: Mutex<Vec<Vec<u8>>>,
}

// === impl ZmqPublisherBuilder ===

impl ZmqPublisherBuilder {
    /// How much of a record goes into a notification.
    pub fn extent(mut self, extent: Extent) -> Self {
        self.extent = extent;
        self
    }

    /// Longest message that subscribers take.
    pub fn message_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.message_bytes = bytes;
        self
    }

    /// Most subscribers at once, each of which has a thread; who comes when there are as many is turned away.
    pub fn subscribers(mut self, most: NonZeroUsize) -> Self {
        self.subscribers = most;
        self
    }

    /// How long a subscriber is waited for that takes nothing of what it asked for; meanwhile the others wait too.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The transport, which listens from now on. Fails when the address cannot be had, or the thread not be started.
    pub fn build(self) -> Result<ZmqPublisher, Error> {
        let Self { address, extent, message_bytes, subscribers, patience } = self;
        let refused = |error| Error::io(SERVICE, "cannot listen", error).with("address", address);
        let listener = TcpListener::bind(address).map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let (present, is_closed) = (Mutex::default(), AtomicBool::new(false));
        let room = Arc::new(Room { present, most: subscribers.get(), patience, is_closed });
        let door = Arc::clone(&room);
        let started = spawn(move || door.let_in(&listener));
        started.map_err(|error| {
            Error::new(Stage::Factory, SERVICE, Category::Io, "cannot start a thread").caused_by(error)
        })?;
        let name = format!("zeromq {address}");
        Ok(ZmqPublisher { room, address, extent, message_bytes: message_bytes.get(), name })
    }
}

/// A thread whose own doings are not recorded.
fn spawn(work: impl FnOnce() + Send + 'static) -> IoResult<()> {
    let work = || {
        let _inside = guest::enter(Place::Pump);
        work();
    };
    thread::Builder::new().name("spanlake-zeromq".to_owned()).spawn(work).map(drop)
}

// === impl ZmqPublisher ===

impl ZmqPublisher {
    /// Settings of a transport to which subscribers connect at this address.
    pub fn bind(address: SocketAddr) -> ZmqPublisherBuilder {
        ZmqPublisherBuilder {
            address,
            extent: Extent::default(),
            message_bytes: DEFAULT_MESSAGE_BYTES,
            subscribers: DEFAULT_SUBSCRIBERS,
            patience: DEFAULT_PATIENCE,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Counts those who have asked for something, also when the transport is the publisher's.
    pub fn subscribers(&self) -> impl Fn() -> usize + Send + Sync + 'static {
        let room = Arc::clone(&self.room);
        move || lock(&room.present).iter().filter(|subscriber| !lock(&subscriber.topics).is_empty()).count()
    }
}

impl Transport for ZmqPublisher {
    fn name(&self) -> &str {
        &self.name
    }

    fn send(&mut self, parcel: &Parcel<'_>, until: Instant) -> Result<Delivered, Undelivered> {
        let (decoded, refused) = parcel.decode();
        let (mut messages, mut lost) = (Vec::new(), None);
        for record in merge(&decoded) {
            let (topic, body) = notification::encode(&record, self.extent);
            if topic.len() + body.len() > self.message_bytes {
                lose(&mut lost, &record);
            } else {
                messages.push((topic, body));
            }
        }
        let present = lock(&self.room.present).clone();
        for subscriber in present {
            if subscriber.tell(&messages, self.room.patience, until).is_err() {
                self.room.turn_out(&subscriber);
            }
        }
        Ok(Delivered { refused, lost, ..Delivered::default() })
    }
}

impl Drop for ZmqPublisher {
    fn drop(&mut self) {
        self.room.is_closed.store(true, Ordering::Release);
        lock(&self.room.present).drain(..).for_each(|subscriber| lock(&subscriber.writer).end());
        // Wakes the thread at the door, which sees that there is nobody to let in any more.
        let host = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let _ = TcpStream::connect_timeout(&SocketAddr::new(host, self.address.port()), PAUSE);
    }
}

// === impl Room ===

impl Room {
    /// Lets in who comes, until the room is closed.
    fn let_in(self: &Arc<Self>, listener: &TcpListener) {
        let greeted = Arc::new(());
        loop {
            let accepted = listener.accept();
            if self.is_closed.load(Ordering::Acquire) {
                return;
            }
            match accepted {
                // Those count too that have not greeted yet.
                Ok((stream, _)) if Arc::strong_count(&greeted) <= self.most => {
                    let (room, seat) = (Arc::clone(self), Arc::clone(&greeted));
                    // Where there are no threads somebody is turned away.
                    let _ = spawn(move || {
                        room.serve(stream);
                        drop(seat);
                    });
                }
                Ok(_) => {}
                Err(_) => thread::sleep(PAUSE),
            }
        }
    }

    /// Does what a subscriber says, until it goes or is turned out.
    fn serve(&self, stream: TcpStream) {
        let Ok(mut connection) = Connection::greet(stream, "PUB", Instant::now() + GREETING_TIME) else {
            return;
        };
        let Ok(writer) = connection.share() else {
            return;
        };
        let subscriber = Arc::new(Subscriber { writer: Mutex::new(writer), topics: Mutex::default() });
        lock(&self.present).push(Arc::clone(&subscriber));
        // A room that was closed meanwhile was emptied before.
        while !self.is_closed.load(Ordering::Acquire) {
            let heard = connection.hear(Instant::now() + LONG);
            if heard.and_then(|said| subscriber.obey(said, self.patience)).is_err() {
                break;
            }
        }
        self.turn_out(&subscriber);
    }

    fn turn_out(&self, subscriber: &Arc<Subscriber>) {
        lock(&self.present).retain(|present| !Arc::ptr_eq(present, subscriber));
        lock(&subscriber.writer).end();
    }
}

// === impl Subscriber ===

impl Subscriber {
    fn obey(&self, said: Said, patience: Duration) -> IoResult<()> {
        let mut topics = lock(&self.topics);
        match said {
            Said::Subscribe(topic) if topics.len() < MOST_TOPICS => topics.push(topic),
            // One that is asked for twice is cancelled twice.
            Said::Cancel(topic) => {
                if let Some(at) = topics.iter().position(|known| *known == topic) {
                    topics.swap_remove(at);
                }
            }
            Said::Ping(context) => lock(&self.writer).pong(&context, Instant::now() + patience)?,
            Said::Subscribe(_) | Said::Other => {}
        }
        Ok(())
    }

    /// Sends what it asked for. An error is that it is gone, or does not take it.
    fn tell(&self, messages: &[(&'static str, Vec<u8>)], patience: Duration, until: Instant) -> IoResult<()> {
        let mut bytes = Vec::new();
        let topics = lock(&self.topics).clone();
        let is_wanted = |topic: &str| topics.iter().any(|start| topic.as_bytes().starts_with(start));
        for (topic, body) in messages.iter().filter(|(topic, _)| is_wanted(topic)) {
            put_message(&mut bytes, topic.as_bytes(), body);
        }
        let mut writer = lock(&self.writer);
        bytes.chunks(STEP).try_for_each(|step| {
            let now = Instant::now();
            writer.write(&mut &step[..], until.max(now + LAST_MOMENTS).min(now + patience))
        })
    }
}
