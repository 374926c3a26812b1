//! JetStream of NATS, which acknowledges what it has stored.

use std::future::Future;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy};
use async_nats::jetstream::{self, Context};
use spanlake_core::clock::utc_now_ns;
use spanlake_core::segment::Segment;
use spanlake_core::{Category, Error, Secret, Stage};
use spanlake_wire::asked::Asked;
use spanlake_wire::batch::{BatchWriter, Entry};
use spanlake_wire::exchange::{self, Verbosity};
use spanlake_wire::nats::{Access, BoxError};
use spanlake_wire::subject;
use tokio::runtime::{Builder, Runtime};

use crate::transport::{Delivered, Parcel, Transport, Undelivered};

/// Default of [`NatsTransportBuilder::stream`].
pub const DEFAULT_STREAM: &str = subject::STREAM;

/// How long a stream of ours remembers what it has: longer than a publisher pauses between two tries, many times.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(15 * 60);

/// Segments that are sent before the first is acknowledged.
const IN_FLIGHT: usize = 128;

/// How often at most is looked what levels are asked for, beside what is sent.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long an answer to that is waited for.
const LOOK_FOR: Duration = Duration::from_millis(500);

/// How soon is looked again where nobody answered, who may not be allowed to.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

const SERVICE: &str = "NatsTransport";

/// Sends segments to a stream of NATS JetStream, which acknowledges them when it has stored them.
///
/// Each segment is a message, the body of a batch with this one in it, to the subject `spanlake.segments.<service>`. Its header
/// `Nats-Msg-Id` names it, so that the stream drops what it has already.
///
/// # What can be lost
///
/// What the stream itself gives up: by its limits, and what its server had acknowledged but not synced when the machine failed. A
/// segment that is sent again later than the stream's window for duplicates is there twice; who reads it knows it by its number. One that
/// is longer than the server's longest message is counted as lost.
///
/// ```
/// use spanlake_publish::NatsTransport;
///
/// let transport = NatsTransport::new("nats://127.0.0.1:4222").build()?;
/// # drop(transport);
/// # Ok::<(), spanlake_core::Error>(())
/// ```
#[derive(Debug)]
pub struct NatsTransport {
    settings: NatsTransportBuilder,
    name: String,
    session: Option<Session>,
    look_at: Option<Instant>,
}

/// Settings of a [`NatsTransport`].
///
/// | setting | default |
/// |---|---|
/// | [`stream`](Self::stream) | [`DEFAULT_STREAM`]: `SPANLAKE` |
/// | [`create`](Self::create) | the stream is not created |
/// | [`token`](Self::token) | none is sent |
/// | [`credentials`](Self::credentials) | none |
/// | [`roots`](Self::roots) | the certificates that the machine trusts |
/// | [`client_certificate`](Self::client_certificate) | none |
#[derive(Clone, Debug)]
#[must_use = "nothing is opened until `build`"]
pub struct NatsTransportBuilder {
    access: Access,
    stream: String,
    most_bytes: Option<NonZeroU64>,
}

/// A connection, and the runtime that it lives on, with which it goes. It works only while something is waited for here.
#[derive(Debug)]
struct Session {
    context: Context,
    runtime: Runtime,
}

// === impl NatsTransportBuilder ===

impl NatsTransportBuilder {
    /// The stream that takes what is sent.
    pub fn stream(mut self, name: impl Into<String>) -> Self {
        self.stream = name.into();
        self
    }

    /// Creates the stream where there is none, in files, for at most so many bytes. What is acknowledged by who reads it leaves the
    /// stream; one that is full takes nothing more, and records wait in the program.
    pub fn create(mut self, most_bytes: NonZeroU64) -> Self {
        self.most_bytes = Some(most_bytes);
        self
    }

    /// The token that opens the server. It is shown nowhere.
    pub fn token(mut self, token: Secret<String>) -> Self {
        self.access.token = Some(token);
        self
    }

    /// A file with a user's JWT and key, as `nsc` writes it. It is read at every connection.
    pub fn credentials(mut self, file: impl Into<PathBuf>) -> Self {
        self.access.credentials = Some(file.into());
        self
    }

    /// A file of PEM certificates that are trusted in place of those that the machine trusts.
    pub fn roots(mut self, file: impl Into<PathBuf>) -> Self {
        self.access.roots = Some(file.into());
        self
    }

    /// Files with the certificate chain and the private key, as PEM, by which the server knows this program.
    pub fn client_certificate(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.access.client = Some((chain.into(), key.into()));
        self
    }

    /// The transport. Fails when the URL is none. It connects when there is something to send.
    pub fn build(self) -> Result<NatsTransport, Error> {
        let name = self.access.name()?;
        Ok(NatsTransport { settings: self, name, session: None, look_at: None })
    }

    async fn connect(&self) -> Result<Context, BoxError> {
        let context = jetstream::new(self.access.connect().await?);
        match self.most_bytes {
            Some(most) => drop(context.get_or_create_stream(self.config(most)).await?),
            None => drop(context.get_stream(&self.stream).await?),
        }
        Ok(context)
    }

    fn config(&self, most: NonZeroU64) -> Config {
        Config {
            name: self.stream.clone(),
            subjects: vec![format!("{}.>", subject::SEGMENTS)],
            max_bytes: i64::try_from(most.get()).unwrap_or(i64::MAX),
            discard: DiscardPolicy::New,
            retention: RetentionPolicy::WorkQueue,
            duplicate_window: DUPLICATE_WINDOW,
            ..Config::default()
        }
    }
}

