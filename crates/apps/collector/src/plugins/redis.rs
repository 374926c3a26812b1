//! Redis: a stream that consumers read, or a channel for who listens now.

use std::num::NonZeroU64;
use std::time::Duration;

use redis::{Client, Connection, RedisError, RedisResult};
use serde_json::Value;
use spanlake_core::{Category, Error, Record, Secret, Stage};

use super::columns::Columns;
use super::{Place, Plugin, Portion};

/// Default of [`RedisPlugin::stream`]'s length.
pub const MAX_LEN: NonZeroU64 = NonZeroU64::new(1_000_000).unwrap();

/// How long a connection, and each answer, is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

const SERVICE: &str = "RedisPlugin";

/// Adds entries, and behind them sets the mark; nothing where the mark is not what it was thought to be, because something that nobody
/// waits for any more has arrived meanwhile. It is a script, because a transaction would set the mark also where an entry is refused.
const ADD: &str = "\
if (redis.call('GET', KEYS[2]) or '') ~= ARGV[3] then return 0 end
local at = 4
while at <= #ARGV do
  local last = at + tonumber(ARGV[at])
  redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', unpack(ARGV, at + 1, last))
  at = last + 1
end
redis.call('SET', KEYS[2], ARGV[2])
return 1";

/// Writes to a stream of Redis with `XADD`, or to a channel with `PUBLISH`.
///
/// **A stream has each record once**, also after a crash: with the entries of a portion a mark is set, by one script, that
/// says how far the queue's records are there. What Redis itself gives up is lost: by the length of the stream, and what it had
/// not saved when it failed.
///
/// A channel has no memory. Who does not listen gets nothing, and a portion whose answer was lost is sent again.
pub struct RedisPlugin {
    client: Client,
    form: Form,
    fields: Fields,
    columns: Columns,
    session: Option<Session>,
}

/// What an entry or a message is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fields {
    /// Each column of the lake that the record has is a field of the entry; texts as they are, the rest as JSON.
    #[default]
    Columns,
    /// One field `record`, with the record as a line of JSON.
    Record,
}

#[derive(Clone, Debug)]
enum Form {
    Stream { key: String, max_len: NonZeroU64 },
    Channel { name: String },
}

/// A connection, and up to which entry of the queue the stream has everything.
struct Session {
    connection: Connection,
    done: Option<u64>,
}

// === impl RedisPlugin ===

impl RedisPlugin {
    /// A stream under this key, at a server such as `redis://127.0.0.1:6379/0`. It keeps about so many entries. Fails when the
    /// URL is none; it connects when there is something to write.
    pub fn stream(url: &Secret<String>, key: impl Into<String>, max_len: NonZeroU64) -> Result<Self, Error> {
        Self::with(url, Form::Stream { key: key.into(), max_len })
    }

    /// A channel of this name; its messages are lines of JSON.
    pub fn channel(url: &Secret<String>, name: impl Into<String>) -> Result<Self, Error> {
        Self::with(url, Form::Channel { name: name.into() })
    }

    /// What an entry of a stream is made of.
    #[must_use]
    pub fn fields(mut self, fields: Fields) -> Self {
        self.fields = fields;
        self
    }

    /// The error has no cause: it might quote a password.
    fn with(url: &Secret<String>, form: Form) -> Result<Self, Error> {
        let wrong = |_| Error::new(Stage::Configuration, SERVICE, Category::Validation, "the server's URL is none");
        let client = Client::open(url.expose().as_str()).map_err(wrong)?;
        Ok(Self { client, form, fields: Fields::default(), columns: Columns::default(), session: None })
    }

