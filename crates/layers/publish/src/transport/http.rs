//! The collector's own endpoint, over HTTP or HTTPS.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::ring;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use spanlake_core::{Category, Error, Secret, Stage};
use spanlake_wire::batch::{BatchWriter, Entry};
use spanlake_wire::exchange::{self, Reply};
use ureq::Agent;
use ureq::http::{Response, StatusCode, Uri};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use crate::transport::{Delivered, Parcel, Transport, Undelivered};

/// How long a connection is waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Most of a reply that is read.
const REPLY_BYTES: u64 = 1 << 20;

/// How long somebody may ask us to keep away.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);

const USER_AGENT: &str = concat!("spanlake/", env!("CARGO_PKG_VERSION"));

const SERVICE: &str = "HttpTransport";

/// Sends batches to a collector's endpoint, which acknowledges them when they are synced to its disk.
///
/// ```
/// use spanlake_core::Secret;
/// use spanlake_publish::HttpTransport;
///
/// let transport = HttpTransport::new("https://collector.internal:4600").token(Secret::new("s3cret".to_owned())).build();
/// # drop(transport);
/// ```
#[derive(Debug)]
pub struct HttpTransport {
    agent: Agent,
    uri: Uri,
    authorization: Option<Secret<String>>,
    name: String,
}

/// Settings of an [`HttpTransport`].
///
/// | setting | default |
/// |---|---|
/// | [`token`](Self::token) | none is sent |
/// | [`roots`](Self::roots) | the certificates that the machine trusts |
/// | [`client_certificate`](Self::client_certificate) | none |
#[derive(Clone, Debug)]
#[must_use = "nothing is opened until `build`"]
pub struct HttpTransportBuilder {
    url: String,
    token: Option<Secret<String>>,
    roots: Option<PathBuf>,
    client: Option<(PathBuf, PathBuf)>,
}

// === impl HttpTransportBuilder ===

impl HttpTransportBuilder {
    /// The token that opens the collector, sent as `Authorization: Bearer …`. It is shown nowhere.
    pub fn token(mut self, token: Secret<String>) -> Self {
        self.token = Some(token);
        self
    }

    /// A file of PEM certificates that are trusted in place of those that the machine trusts.
    pub fn roots(mut self, file: impl Into<PathBuf>) -> Self {
        self.roots = Some(file.into());
        self
    }

    /// Files with the certificate chain and the private key, as PEM, by which the collector knows this program.
    pub fn client_certificate(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.client = Some((chain.into(), key.into()));
        self
    }

    /// The transport. Fails when the URL is none, and when certificates cannot be read. It connects when there is something to
    /// send.
    pub fn build(self) -> Result<HttpTransport, Error> {
        let Self { url, token, roots, client } = self;
        let uri = uri(&url)?;
        let authority = uri.authority().map_or("", |authority| authority.as_str()).to_owned();
        let is_secure = uri.scheme_str() == Some("https");
        let tls = if is_secure { tls(roots, client)? } else { TlsConfig::default() };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .user_agent(USER_AGENT)
            .tls_config(tls);
        let authorization = token.map(|token| Secret::new(format!("Bearer {}", token.expose())));
        let name = format!("http {authority}");
        Ok(HttpTransport { agent: config.build().new_agent(), uri, authorization, name })
    }
}

/// None of these errors has a cause: it might quote a password.
fn uri(url: &str) -> Result<Uri, Error> {
    let wrong = || invalid("the collector's address is no http:// or https:// URL with a host, without user and path");
    let uri: Uri = url.trim().parse().map_err(|_| wrong())?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    let has_user = uri.authority().is_none_or(|authority| authority.as_str().contains('@'));
    if !is_http || has_user || uri.host().is_none_or(str::is_empty) || uri.path() != "/" || uri.query().is_some() {
        return Err(wrong());
    }
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(exchange::PATH.parse().map_err(|_| wrong())?);
    Uri::from_parts(parts).map_err(|_| wrong())
}