// === impl NatsTransport ===

impl NatsTransport {
    /// Settings of a transport to the server at this URL, such as `nats://127.0.0.1:4222`.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(url: impl Into<String>) -> NatsTransportBuilder {
        NatsTransportBuilder { access: Access::new(SERVICE, url), stream: DEFAULT_STREAM.to_owned(), most_bytes: None }
    }

    fn begin(&self, until: Instant) -> Result<Session, BoxError> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        match within(&runtime, until, self.settings.connect()) {
            Ok(context) => Ok(Session { context, runtime }),
            Err(error) => {
                // A name that is still being looked up is not waited for.
                runtime.shutdown_background();
                Err(error)
            }
        }
    }

    fn publish(&self, session: &Session, parcel: &Parcel<'_>, until: Instant) -> Result<Delivered, BoxError> {
        let segments: Vec<_> = parcel.segments().collect();
        let subject = subject::of_service(subject::SEGMENTS, parcel.service());
        within(&session.runtime, until, async {
            let mut delivered = Delivered::default();
            for segments in segments.chunks(IN_FLIGHT) {
                let mut sent = Vec::new();
                for (number, segment) in segments {
                    let message = self.message(parcel, *number, segment)?;
                    sent.push((*number, session.context.send_publish(subject.clone(), message).await));
                }
                for (number, sent) in sent {
                    match sent {
                        Ok(acknowledged) => drop(acknowledged.await?),
                        Err(error) if error.kind() == PublishErrorKind::MaxPayloadExceeded => {
                            delivered.refused.push(number);
                            delivered.complaint = Some(self.too_long(error));
                        }
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            if segments.is_empty() {
                session.context.client().flush().await?;
            }
            Ok(delivered)
        })
    }

    /// The levels that the service is asked for, when it is time to look. That nobody answers says nothing about what was sent.
    fn look(&mut self, session: &Session, service: &str) -> Option<Verbosity> {
        if self.look_at.is_some_and(|at| Instant::now() < at) {
            return None;
        }
        let answer = within(&session.runtime, Instant::now() + LOOK_FOR, asked(&session.context, service));
        self.look_at = Some(Instant::now() + if answer.is_ok() { LOOK_EVERY } else { LOOK_AGAIN });
        answer.ok().flatten()
    }

    fn message(&self, parcel: &Parcel<'_>, number: u64, segment: &Segment) -> Result<PublishMessage, BoxError> {
        let stream = parcel.stream();
        let mut batch = BatchWriter::new();
        batch.push(Entry { number, segment: segment.bytes() });
        Ok(PublishMessage::build()
            .payload(batch.compress()?.into())
            .expected_stream(&self.settings.stream)
            .header(subject::MESSAGE_ID, format!("{}-{}-{number}", stream.sender, stream.epoch).as_str())
            .header(exchange::SENDER, stream.sender.as_str())
            .header(exchange::EPOCH, stream.epoch.to_string().as_str())
            .header(exchange::SEQUENCE, parcel.sequence().to_string().as_str())
            .header(exchange::SERVICE, exchange::escaped(parcel.service()).as_str()))
    }

    fn too_long(&self, error: PublishError) -> Error {
        let failed =
            Error::new(Stage::Handler, SERVICE, Category::Io, "the server takes no message as long as a segment");
        failed.caused_by(error).with("to", &self.name)
    }
}

impl Transport for NatsTransport {
    fn name(&self) -> &str {
        &self.name
    }

    fn send(&mut self, parcel: &Parcel<'_>, until: Instant) -> Result<Delivered, Undelivered> {
        let failed = |message, cause| {
            let error = Error::new(Stage::Handler, SERVICE, Category::Io, message).caused_by(cause);
            Undelivered::NotNow(error.with("to", &self.name).recoverable(), None)
        };
        let session = match self.session.take() {
            Some(session) => session,
            None => self.begin(until).map_err(|error| failed("cannot reach the stream", error))?,
        };
        // After an error it begins anew: what of this was stored is known by its number.
        let mut delivered = match self.publish(&session, parcel, until) {
            Ok(delivered) => delivered,
            Err(error) => {
                session.runtime.shutdown_background();
                return Err(failed("the stream does not acknowledge", error));
            }
        };
        delivered.verbosity = self.look(&session, parcel.service());
        self.session = Some(session);
        Ok(delivered)
    }

    /// Levels may be asked for, and who is never heard of is hung up on.
    fn polls(&self) -> bool {
        true
    }
}

fn within<T>(
    runtime: &Runtime,
    until: Instant,
    work: impl Future<Output = Result<T, BoxError>>,
) -> Result<T, BoxError> {
    runtime.block_on(async { tokio::time::timeout_at(until.into(), work).await? })
}

/// The levels that a service is asked for. That there are none, no stream of them, or something else than levels, is no answer that
/// was not given.
async fn asked(context: &Context, service: &str) -> Result<Option<Verbosity>, BoxError> {
    let levels = context.get_stream_no_info(subject::VERBOSITY_STREAM).await?;
    let last = levels.direct_get_last_for_subject(subject::of_service(subject::VERBOSITY, service)).await;
    let asked = last.ok().and_then(|message| serde_json::from_slice::<Asked>(&message.payload).ok());
    Ok(asked.map(|asked| asked.left(now_ms())))
}

fn now_ms() -> i64 {
    utc_now_ns() / 1_000_000
}
