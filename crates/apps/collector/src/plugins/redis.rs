//! A Redis server as a plugin: a stream that keeps the newest records, a channel for who listens now, or both.

use std::fmt;
use std::num::NonZeroU64;
use std::time::Duration;

use redis::{Client, Connection, Pipeline, RedisError, ServerError};
use spanlake_core::render::{JsonLines, Renderer};
use spanlake_core::{Batch, Category, Error, Secret, Stage};

use super::Plugin;

/// The stream of those who name neither a stream nor a channel.
pub const DEFAULT_STREAM: &str = "spanlake";

/// Default of [`RedisPlugin::max_len`].
pub const DEFAULT_MAX_LEN: NonZeroU64 = NonZeroU64::new(1_000_000).unwrap();

/// The field of an entry that has the record, as the lake's JSON line.
const FIELD: &str = "record";

/// How long a connection is waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long an answer is waited for, and the server's taking of what is sent.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

const NAME: &str = "RedisPlugin";

/// Adds each record to a stream, publishes it to a channel, or both.
///
/// A batch is one transaction: the server has all of it or nothing. Where the answer is lost, and after a crash of the collector,
/// a batch comes again, and the server cannot tell; readers who mind look at the records' keys. What the server itself loses when
/// it goes down is as its own persistence says.
pub struct RedisPlugin {
    client: Client,
    stream: Option<String>,
    max_len: NonZeroU64,
    channel: Option<String>,
    connection: Option<Connection>,
    renderer: JsonLines,
}

impl RedisPlugin {
    /// The server at this URL, such as `redis://127.0.0.1:6379/0`. Fails when it is none. It connects when there is something to
    /// write.
    pub fn new(url: &Secret<String>) -> Result<Self, Error> {
        // Without the cause, which might quote a password.
        let client = Client::open(url.expose().as_str()).map_err(|_| {
            let why = "the server's address is no redis:// or redis+unix:// URL";
            Error::new(Stage::Configuration, NAME, Category::Validation, why)
        })?;
        let (stream, channel, max_len) = (None, None, DEFAULT_MAX_LEN);
        Ok(Self { client, stream, max_len, channel, connection: None, renderer: JsonLines::default() })
    }

    /// The stream that entries are added to: [`DEFAULT_STREAM`], or none where there is a channel.
    #[must_use]
    pub fn stream(mut self, stream: impl Into<String>) -> Self {
        self.stream = Some(stream.into());
        self
    }

    /// About how many entries the stream keeps: [`DEFAULT_MAX_LEN`]. The server lets older ones go in groups, as is cheap for it.
    #[must_use]
    pub fn max_len(mut self, entries: NonZeroU64) -> Self {
        self.max_len = entries;
        self
    }

    /// The channel that records are published to. Who does not listen then does not get them.
    #[must_use]
    pub fn channel(mut self, channel: impl Into<String>) -> Self {
        self.channel = Some(channel.into());
        self
    }

    fn transaction(&mut self, batch: &Batch<'_>) -> Pipeline {
        let stream = self.stream.as_deref().or(self.channel.is_none().then_some(DEFAULT_STREAM));
        let (mut pipeline, mut line) = (redis::pipe(), Vec::new());
        pipeline.atomic();
        for record in batch.records() {
            line.clear();
            self.renderer.render(&mut line, record);
            let line = line.trim_ascii_end();
            if let Some(stream) = stream {
                let add = pipeline.cmd("XADD").arg(stream).arg("MAXLEN").arg("~").arg(self.max_len.get());
                add.arg("*").arg(FIELD).arg(line).ignore();
            }
            if let Some(channel) = &self.channel {
                pipeline.cmd("PUBLISH").arg(channel).arg(line).ignore();
            }
        }
        pipeline
    }

    fn connected(&mut self) -> Result<&mut Connection, RedisError> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let connection = self.client.get_connection_with_timeout(CONNECT_TIMEOUT)?;
                connection.set_read_timeout(Some(ANSWER_TIMEOUT))?;
                connection.set_write_timeout(Some(ANSWER_TIMEOUT))?;
                connection
            }
        };
        Ok(self.connection.insert(connection))
    }

    fn failed(&self, error: RedisError) -> Error {
        let server = self.client.get_connection_info().addr();
        let failed = Error::new(Stage::Handler, NAME, Category::Io, "the server did not take a batch");
        let failed = failed.with("server", server);
        // Of a batch's errors the first: they may be thousands of the same.
        match error.clone().into_server_errors().and_then(|errors| errors.first().cloned()) {
            Some((_, first)) if is_final(&first) => failed.caused_by(first),
            Some((_, first)) => failed.caused_by(first).recoverable(),
            None => failed.caused_by(error).recoverable(),
        }
    }
}

/// Whether the server would say the same another time: the key is no stream, or it does not know such commands. Whatever else is
/// wrong, such as its memory or the password, somebody may put right while the records wait.
fn is_final(error: &ServerError) -> bool {
    matches!(error.code(), "ERR" | "WRONGTYPE")
}

impl Plugin for RedisPlugin {
    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        let transaction = self.transaction(batch);
        let written = self.connected().and_then(|connection| transaction.exec(connection));
        written.map_err(|error| {
            // What is still on its way in it would be taken for the next answer.
            self.connection = None;
            self.failed(error)
        })
    }

    /// The server has answered to every batch; when it is on its disk is its own affair.
    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

impl fmt::Debug for RedisPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = self.client.get_connection_info().addr().to_string();
        let parts = (&self.stream, &self.channel);
        f.debug_struct(NAME).field("server", &server).field("stream_and_channel", &parts).finish_non_exhaustive()
    }
}
