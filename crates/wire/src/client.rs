//! Posting over HTTP and HTTPS, for publishers and for collectors that send on: an agent, TLS, a token, and replies within bounds.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::ring;
use spanlake_core::{Category, Error, Secret, Stage};
use ureq::Agent;
use ureq::http::Response;
pub use ureq::http::uri::PathAndQuery;
pub use ureq::http::{StatusCode, Uri};
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};

use crate::exchange::Undelivered;
use crate::tls::{certificates, invalid, trusted};

/// How long a connection is waited for.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Most of a reply that is read.
pub const REPLY_BYTES: usize = 1 << 20;

/// Most of a reply that is repeated in an error.
pub const QUOTED_CHARS: usize = 1000;

/// How long somebody may ask us to keep away.
pub const LONGEST_ASKED: Duration = Duration::from_secs(3600);

/// By what we call ourselves.
pub const USER_AGENT: &str = concat!("spanlake/", env!("CARGO_PKG_VERSION"));

/// Where the other side is, and by what the two know each other.
#[derive(Clone, Debug)]
pub struct Address {
    /// `http://` or `https://`, a host, and perhaps a path.
    pub url: String,
    /// Sent as `Authorization: Bearer …`; shown nowhere.
    pub token: Option<Secret<String>>,
    /// A file of PEM certificates that are trusted in place of those that the machine trusts.
    pub roots: Option<PathBuf>,
    /// Files with the certificate chain and the private key, as PEM, by which the other side knows this program.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// Posts to one server.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    base: Uri,
    authorization: Option<Secret<String>>,
    service: &'static str,
    name: String,
}

/// What the server said.
#[derive(Debug)]
pub struct Answer {
    /// How it went.
    pub status: StatusCode,
    /// How long it asks us to keep away.
    pub after: Option<Duration>,
    body: Result<Vec<u8>, ureq::Error>,
}

// === impl Address ===

impl Address {
    /// This URL, nothing else.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), token: None, roots: None, client: None }
    }

    /// The URL, if it is one of HTTP. An error would have no cause: it might quote a password.
    pub fn base(&self) -> Option<Uri> {
        let uri: Uri = self.url.trim().parse().ok()?;
        let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
        let has_user = uri.authority()?.as_str().contains('@');
        let is_one = is_http && !has_user && !uri.host()?.is_empty() && uri.query().is_none();
        is_one.then_some(uri)
    }

    /// A client for a part of this name, whose kind reports call `kind`. Fails when the URL is none, and when certificates cannot be
    /// read. It connects when there is something to send.
    pub fn client(self, service: &'static str, kind: &str) -> Result<Client, Error> {
        let invalid = |why: &str| invalid(service, why);
        let base = self
            .base()
            .ok_or_else(|| invalid("the address is no http:// or https:// URL with a host, without user and query"))?;
        let Self { token, roots, client, .. } = self;
        let authority = base.authority().map_or("", |authority| authority.as_str()).to_owned();
        let tls = match base.scheme_str() {
            Some("https") => tls(service, roots, client)?,
            _ => TlsConfig::default(),
        };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .user_agent(USER_AGENT)
            .tls_config(tls);
        let authorization = token.map(|token| Secret::new(format!("Bearer {}", token.expose())));
        let name = format!("{kind} {authority}");
        Ok(Client { agent: config.build().new_agent(), base, authorization, service, name })
    }
}

fn tls(service: &'static str, roots: Option<PathBuf>, client: Option<(PathBuf, PathBuf)>) -> Result<TlsConfig, Error> {
    // Named here, because what another part of the program brings along could be chosen otherwise.
    let crypto = Arc::new(ring::default_provider());
    let trusted = trusted(service, roots.as_deref())?;
    if trusted.is_empty() {
        return Err(invalid(service, "https:// needs certificates that are trusted, and there are none"));
    }
    let trusted: Vec<_> = trusted.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
    let client = client.map(|(chain, key)| client_certificate(service, &chain, &key)).transpose()?;
    let tls = TlsConfig::builder().unversioned_rustls_crypto_provider(crypto).client_cert(client);
    Ok(tls.root_certs(RootCerts::Specific(Arc::new(trusted))).build())
}

