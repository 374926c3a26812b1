//! NATS: messages to a subject, for who subscribes.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, HeaderMap, Subscriber};
use futures_util::StreamExt;
use spanlake_core::{Category, Error, Secret, Stage};
use spanlake_wire::level::Severity;
use spanlake_wire::notification::{self, Extent};
use spanlake_wire::scoped;
use tokio::runtime::{Builder, Runtime};

use super::columns::Columns;
use super::{Pieces, Plugin, Portion};

/// How long a server, and its answer to some messages, is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes of messages behind which an answer is waited for: a portion may have more than a network takes in that time.
const STEP_BYTES: usize = 256 << 10;

/// The header by which a stream of JetStream, should the subject have one, knows what it has already.
const MESSAGE_ID: &str = "Nats-Msg-Id";

/// What the server counts of a header beside the id.
const HEADER_BYTES: usize = 64;

const SERVICE: &str = "NatsPlugin";

/// Subject, id and payload.
type Message = (String, String, Vec<u8>);

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Publishes each record to a subject and, behind a dot, its level: `spanlake.records.warning`.
///
/// A portion counts as written when the server has all of it; one with a message that is longer than the server takes goes to the dead
/// letters. **Who does not subscribe at that time gets nothing**, unless a stream of
/// JetStream has the subject. A portion whose answer was lost is published again; each message has its place in the queue as
/// `Nats-Msg-Id`, by which a stream drops repeats within its window, and others may.
pub struct NatsPlugin {
    url: Secret<String>,
    subject: String,
    form: Form,
    columns: Columns,
    session: Option<Session>,
}

/// What a message is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// A line of the lake's JSON.
    #[default]
    Json,
    /// A notification in CBOR.
    Notification,
    /// A scoped task in JSON, of this system.
    Scoped(scoped::System),
}

struct Session {
    client: Client,
    /// Its own messages come back here behind all that were sent before.
    echo: Subscriber,
    inbox: String,
    runtime: Runtime,
}

impl NatsPlugin {
    /// To a subject at a server such as `nats://127.0.0.1:4222`. Fails when the URL or the subject is none; it connects when there is
    /// something to write.
    pub fn new(url: &Secret<String>, subject: impl Into<String>) -> Result<Self, Error> {
        let invalid = |why: &str| Error::new(Stage::Configuration, SERVICE, Category::Validation, why);
        // Without a cause: it might quote a password.
        let parsed = url.expose().parse::<async_nats::ServerAddr>();
        parsed.map_err(|_| invalid("the server's URL is none"))?;
        let subject = subject.into();
        let is_word = |word: &str| !word.is_empty() && !word.contains([' ', '\t', '\r', '\n', '*', '>']);
        if !subject.split('.').all(is_word) {
            return Err(invalid("the subject is none that can be published to").with("subject", subject));
        }
        let (form, columns) = (Form::default(), Columns::default());
        Ok(Self { url: url.clone(), subject, form, columns, session: None })
    }

    /// What a message is.
    #[must_use]
    pub fn form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    fn connect(&self) -> Result<Session, BoxError> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("nats").enable_all().build()?;
        let (client, echo, inbox) = runtime.block_on(async {
            let options = ConnectOptions::new().name("spanlaked").connection_timeout(PATIENCE);
            let client = tokio::time::timeout(PATIENCE, options.connect(self.url.expose())).await??;
            let inbox = client.new_inbox();
            let echo = client.subscribe(inbox.clone()).await?;
            Ok::<_, BoxError>((client, echo, inbox))
        })?;
        Ok(Session { client, echo, inbox, runtime })
    }

    /// The messages of a portion.
    fn messages(&mut self, portion: &Portion<'_>) -> Vec<Message> {
        let mut writer = scoped::Writer::new(self.form.system());
        let mut messages = Vec::new();
        for (place, record) in portion.records() {
            let subject = format!("{}.{}", self.subject, Severity::of(record).name());
            let id = format!("{:016x}-{}-{}", portion.queue(), place.entry, place.at);
            let payload = match self.form {
                Form::Json => self.columns.line(record).to_vec(),
                Form::Notification => notification::encode(record, Extent::Record).1,
                Form::Scoped(_) => writer.write(record).1.to_vec(),
            };
            messages.push((subject, id, payload));
        }
        messages
    }
}

impl Form {
    fn system(self) -> scoped::System {
        if let Form::Scoped(system) = self { system } else { scoped::System::default() }
    }
}

impl Session {
    /// The length of a message that is longer than the server takes, if there is one.
    fn too_long(&self, messages: &[Message]) -> Option<usize> {
        let most = self.client.max_payload();
        let mut sizes = messages.iter().map(|(_, id, payload)| HEADER_BYTES + id.len() + payload.len());
        sizes.find(|size| *size > most)
    }

    /// Publishes, and comes back when the server has all of it.
    fn publish(&mut self, messages: Vec<Message>) -> Result<(), BoxError> {
        let mut left = messages.into_iter().peekable();
        while left.peek().is_some() {
            let mut bytes = 0;
            let step = std::iter::from_fn(|| {
                let next = left.next_if(|_| bytes < STEP_BYTES)?;
                bytes += next.2.len();
                Some(next)
            });
            self.publish_some(step.collect())?;
        }
        Ok(())
    }

    fn publish_some(&mut self, messages: Vec<Message>) -> Result<(), BoxError> {
        let Self { client, echo, inbox, runtime } = self;
        let connection = client.server_info().client_id;
        let published = async {
            for (subject, id, payload) in messages {
                let mut headers = HeaderMap::new();
                headers.insert(MESSAGE_ID, id.as_str());
                client.publish_with_headers(subject, headers, payload.into()).await?;
            }
            client.publish(inbox.clone(), Default::default()).await?;
            client.flush().await?;
            echo.next().await.ok_or("the connection is closed")?;
            Ok::<_, BoxError>(())
        };
        runtime.block_on(async { tokio::time::timeout(PATIENCE, published).await })??;
        // Another connection says nothing about what was sent over the one before.
        if client.server_info().client_id == connection { Ok(()) } else { Err("the connection was another one".into()) }
    }
}

impl Plugin for NatsPlugin {
    fn write(&mut self, portion: &Portion<'_>) -> Result<(), Error> {
        let messages = self.messages(portion);
        let mut session = self.session.take().map_or_else(|| self.connect(), Ok).map_err(failed)?;
        // Before anything is published, which would be there at each try.
        let too_long = session.too_long(&messages);
        if too_long.is_none() {
            session.publish(messages).map_err(failed)?;
        }
        self.session = Some(session);
        too_long.map_or(Ok(()), |bytes| {
            let why = "the server takes no message as long as a record";
            Err(Error::new(Stage::Handler, SERVICE, Category::Validation, why).with("bytes", bytes))
        })
    }

    /// Each message has an id of its own.
    fn pieces(&self) -> Pieces {
        Pieces::Records
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn reach(&mut self) -> Result<(), Error> {
        let reached =
            self.session.take().and_then(|mut session| session.publish_some(Vec::new()).is_ok().then_some(session));
        let mut session = reached.map_or_else(|| self.connect(), Ok).map_err(failed)?;
        session.publish_some(Vec::new()).map_err(failed)?;
        self.session = Some(session);
        Ok(())
    }
}

fn failed(error: BoxError) -> Error {
    let failed = Error::new(Stage::Handler, SERVICE, Category::Io, "the server does not take a portion");
    failed.caused_by(error).recoverable()
}

impl std::fmt::Debug for NatsPlugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NatsPlugin").field("subject", &self.subject).finish_non_exhaustive()
    }
}
