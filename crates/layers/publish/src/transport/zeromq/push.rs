//! A `PUSH` socket that connects to a `PULL` socket and sends scoped tasks in JSON, or segments.

use std::io::{Error as IoError, ErrorKind};
use std::net::{TcpStream, ToSocketAddrs};
use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use spanlake_core::segment::{Segment, merge};
use spanlake_core::{Category, Error, Loss, Stage};
use spanlake_wire::batch::{BatchWriter, Entry};
use spanlake_wire::exchange::{Head, Stream, TOPIC};
use spanlake_wire::scoped::{System, Writer};
use spanlake_wire::zmtp::{put_headed_message, put_message};

use super::DEFAULT_MESSAGE_BYTES;
use crate::transport::zmtp::Connection;
use crate::transport::{Delivered, Parcel, Transport, Undelivered, lose};

/// How long a connection is waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Bytes of messages that are made before they are written: few enough to be still at hand then.
const STEP: usize = 128 << 10;

/// Pushes records as scoped tasks in JSON to a `PULL` socket, such as a collector's, or
/// [segments](ZmqTransportBuilder::segments), which only a collector of spanlake reads. It never sends a pickle.
///
/// # What can be lost
///
/// **Nobody acknowledges anything.** A record counts as written when the system's socket has it: what is on its way when the
/// receiver or the network goes is lost, and counted nowhere. A parcel in the middle of which the connection breaks is sent
/// again from its start, and what of it had arrived is there twice, unless it is sent as segments, which have numbers. While nobody
/// is connected nothing is sent: records wait in the buffer. A record, or a segment, that is longer than
/// [`message_bytes`](ZmqTransportBuilder::message_bytes) is skipped and counted as lost, because receivers end a connection over
/// one.
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
    form: Form,
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
/// | [`segments`](Self::segments) | scoped tasks are sent |
/// | [`message_bytes`](Self::message_bytes) | 1 MiB |
#[derive(Clone, Debug)]
#[must_use = "nothing is opened until `build`"]
pub struct ZmqTransportBuilder {
    address: String,
    form: Form,
    message_bytes: NonZeroUsize,
}

/// What messages say.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// A record each.
    Scoped(System),
    /// As many segments as there is room for.
    Segments,
}

/// A parcel of which messages were written.
#[derive(Debug)]
struct Begun {
    stream: Stream,
    numbers: Vec<u64>,
    /// How many of its records, or of its segments, are messages by now, or never will be.
    done: usize,
    lost: Option<Loss>,
    refused: Vec<u64>,
}

// === impl ZmqTransportBuilder ===

impl ZmqTransportBuilder {
    /// The system that the program is part of: the first letter of every topic.
    pub fn system(mut self, system: System) -> Self {
        self.form = Form::Scoped(system);
        self
    }

    /// Sends segments as they are, many records in a message, in place of scoped tasks. It takes a third of the time; what
    /// is sent again because a connection broke is there once, and records come exactly as they were. Only a collector of spanlake
    /// reads them.
    pub fn segments(mut self) -> Self {
        self.form = Form::Segments;
        self
    }