fn client_certificate(service: &'static str, chain: &Path, key: &Path) -> Result<ClientCert, Error> {
    let unread = || invalid(service, "cannot read the private key").with("file", key.display());
    let pem = std::fs::read(key).map_err(|error| unread().caused_by(error))?;
    let key = PrivateKey::from_pem(&pem).map_err(|error| unread().caused_by(error))?;
    let chain = certificates(service, chain)?;
    let chain: Vec<_> = chain.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
    Ok(ClientCert::new_with_certs(&chain, key))
}

// === impl Client ===

impl Client {
    /// A name for reports.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address of something below the server's.
    pub fn below(&self, path: &str) -> Result<Uri, Error> {
        let whole = format!("{}{path}", self.base.path().trim_end_matches('/'));
        let mut parts = self.base.clone().into_parts();
        let wrong = || invalid(self.service, "the address has a path that is none");
        parts.path_and_query = Some(whole.parse().map_err(|_| wrong())?);
        Uri::from_parts(parts).map_err(|_| wrong())
    }

    /// Posts a body and reads the answer, until then.
    pub fn post(
        &self,
        uri: &Uri,
        headers: &[(&str, &str)],
        body: &[u8],
        until: Instant,
    ) -> Result<Answer, Undelivered> {
        let left = until.saturating_duration_since(Instant::now());
        let mut request = self.agent.post(uri).config().timeout_global(Some(left)).build();
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization.expose());
        }
        let unreached = |error| self.failed("cannot reach the other side").caused_by(error).recoverable();
        let mut response = request.send(body).map_err(|error| Undelivered::NotNow(unreached(error), None))?;
        let after = retry_after(&response);
        let body = response.body_mut().with_config().limit(REPLY_BYTES as u64).read_to_vec();
        Ok(Answer { status: response.status(), after, body })
    }

    /// The body of an answer that says it went well.
    pub fn understand(&self, answer: Answer) -> Result<Vec<u8>, Undelivered> {
        let Answer { status, after, body } = answer;
        if !status.is_success() {
            let said = body.as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            let said: String = said.trim().chars().take(QUOTED_CHARS).collect();
            let error = self.failed("the other side does not take what is sent").with("status", status.as_u16());
            let error = if said.is_empty() { error } else { error.with("reply", said.escape_debug()) };
            return Err(undelivered(status, error, after));
        }
        body.map_err(|error| self.not_now("cannot read the reply", error))
    }

    /// What makes another try worth while.
    pub fn not_now(&self, message: &str, cause: impl std::error::Error + Send + Sync + 'static) -> Undelivered {
        Undelivered::NotNow(self.failed(message).caused_by(cause).recoverable(), None)
    }

    /// That something failed, and with whom.
    pub fn failed(&self, message: &str) -> Error {
        Error::new(Stage::Handler, self.service, Category::Io, message).with("to", &self.name)
    }
}

/// A request that makes no sense will not make any another time. Whatever else is wrong, such as the token, somebody may put
/// right while the records wait.
fn undelivered(status: StatusCode, error: Error, after: Option<Duration>) -> Undelivered {
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Undelivered::TooMany(error),
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Undelivered::Never(error),
        _ => Undelivered::NotNow(error.recoverable(), after),
    }
}

/// In seconds; a date is not understood, and our own pauses are taken.
fn retry_after<B>(response: &Response<B>) -> Option<Duration> {
    let value = response.headers().get("retry-after")?.to_str().ok()?;
    value.trim().parse().ok().map(|seconds| Duration::from_secs(seconds).min(LONGEST_ASKED))
}