    /// Asks how far the stream is, by its mark.
    fn connect(&self, mark: Option<&str>) -> RedisResult<Session> {
        let mut connection = self.client.get_connection_with_timeout(PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        let done = mark.map(|mark| redis::cmd("GET").arg(mark).query(&mut connection)).transpose()?.flatten();
        Ok(Session { connection, done })
    }

    /// The fields of an entry of a stream, one after the other.
    fn pairs(&mut self, record: &Record<'_>) -> Result<Vec<Vec<u8>>, Error> {
        if self.fields == Fields::Record {
            return Ok(vec![b"record".to_vec(), self.columns.line(record).to_vec()]);
        }
        let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let columns = self.columns.of(record)?.into_iter();
        Ok(columns.flat_map(|(name, value)| [name.into_bytes(), text(value).into_bytes()]).collect())
    }

    /// Adds to the stream what is not there yet.
    fn add(&mut self, portion: &Portion<'_>, (key, max_len): (&str, NonZeroU64)) -> Result<Session, Error> {
        let mark = mark(key, portion);
        let session = self.session.take();
        let mut session = session.map_or_else(|| self.connect(Some(&mark)), Ok).map_err(failed)?;
        let is_new = |(place, _): &(Place, &Record<'_>)| session.done.is_none_or(|done| place.entry > done);
        let records: Vec<_> = portion.records().filter(is_new).collect();
        let Some(last) = records.iter().map(|(place, _)| place.entry).max() else {
            return Ok(session);
        };
        let mut command = redis::cmd("EVAL");
        let done = session.done.map_or_else(String::new, |done| done.to_string());
        command.arg(ADD).arg(2).arg(key).arg(&mark).arg(max_len.get()).arg(last).arg(done);
        for (_, record) in records {
            let pairs = self.pairs(record)?;
            command.arg(pairs.len()).arg(pairs);
        }
        let is_added: bool = command.query(&mut session.connection).map_err(failed)?;
        session.done = Some(last);
        if is_added { Ok(session) } else { Err(overtaken()) }
    }

    fn publish(&mut self, portion: &Portion<'_>, name: &str) -> Result<Session, Error> {
        let session = self.session.take();
        let mut session = session.map_or_else(|| self.connect(None), Ok).map_err(failed)?;
        let mut pipeline = redis::pipe();
        for (_, record) in portion.records() {
            pipeline.cmd("PUBLISH").arg(name).arg(self.columns.line(record)).ignore();
        }
        pipeline.exec(&mut session.connection).map_err(failed)?;
        Ok(session)
    }
}

impl Plugin for RedisPlugin {
    /// After a failure it connects anew, and asks how far the stream is.
    fn write(&mut self, portion: &Portion<'_>) -> Result<(), Error> {
        let session = match self.form.clone() {
            Form::Stream { key, max_len } => self.add(portion, (&key, max_len)),
            Form::Channel { name } => self.publish(portion, &name),
        };
        self.session = Some(session?);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    /// A new connection is not kept: it does not know how far the stream is.
    fn reach(&mut self) -> Result<(), Error> {
        let ping = |session: &mut Session| redis::cmd("PING").exec(&mut session.connection);
        self.session = self.session.take().and_then(|mut session| ping(&mut session).is_ok().then_some(session));
        if self.session.is_some() {
            return Ok(());
        }
        self.connect(None).and_then(|mut session| ping(&mut session)).map_err(failed)
    }
}

/// Where it stands how far the stream is, for each queue and plugin that writes to it.
fn mark(key: &str, portion: &Portion<'_>) -> String {
    format!("{key}:spanlaked:{:016x}:{}", portion.queue(), portion.plugin())
}

/// Whatever it is, such as a password or the memory of the server, somebody may put it right while the records wait; but for a key that
/// is something else than a stream.
fn failed(error: RedisError) -> Error {
    let failed = Error::new(Stage::Handler, SERVICE, Category::Io, "the server does not take a portion");
    let is_no_stream = error.code() == Some("WRONGTYPE") || error.to_string().contains("WRONGTYPE");
    let failed = failed.caused_by(error);
    if is_no_stream { failed } else { failed.recoverable() }
}

fn overtaken() -> Error {
    let why = "what was sent before arrived late";
    Error::new(Stage::Handler, SERVICE, Category::Io, why).recoverable()
}

impl std::fmt::Debug for RedisPlugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisPlugin").field("form", &self.form).finish_non_exhaustive()
    }
}
