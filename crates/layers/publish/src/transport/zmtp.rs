//! ZMTP 3 as far as sending needs it, on a socket that blocks until a deadline: the greeting without security, messages, and what
//! a peer says.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use spanlake_wire::zmtp::{self, COMMAND, GREETING, LONG};

/// Longest frame that a peer may send: a command, or a topic that it subscribes to.
const MOST_FRAME_BYTES: u64 = 1024;

/// A socket with a timeout of zero would never time out.
const SHORTEST: Duration = Duration::from_millis(1);

/// A connection to a peer that was greeted.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
}

/// What a peer says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    Subscribe(Vec<u8>),
    Cancel(Vec<u8>),
    /// Whether somebody is there, with what the answer repeats.
    Ping(Vec<u8>),
    /// Something that we need not understand.
    Other,
}

impl Connection {
    /// Greets a peer as a socket of this type.
    pub(super) fn greet(stream: TcpStream, socket: &str, until: Instant) -> Result<Self> {
        stream.set_nodelay(true)?;
        let mut connection = Self { stream };
        connection.write(&mut &GREETING[..], until)?;
        let mut theirs = [0; 64];
        connection.read(&mut theirs, until)?;
        if !zmtp::is_greeting(&theirs) {
            return Err(malformed("the peer does not greet by ZMTP 3 without security"));
        }
        connection.write(&mut &zmtp::ready(socket)[..], until)?;
        match connection.frame(until)? {
            (flags, command) if flags & COMMAND != 0 && zmtp::is_ready(&command) => Ok(connection),
            _ => Err(malformed("the peer is not ready")),
        }
    }

    /// Writes bytes of messages and takes away what was written. After an error of the kind `TimedOut` the rest may follow.
    pub(super) fn write(&mut self, bytes: &mut &[u8], until: Instant) -> Result<()> {
        while !bytes.is_empty() {
            self.stream.set_write_timeout(Some(left(until)?))?;
            match self.stream.write(bytes) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => *bytes = bytes.get(count..).unwrap_or_default(),
                Err(error) => go_on(error)?,
            }
        }
        Ok(())
    }

    /// What the peer says next, until then.
    pub(super) fn hear(&mut self, until: Instant) -> Result<Said> {
        let (flags, frame) = self.frame(until)?;
        if flags & COMMAND != 0 {
            if let Some(context) = zmtp::ping(&frame) {
                return Ok(Said::Ping(context.to_vec()));
            }
            let subscribed = frame.strip_prefix(b"\x09SUBSCRIBE").map(|topic| Said::Subscribe(topic.to_vec()));
            let cancelled = || frame.strip_prefix(b"\x06CANCEL").map(|topic| Said::Cancel(topic.to_vec()));
            return Ok(subscribed.or_else(cancelled).unwrap_or(Said::Other));
        }
        Ok(match frame.split_first() {
            Some((1, topic)) => Said::Subscribe(topic.to_vec()),
            Some((0, topic)) => Said::Cancel(topic.to_vec()),
            _ => Said::Other,
        })
    }

    /// Hears what a peer has said that need not say anything; an error is that it is gone.
    pub(super) fn check(&mut self, until: Instant) -> Result<()> {
        loop {
            self.stream.set_nonblocking(true)?;
            let peeked = self.stream.peek(&mut [0]);
            self.stream.set_nonblocking(false)?;
            match peeked {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => {
                    if let Said::Ping(context) = self.hear(until)? {
                        self.pong(&context, until)?;
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => go_on(error)?,
            }
        }
    }

    /// The same connection, for another thread.
    pub(super) fn share(&self) -> Result<Self> {
        Ok(Self { stream: self.stream.try_clone()? })
    }

    /// Ends it for all who share it.
    pub(super) fn end(&self) {
        // It may have ended already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// Says that somebody is here.
    pub(super) fn pong(&mut self, context: &[u8], until: Instant) -> Result<()> {
        self.write(&mut &zmtp::pong(context)[..], until)
    }

    fn frame(&mut self, until: Instant) -> Result<(u8, Vec<u8>)> {
        let [flags, short] = self.array(until)?;
        let len = if flags & LONG == 0 {
            u64::from(short)
        } else {
            let rest: [u8; 7] = self.array(until)?;
            rest.iter().fold(u64::from(short), |len, byte| len << 8 | u64::from(*byte))
        };
        if len > MOST_FRAME_BYTES {
            return Err(malformed("the peer sends a frame that is too long"));
        }
        let mut bytes = vec![0; len as usize];
        self.read(&mut bytes, until)?;
        Ok((flags, bytes))
    }

    fn array<const N: usize>(&mut self, until: Instant) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.read(&mut bytes, until)?;
        Ok(bytes)
    }

    fn read(&mut self, mut bytes: &mut [u8], until: Instant) -> Result<()> {
        while !bytes.is_empty() {
            self.stream.set_read_timeout(Some(left(until)?))?;
            match self.stream.read(bytes) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => bytes = bytes.get_mut(count..).unwrap_or_default(),
                Err(error) => go_on(error)?,
            }
        }
        Ok(())
    }
}

/// Whether time is left is asked before the next try.
fn go_on(error: Error) -> Result<()> {
    match error.kind() {
        ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut => Ok(()),
        _ => Err(error),
    }
}

fn left(until: Instant) -> Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left.max(SHORTEST)) }
}

fn malformed(why: &'static str) -> Error {
    Error::new(ErrorKind::InvalidData, why)
}
