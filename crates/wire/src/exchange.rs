//! What goes beside a batch: who sends it, and what the collector replies.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use spanlake_core::{Error, Source};

/// Where batches are posted to.
pub const PATH: &str = "/v1/segments";

/// The media type of a batch, whose `Content-Encoding` is `zstd`.
pub const CONTENT_TYPE: &str = "application/vnd.spanlake.batch";

/// The header with [`Stream::sender`].
pub const SENDER: &str = "spanlake-sender";

/// The header with [`Stream::epoch`].
pub const EPOCH: &str = "spanlake-epoch";

/// The header with the sequence: every segment with a lower number was acknowledged, or will never come.
pub const SEQUENCE: &str = "spanlake-sequence";

/// The header with the service's name, in the form of a URL's query: bytes that are no plain ASCII are escaped by `%`.
pub const SERVICE: &str = "spanlake-service";

/// The first frame of a message with segments that is pushed over ZeroMQ; a [`Head`] and the body of a batch are the others.
pub const TOPIC: &[u8] = b"spanlake.segments";

/// Longest [`Stream::sender`], in bytes.
pub const MAX_SENDER_BYTES: usize = 128;

/// Who numbers segments: a process, from one start on.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Stream {
    /// The process: its host and its id.
    pub sender: String,
    /// When it began to record, UTC microseconds since the Unix epoch. Numbers start anew with it.
    pub epoch: u64,
}

/// What goes beside a batch, from who sends it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Who numbers the segments.
    pub stream: Stream,
    /// Every segment with a lower number was acknowledged, or will never come.
    pub sequence: u64,
    /// The name of the service whose records these are.
    pub service: String,
}

/// What the collector says to a batch that it has for good.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Reply {
    /// Segments that are stored now.
    pub accepted: u64,
    /// Segments that were stored before, and are not stored twice.
    pub repeated: u64,
    /// The numbers of segments that no reader can make sense of; why is counted at the collector. Sending them again would not
    /// help.
    #[serde(default)]
    pub refused: Vec<u64>,
    /// The levels that the sender should record at.
    #[serde(default)]
    pub verbosity: Option<Verbosity>,
}

/// The levels that somebody asked a sender to record at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verbosity {
    /// Counts the changes; the same number means the same directives.
    pub version: u64,
    /// As [`Directives`](spanlake_core::Directives) are written, such as `orders::db=debug/10m`. Times are those that are left.
    pub directives: String,
}

/// Why segments are not there.
#[derive(Debug)]
pub enum Undelivered {
    /// Another time they may be taken: after a pause of this length, if the other side named one.
    NotNow(Error, Option<Duration>),
    /// Fewer of them at once may be taken.
    TooMany(Error),
    /// They will never be taken.
    Never(Error),
}

/// A service's name as [`SERVICE`] has it.
pub fn escaped(service: &str) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~".contains(byte);
    let put = |mut text: String, byte: &u8| {
        let hex = |half: u8| char::from_digit(half.into(), 16).unwrap_or('0').to_ascii_uppercase();
        if is_plain(byte) {
            text.push((*byte).into())
        } else {
            text.extend(['%', hex(byte >> 4), hex(byte & 15)])
        }
        text
    };
    service.as_bytes().iter().fold(String::new(), put)
}

/// The service's name that was [`escaped`]; `None` for what was not.
pub fn unescaped(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut service = Vec::new();
    while let Some(byte) = bytes.next() {
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        service.push(if byte == b'%' { digit(bytes.next()?)? << 4 | digit(bytes.next()?)? } else { byte });
    }
    String::from_utf8(service).ok()
}

impl Stream {
    /// That of a process.
    pub fn of(source: &Source) -> Self {
        let host: String = source.host.chars().filter(char::is_ascii_graphic).take(MAX_SENDER_BYTES - 16).collect();
        Self { sender: format!("{host}/{}", source.pid), epoch: u64::try_from(source.started_us).unwrap_or(0) }
    }
}

impl Stream {
    /// One that somebody says to be; `None` where the name of the sender is none.
    pub fn named(sender: &str, epoch: u64) -> Option<Self> {
        let is_sender = !sender.is_empty() && sender.len() <= MAX_SENDER_BYTES;
        is_sender.then(|| Self { sender: sender.to_owned(), epoch })
    }
}

impl Head {
    /// The head that stands in a frame of its own; `None` for anything else.
    pub fn read(text: &str) -> Option<Self> {
        let mut lines = text.split('\n');
        let mut line = || lines.next();
        let (sender, epoch, sequence, service) = (line()?, line()?.parse().ok()?, line()?.parse().ok()?, line()?);
        let (stream, service) = (Stream::named(sender, epoch)?, unescaped(service)?);
        lines.next().is_none().then_some(Self { stream, sequence, service })
    }
}

/// As it stands in a frame of its own: sender, epoch, sequence and service, a line each, the service in the form of [`SERVICE`].
impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream, sequence, service } = self;
        write!(f, "{}\n{}\n{sequence}\n{}", stream.sender, stream.epoch, escaped(service))
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.sender, self.epoch)
    }
}

impl Verbosity {
    /// These directives, as the change with this number.
    pub fn new(version: u64, directives: impl Into<String>) -> Self {
        Self { version, directives: directives.into() }
    }
}