    /// Longest message that the receiver takes.
    pub fn message_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.message_bytes = bytes;
        self
    }

    /// The transport. Fails when the address is none. It connects when there is something to send.
    pub fn build(self) -> Result<ZmqTransport, Error> {
        let Self { address, form, message_bytes } = self;
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
            form,
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
        let form = Form::Scoped(System::default());
        ZmqTransportBuilder { address: address.into(), form, message_bytes: DEFAULT_MESSAGE_BYTES }
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
    fn send_rest(&mut self, parcel: &Parcel<'_>, until: Instant) -> Result<(), IoError> {
        let numbers: Vec<u64> = parcel.segments().map(|(number, _)| number).collect();
        // In the middle of a message no other can begin.
        if self.begun.as_ref().is_some_and(|begun| begun.numbers != numbers || begun.stream != *parcel.stream()) {
            self.hang_up();
        }
        self.connect(until)?;
        let stream = parcel.stream().clone();
        let begun = Begun { stream, numbers, done: 0, lost: None, refused: Vec::new() };
        self.begun.get_or_insert(begun);
        match self.form {
            Form::Scoped(system) => self.send_records(parcel, system, until),
            Form::Segments => self.send_segments(parcel, until),
        }
    }

    fn send_records(&mut self, parcel: &Parcel<'_>, system: System, until: Instant) -> Result<(), IoError> {
        let (segments, unread) = parcel.decode();
        let (mut writer, mut records, most_bytes) = (Writer::new(system), None, self.message_bytes);
        self.send_steps(until, |begun, messages| {
            begun.refused.clone_from(&unread);
            let records = records.get_or_insert_with(|| merge(&segments).skip(begun.done));
            while messages.len() < STEP
                && let Some(record) = records.next()
            {
                begun.done += 1;
                let (topic, body) = writer.write(&record);
                if topic.len() + body.len() > most_bytes {
                    lose(&mut begun.lost, &record);
                } else {
                    put_message(messages, topic, body);
                }
            }
            Ok(())
        })
    }

    fn send_segments(&mut self, parcel: &Parcel<'_>, until: Instant) -> Result<(), IoError> {
        let segments: Vec<_> = parcel.segments().collect();
        let (stream, service) = (parcel.stream().clone(), parcel.service().to_owned());
        let head = Head { stream, sequence: parcel.sequence(), service }.to_string();
        let most_bytes = self.message_bytes;
        self.send_steps(until, |begun, messages| {
            while messages.is_empty()
                && let Some(left) = segments.get(begun.done..).filter(|left| !left.is_empty())
            {
                let (batch, count) = batch(left, most_bytes - most_bytes / 16);
                let body = batch.compress()?;
                // Receivers take no more of a message when it is decompressed, either.
                if batch.len().max(TOPIC.len() + head.len() + body.len()) > most_bytes {
                    begun.refused.extend(left.iter().take(count).map(|(number, _)| number));
                } else {
                    put_headed_message(messages, TOPIC, head.as_bytes(), &body);
                }
                begun.done += count;
            }
            Ok(())
        })
    }

    /// Writes what is there, and then what is made next, until that is nothing.
    fn send_steps(
        &mut self,
        until: Instant,
        mut make: impl FnMut(&mut Begun, &mut Vec<u8>) -> Result<(), IoError>,
    ) -> Result<(), IoError> {
        loop {
            self.write(until)?;
            self.messages.clear();
            self.written = 0;
            let Some(begun) = &mut self.begun else { return Ok(()) };
            make(begun, &mut self.messages)?;
            if self.messages.is_empty() {
                return Ok(());
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

/// A batch of the first segments, and how many they are: as many as there is room for, and one at least.
fn batch(segments: &[(u64, &Segment)], room: usize) -> (BatchWriter, usize) {
    let (mut batch, mut count) = (BatchWriter::new(), 0);
    for (number, segment) in segments {
        let bytes = segment.bytes();
        if count > 0 && batch.len() + bytes.len() > room {
            break;
        }
        batch.push(Entry { number: *number, segment: bytes });
        count += 1;
    }
    (batch, count)
}

impl Transport for ZmqTransport {
    fn name(&self) -> &str {
        &self.name
    }

    fn send(&mut self, parcel: &Parcel<'_>, until: Instant) -> Result<Delivered, Undelivered> {
        if let Err(error) = self.send_rest(parcel, until) {
            if error.kind() != ErrorKind::TimedOut {
                self.hang_up();
            }
            let failed = Error::new(Stage::Handler, "ZmqTransport", Category::Io, "cannot push to the other side");
            let failed = failed.caused_by(error).with("to", &self.address).recoverable();
            return Err(Undelivered::NotNow(failed, None));
        }
        let (lost, refused) = self.begun.take().map(|begun| (begun.lost, begun.refused)).unwrap_or_default();
        Ok(Delivered { refused, lost, ..Delivered::default() })
    }
}
