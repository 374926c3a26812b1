//! A `PUSH` socket that connects to a `PULL` socket and sends scoped tasks in JSON.

use std::io::{Error as IoError, ErrorKind};
use std::net::{TcpStream, ToSocketAddrs};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use spanlake_core::segment::{Decoded, merge};
use spanlake_core::{Category, Error, Loss, Record, Stage};
use spanlake_wire::exchange::Stream;
use spanlake_wire::scoped::{System, Writer};
use spanlake_wire::zmtp::put_message;

use super::DEFAULT_MESSAGE_BYTES;
use crate::transport::zmtp::Connection;
use crate::transport::{Delivered, Parcel, Transport, Undelivered, lose};

/// How long a connection is waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Bytes of messages that are made before they are written: few enough to be still at hand then.
const STEP: usize = 128 << 10;

/// Pushes records as scoped tasks in JSON to a `PULL` socket, such as a collector's. It never sends a pickle.
///
/// # What can be lost
///
/// **Nobody acknowledges anything.** A record counts as written when the system's socket has it: what is on its way when the
/// receiver or the network goes is lost, and counted nowhere. A parcel in the middle of which the connection breaks is sent
/// again from its start, and what of it had arrived is there twice. While nobody is connected nothing is sent: records wait in
/// the buffer. A record that is longer than [`message_bytes`](ZmqTransportBuilder::message_bytes) is skipped and counted as
/// lost, because receivers end a connection over one.
///
/// ```
/// use spanlake_publish::ZmqTransport;
///
/// let transport = ZmqTransport::push("127.0.0.1:5010").build();
/// # drop(transport);
/// ```
#[derive(Debug)]
pub struct ZmqTransport {
    address: String,
    system: System,
    message_bytes: usize,
    name: String,
    connection: Option<Connection>,
    /// What the time was not enough for; its beginning is with the peer of the connection.
    begun: Option<Begun>,
    /// Messages that are made before they are written, and how much of them is.
    messages: Vec<u8>,
    written: usize,
}

/// Settings of a [`ZmqTransport`].
///
/// | setting | default |
/// |---|---|
/// | [`system`](Self::system) | production |
/// | [`message_bytes`](Self::message_bytes) | 1 MiB |
#[derive(Clone, Debug)]
#[must_use = "nothing is opened until `build`"]
pub struct ZmqTransportBuilder {
    address: String,
    system: System,
    message_bytes: NonZeroUsize,
}

/// A parcel of which messages were written.
#[derive(Debug)]
struct Begun {
    stream: Stream,
    numbers: Vec<u64>,
    /// How many of its records are messages by now.
    records: usize,
    lost: Option<Loss>,
}

// === impl ZmqTransportBuilder ===

impl ZmqTransportBuilder {
    /// The system that the program is part of: the first letter of every topic.
    pub fn system(mut self, system: System) -> Self {
        self.system = system;
        self
    }

    /// Longest message that the receiver takes.
    pub fn message_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.message_bytes = bytes;
        self
    }

    /// The transport. Fails when the address is none. It connects when there is something to send.
    pub fn build(self) -> Result<ZmqTransport, Error> {
        let Self { address, system, message_bytes } = self;
        let address = address.trim().trim_start_matches("tcp://").to_owned();
        let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
        if port.is_none_or(|(_, port)| port.parse::<u16>().is_err()) {
            let error = Error::new(
                Stage::Configuration,
                "ZmqTransport",
                Category::Validation,
                "the address is no host with a port",
            );
            return Err(error.with("address", address));
        }
        let name = format!("zeromq {address}");
        let message_bytes = message_bytes.get();
        Ok(ZmqTransport {
            address,
            system,
            message_bytes,
            name,
            connection: None,
            begun: None,
            messages: Vec::new(),
            written: 0,
        })
    }
}

// === impl ZmqTransport ===