fn tls(roots: Option<PathBuf>, client: Option<(PathBuf, PathBuf)>) -> Result<TlsConfig, Error> {
    // Named here, because what another part of the program brings along could be chosen otherwise.
    let crypto = Arc::new(ring::default_provider());
    let trusted = match roots {
        Some(file) => certificates(&file)?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    if trusted.is_empty() {
        return Err(invalid("https:// needs certificates that are trusted, and there are none"));
    }
    let trusted: Vec<_> = trusted.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
    let client = client.map(|(chain, key)| client_certificate(&chain, &key)).transpose()?;
    let tls = TlsConfig::builder().unversioned_rustls_crypto_provider(crypto).client_cert(client);
    Ok(tls.root_certs(RootCerts::Specific(Arc::new(trusted))).build())
}

fn certificates(file: &std::path::Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    read.map_err(|error| invalid("cannot read the certificates").caused_by(error).with("file", file.display()))
}

fn client_certificate(chain: &std::path::Path, key: &std::path::Path) -> Result<ClientCert, Error> {
    let unread = || invalid("cannot read the private key").with("file", key.display());
    let pem = std::fs::read(key).map_err(|error| unread().caused_by(error))?;
    let key = PrivateKey::from_pem(&pem).map_err(|error| unread().caused_by(error))?;
    let chain = certificates(chain)?;
    let chain: Vec<_> = chain.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
    Ok(ClientCert::new_with_certs(&chain, key))
}

fn invalid(why: &str) -> Error {
    Error::new(Stage::Configuration, SERVICE, Category::Validation, why)
}

// === impl HttpTransport ===

impl HttpTransport {
    /// Settings of a transport to the collector at this URL, such as `http://127.0.0.1:4600`.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(url: impl Into<String>) -> HttpTransportBuilder {
        HttpTransportBuilder { url: url.into(), token: None, roots: None, client: None }
    }

    fn post(&self, parcel: &Parcel<'_>, body: &[u8], until: Instant) -> Result<Response<ureq::Body>, ureq::Error> {
        let left = until.saturating_duration_since(Instant::now());
        let mut request = self.agent.post(&self.uri).config().timeout_global(Some(left)).build();
        request = request.content_type(exchange::CONTENT_TYPE).header("content-encoding", "zstd");
        request = request
            .header(exchange::SENDER, &parcel.stream().sender)
            .header(exchange::EPOCH, parcel.stream().epoch.to_string())
            .header(exchange::SEQUENCE, parcel.sequence().to_string())
            .header(exchange::SERVICE, exchange::escaped(parcel.service()));
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization.expose());
        }
        request.send(body)
    }

    fn understand(&self, mut response: Response<ureq::Body>) -> Result<Delivered, Undelivered> {
        let status = response.status();
        let after = retry_after(&response);
        let text = response.body_mut().with_config().limit(REPLY_BYTES).read_to_string();
        if !status.is_success() {
            let said = text.unwrap_or_default();
            let error = self.failed("the collector does not take a batch").with("status", status.as_u16());
            let error = if said.is_empty() { error } else { error.with("reply", said.trim().escape_debug()) };
            return Err(undelivered(status, error, after));
        }
        let not_now = |error| Undelivered::NotNow(error, None);
        let unread = |error| self.failed("cannot read the collector's reply").caused_by(error).recoverable();
        let text = text.map_err(|error| not_now(unread(error)))?;
        let unknown = |error| self.failed("the collector's reply makes no sense").caused_by(error).recoverable();
        let Reply { refused, verbosity, .. } = serde_json::from_str(&text).map_err(|error| not_now(unknown(error)))?;
        Ok(Delivered { refused, verbosity })
    }

    fn failed(&self, message: &str) -> Error {
        Error::new(Stage::Handler, SERVICE, Category::Io, message).with("collector", &self.name)
    }
}

impl Transport for HttpTransport {
    fn name(&self) -> &str {
        &self.name
    }

    fn send(&mut self, parcel: &Parcel<'_>, until: Instant) -> Result<Delivered, Undelivered> {
        let mut batch = BatchWriter::new();
        parcel.segments().for_each(|(number, segment)| batch.push(Entry { number, segment: segment.bytes() }));
        let body = batch.compress().map_err(|error| {
            Undelivered::NotNow(self.failed("cannot compress a batch").caused_by(error).recoverable(), None)
        })?;
        let unreached = |error| self.failed("cannot reach the collector").caused_by(error).recoverable();
        let response = self.post(parcel, &body, until).map_err(|error| Undelivered::NotNow(unreached(error), None))?;
        self.understand(response)
    }

    fn polls(&self) -> bool {
        true
    }
}

/// A batch that makes no sense will not make any another time. Whatever else is wrong, such as the token, somebody may put
/// right while the records wait.
fn undelivered(status: StatusCode, error: Error, after: Option<Duration>) -> Undelivered {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Undelivered::TooMany(error),
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Undelivered::Never(error),
        _ => Undelivered::NotNow(error.recoverable(), after),
    }
}

/// In seconds; a collector sends no date.
fn retry_after<B>(response: &Response<B>) -> Option<Duration> {
    let value = response.headers().get("retry-after")?.to_str().ok()?;
    value.trim().parse().ok().map(|seconds| Duration::from_secs(seconds).min(LONGEST_ASKED))
}
