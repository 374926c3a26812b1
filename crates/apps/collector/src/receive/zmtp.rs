//! ZMTP 3 as far as a collector needs it: the greeting without security, and frames within bounds.
//!
//! The protocol is that of RFC 23 and 37 of ZeroMQ. It is read here, because whoever listens must bound what a peer may make it
//! hold, and the library that speaks ZeroMQ in Rust reserves whatever length a frame claims.

use std::io::{Error, ErrorKind, Result};
use std::time::Duration;

use rustix::net::sockopt;
use spanlake_wire::zmtp::{self, COMMAND, GREETING, LONG, MORE, put_frame};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
#[cfg(feature = "pubsub-zeromq")]
use tokio::io::{Join, ReadHalf, Sink, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest command that anybody needs.
const MOST_COMMAND_BYTES: u64 = 1024;

/// Most frames are no longer.
const USUAL_BYTES: u64 = 1024;

/// Most frames of a message.
const MOST_FRAMES: usize = 8;

/// How long a greeting may take.
const GREETING_TIME: Duration = Duration::from_secs(10);

/// After how long a silence the system asks the peer's whether the connection is there, how often it asks again, and how many times.
const SILENCE: Duration = Duration::from_secs(10);
const ASK_EVERY: Duration = Duration::from_secs(5);
const ASK_TIMES: u32 = 3;

/// A connection over which messages come.
pub struct Connection<S> {
    stream: S,
    most_bytes: u64,
}

/// What the other side says.
pub enum Said {
    /// The frames of a message.
    Message(Vec<Vec<u8>>),
    /// It asks whether somebody is there: the bytes to send back.
    Answer(Vec<u8>),
}

/// What a frame holds.
enum Frame {
    Command(Vec<u8>),
    Part { bytes: Vec<u8>, has_more: bool },
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Greets a peer as a socket of this type. A message may have so many bytes.
    pub async fn greet(stream: S, socket: &str, most_bytes: usize) -> Result<Self> {
        let mut connection = Self { stream, most_bytes: most_bytes as u64 };
        timeout(GREETING_TIME, connection.exchange(socket)).await.map_err(|_| Error::from(ErrorKind::TimedOut))??;
        Ok(connection)
    }

    async fn exchange(&mut self, socket: &str) -> Result<()> {
        self.stream.write_all(&GREETING).await?;
        let mut theirs = [0; 64];
        self.stream.read_exact(&mut theirs).await?;
        if !zmtp::is_greeting(&theirs) {
            return Err(malformed("no greeting of ZMTP 3 without security"));
        }
        self.send(&zmtp::ready(socket)).await?;
        match self.frame().await? {
            Frame::Command(command) if zmtp::is_ready(&command) => Ok(()),
            _ => Err(malformed("the peer is not ready")),
        }
    }

    /// Asks for messages whose first frame begins so.
    pub async fn subscribe(&mut self, topic: &str) -> Result<()> {
        let mut frame = Vec::new();
        put_frame(&mut frame, 0, &[b"\x01", topic.as_bytes()].concat());
        self.send(&frame).await
    }

    /// Apart from what is written; then answers have to be sent by who writes.
    #[cfg(feature = "pubsub-zeromq")]
    pub(crate) fn split(self) -> (Connection<Join<ReadHalf<S>, Sink>>, WriteHalf<S>) {
        let (read, write) = tokio::io::split(self.stream);
        (Connection { stream: tokio::io::join(read, tokio::io::sink()), most_bytes: self.most_bytes }, write)
    }

    /// The frames of the next message. An error ends the connection; a message that is too long is one of kind `FileTooLarge`.
    pub async fn message(&mut self) -> Result<Vec<Vec<u8>>> {
        loop {
            match self.hear().await? {
                Said::Message(frames) => return Ok(frames),
                Said::Answer(answer) => self.send(&answer).await?,
            }
        }
    }

    /// The next message, or what is to be answered. Between the frames of a message there is nothing to answer.
    pub async fn hear(&mut self) -> Result<Said> {
        let (mut frames, mut left) = (Vec::new(), self.most_bytes);
        loop {
            match self.frame_within(left).await? {
                Frame::Command(command) => {
                    if let Some(context) = zmtp::ping(&command)
                        && frames.is_empty()
                    {
                        return Ok(Said::Answer(zmtp::pong(context)));
                    }
                }
                Frame::Part { bytes, has_more } => {
                    left -= bytes.len() as u64;
                    frames.push(bytes);
                    if !has_more {
                        return Ok(Said::Message(frames));
                    }
                    if frames.len() == MOST_FRAMES {
                        return Err(malformed("a message has too many frames"));
                    }
                }
            }
        }
    }

    async fn frame(&mut self) -> Result<Frame> {
        self.frame_within(self.most_bytes).await
    }

    async fn frame_within(&mut self, most_bytes: u64) -> Result<Frame> {
        let flags = self.stream.read_u8().await?;
        let len =
            if flags & LONG == 0 { u64::from(self.stream.read_u8().await?) } else { self.stream.read_u64().await? };
        let is_command = flags & COMMAND != 0;
        if len > if is_command { MOST_COMMAND_BYTES } else { most_bytes } {
            return Err(Error::new(ErrorKind::FileTooLarge, "a frame is too long"));
        }
        // Taken as it comes: what a peer claims takes little memory.
        let mut bytes = Vec::with_capacity(len.min(USUAL_BYTES) as usize);
        let read = (&mut self.stream).take(len).read_to_end(&mut bytes).await?;
        if (read as u64) < len {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        Ok(if is_command { Frame::Command(bytes) } else { Frame::Part { bytes, has_more: flags & MORE != 0 } })
    }

    async fn send(&mut self, frame: &[u8]) -> Result<()> {
        self.stream.write_all(frame).await?;
        self.stream.flush().await
    }
}

/// Has a connection end whose peer is gone without a word, as by a power cut. Nothing else would show that to who only listens.
pub(crate) fn notice_silence(stream: &TcpStream) -> Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, SILENCE)?;
    sockopt::set_tcp_keepintvl(stream, ASK_EVERY)?;
    Ok(sockopt::set_tcp_keepcnt(stream, ASK_TIMES)?)
}

fn malformed(why: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, why)
}
