//! JetStream of NATS, which acknowledges what it has stored.

use std::future::Future;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, DiscardPolicy};
use async_nats::jetstream::{self, Context};
use async_nats::{ConnectOptions, ServerAddr};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use spanlake_core::segment::Segment;
use spanlake_core::{Category, Error, Secret, Stage};
use spanlake_wire::batch::{BatchWriter, Entry};
use spanlake_wire::exchange;
use tokio::runtime::{Builder, Runtime};

use crate::transport::tls::{certificates, invalid, trusted};
use crate::transport::{Delivered, Parcel, Transport, Undelivered};

/// Default of [`NatsTransportBuilder::stream`].
pub const DEFAULT_STREAM: &str = "SPANLAKE";

/// Segments go to this subject and, behind a dot, the service's name.
const SUBJECT: &str = "spanlake.segments";

/// The header by which JetStream knows what it has already.
const MESSAGE_ID: &str = "Nats-Msg-Id";

/// How long a stream of ours remembers that: longer than a publisher pauses between two tries, many times.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(15 * 60);

/// How long a connection is waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Segments that are sent before the first is acknowledged.
const IN_FLIGHT: usize = 128;

const SERVICE: &str = "NatsTransport";

type BoxError = Box<dyn std::error::Error + Send + Sync>;

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
    url: String,
    stream: String,
    most_bytes: Option<NonZeroU64>,
    token: Option<Secret<String>>,
    credentials: Option<PathBuf>,
    roots: Option<PathBuf>,
    client: Option<(PathBuf, PathBuf)>,
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

    /// Creates the stream where there is none, in files, for at most so many bytes. When it is full it takes nothing more, and
    /// records wait in the program.
    pub fn create(mut self, most_bytes: NonZeroU64) -> Self {
        self.most_bytes = Some(most_bytes);
        self
    }

    /// The token that opens the server. It is shown nowhere.
    pub fn token(mut self, token: Secret<String>) -> Self {
        self.token = Some(token);
        self
    }

    /// A file with a user's JWT and key, as `nsc` writes it. It is read at every connection.
    pub fn credentials(mut self, file: impl Into<PathBuf>) -> Self {
        self.credentials = Some(file.into());
        self
    }

    /// A file of PEM certificates that are trusted in place of those that the machine trusts.
    pub fn roots(mut self, file: impl Into<PathBuf>) -> Self {
        self.roots = Some(file.into());
        self
    }

    /// Files with the certificate chain and the private key, as PEM, by which the server knows this program.
    pub fn client_certificate(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.client = Some((chain.into(), key.into()));
        self
    }

    /// The transport. Fails when the URL is none. It connects when there is something to send.
    pub fn build(self) -> Result<NatsTransport, Error> {
        // An error has no cause: it might quote a password.
        let address: Option<ServerAddr> = self.url.trim().parse().ok();
        let Some(address) = address.filter(|address| !address.has_user_pass() && !address.host().is_empty()) else {
            return Err(invalid(SERVICE, "the address is no nats:// or tls:// URL with a host, without user"));
        };
        let name = format!("nats {}:{}", address.host(), address.port());
        Ok(NatsTransport { settings: self, name, session: None })
    }

    async fn connect(&self) -> Result<Context, BoxError> {
        let mut options = ConnectOptions::new()
            .name(concat!("spanlake/", env!("CARGO_PKG_VERSION")))
            .connection_timeout(CONNECT_TIMEOUT)
            .tls_client_config(self.tls()?);
        if let Some(token) = &self.token {
            options = options.token(token.expose().clone());
        }
        if let Some(file) = &self.credentials {
            options = options.credentials(&std::fs::read_to_string(file)?)?;
        }
        let context = jetstream::new(options.connect(self.url.trim()).await?);
        match self.most_bytes {
            Some(most) => drop(context.get_or_create_stream(self.config(most)).await?),
            None => drop(context.get_stream(&self.stream).await?),
        }
        Ok(context)
    }

    fn tls(&self) -> Result<ClientConfig, Error> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(trusted(SERVICE, self.roots.as_deref())?);
        // Named here, because what another part of the program brings along could be chosen otherwise.
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let wrong = |error| invalid(SERVICE, "cannot use the certificates").caused_by(error);
        let tls = tls.with_safe_default_protocol_versions().map_err(wrong)?.with_root_certificates(roots);
        let Some((chain, key)) = &self.client else {
            return Ok(tls.with_no_client_auth());
        };
        let unread =
            |error| invalid(SERVICE, "cannot read the private key").caused_by(error).with("file", key.display());
        let key = PrivateKeyDer::from_pem_file(key).map_err(unread)?;
        tls.with_client_auth_cert(certificates(SERVICE, chain)?, key).map_err(wrong)
    }

    fn config(&self, most: NonZeroU64) -> Config {
        Config {
            name: self.stream.clone(),
            subjects: vec![format!("{SUBJECT}.>")],
            max_bytes: i64::try_from(most.get()).unwrap_or(i64::MAX),
            discard: DiscardPolicy::New,
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
        NatsTransportBuilder {
            url: url.into(),
            stream: DEFAULT_STREAM.to_owned(),
            most_bytes: None,
            token: None,
            credentials: None,
            roots: None,
            client: None,
        }
    }

    fn begin(&self, until: Instant) -> Result<Session, BoxError> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let context = within(&runtime, until, self.settings.connect())?;
        Ok(Session { context, runtime })
    }

    fn publish(&self, session: &Session, parcel: &Parcel<'_>, until: Instant) -> Result<Delivered, BoxError> {
        let segments: Vec<_> = parcel.segments().collect();
        let subject = subject(parcel.service());
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

    fn message(&self, parcel: &Parcel<'_>, number: u64, segment: &Segment) -> Result<PublishMessage, BoxError> {
        let stream = parcel.stream();
        let mut batch = BatchWriter::new();
        batch.push(Entry { number, segment: segment.bytes() });
        Ok(PublishMessage::build()
            .payload(batch.compress()?.into())
            .expected_stream(&self.settings.stream)
            .header(MESSAGE_ID, format!("{}-{}-{number}", stream.sender, stream.epoch).as_str())
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
        let sent = self.publish(&session, parcel, until);
        let delivered = sent.map_err(|error| failed("the stream does not acknowledge", error))?;
        self.session = Some(session);
        Ok(delivered)
    }

    /// There is nothing to hear, but who is never heard of is hung up on.
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

/// A name is one word between dots, whatever it is.
fn subject(service: &str) -> String {
    match exchange::escaped(service).replace('.', "%2E") {
        word if word.is_empty() => format!("{SUBJECT}._"),
        word => format!("{SUBJECT}.{word}"),
    }
}