impl ZmqTransport {
    /// Settings of a transport to the `PULL` socket at this address, a host with a port.
    pub fn push(address: impl Into<String>) -> ZmqTransportBuilder {
        ZmqTransportBuilder { address: address.into(), system: System::default(), message_bytes: DEFAULT_MESSAGE_BYTES }
    }

    /// The connection, if its peer is still there, or a new one.
    fn connect(&mut self, until: Instant) -> Result<(), IoError> {
        let is_there = self.connection.as_mut().is_some_and(|connection| connection.check(until).is_ok());
        if !is_there {
            self.hang_up();
            self.connection = Some(Connection::greet(self.reach(until)?, "PUSH", until)?);
        }
        Ok(())
    }

    fn reach(&self, until: Instant) -> Result<TcpStream, IoError> {
        let mut failed = IoError::from(ErrorKind::AddrNotAvailable);
        for address in self.address.to_socket_addrs()? {
            let left = until.saturating_duration_since(Instant::now()).min(CONNECT_TIMEOUT);
            if left.is_zero() {
                return Err(ErrorKind::TimedOut.into());
            }
            match TcpStream::connect_timeout(&address, left) {
                Ok(stream) => return Ok(stream),
                Err(error) => failed = error,
            }
        }
        Err(failed)
    }

    /// What a message has begun cannot go on elsewhere.
    fn hang_up(&mut self) {
        self.connection = None;
        self.begun = None;
        self.messages.clear();
        self.written = 0;
    }

    /// Sends a parcel, or the rest of it.
    fn send_rest(&mut self, parcel: &Parcel<'_>, segments: &[Decoded<'_>], until: Instant) -> Result<(), IoError> {
        let numbers: Vec<u64> = parcel.segments().map(|(number, _)| number).collect();
        // In the middle of a message no other can begin.
        if self.begun.as_ref().is_some_and(|begun| begun.numbers != numbers || begun.stream != *parcel.stream()) {
            self.hang_up();
        }
        self.connect(until)?;
        let stream = parcel.stream().clone();
        let begun = self.begun.get_or_insert(Begun { stream, numbers, records: 0, lost: None });
        let mut records = merge(segments).skip(begun.records);
        let mut writer = Writer::new(self.system);
        loop {
            self.write(until)?;
            self.fill(&mut records, &mut writer);
            if self.messages.is_empty() {
                return Ok(());
            }
        }
    }

    /// Makes messages of the next records.
    fn fill<'a>(&mut self, records: &mut impl Iterator<Item = Record<'a>>, writer: &mut Writer<'a>) {
        self.messages.clear();
        self.written = 0;
        let Some(begun) = &mut self.begun else { return };
        while self.messages.len() < STEP
            && let Some(record) = records.next()
        {
            begun.records += 1;
            let (topic, body) = writer.write(&record);
            if topic.len() + body.len() > self.message_bytes {
                lose(&mut begun.lost, &record);
            } else {
                put_message(&mut self.messages, topic, body);
            }
        }
    }

    fn write(&mut self, until: Instant) -> Result<(), IoError> {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let mut rest = self.messages.get(self.written..).unwrap_or_default();
        let result = connection.write(&mut rest, until);
        self.written = self.messages.len() - rest.len();
        result
    }
}

impl Transport for ZmqTransport {
    fn name(&self) -> &str {
        &self.name
    }

    fn send(&mut self, parcel: &Parcel<'_>, until: Instant) -> Result<Delivered, Undelivered> {
        let (segments, refused) = parcel.decode();
        if let Err(error) = self.send_rest(parcel, &segments, until) {
            if error.kind() != ErrorKind::TimedOut {
                self.hang_up();
            }
            let failed = Error::new(Stage::Handler, "ZmqTransport", Category::Io, "cannot push to the other side");
            let failed = failed.caused_by(error).with("to", &self.address).recoverable();
            return Err(Undelivered::NotNow(failed, None));
        }
        let lost = self.begun.take().and_then(|begun| begun.lost);
        Ok(Delivered { refused, lost, ..Delivered::default() })
    }
}
