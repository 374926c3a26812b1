//! What plugins that send by HTTP share: a connection, a token, and the patience that the other side asks for.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::crypto::ring;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use spanlake_core::{Category, Error, Secret, Stage};
use ureq::Agent;
use ureq::http::{Response, StatusCode, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// How long a connection is waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long an answer is waited for, from the connection on.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Most of an answer that is read.
const ANSWER_BYTES: u64 = 1 << 20;

/// How long somebody may ask us to keep away.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);

const USER_AGENT: &str = concat!("spanlaked/", env!("CARGO_PKG_VERSION"));

/// A way to somebody's endpoints.
#[derive(Debug)]
pub(super) struct Client {
    plugin: &'static str,
    agent: Agent,
    /// Without a slash at its end.
    url: String,
    authorization: Option<Secret<String>>,
    away_until: Option<Instant>,
}

impl Client {
    /// To a URL. Fails when it is none, and when certificates cannot be read.
    pub(super) fn new(
        plugin: &'static str,
        url: &str,
        token: Option<&Secret<String>>,
        roots: Option<&Path>,
    ) -> Result<Self, Error> {
        let invalid = |why: &str| Error::new(Stage::Configuration, plugin, Category::Validation, why);
        let url = url.trim().trim_end_matches('/').to_owned();
        // Without the cause, which might quote a password.
        let wrong = || invalid("the address is no http:// or https:// URL with a host and without a user");
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let has_user = uri.authority().is_none_or(|authority| authority.as_str().contains('@'));
        if !matches!(uri.scheme_str(), Some("http" | "https")) || has_user || uri.query().is_some() {
            return Err(wrong());
        }
        let is_secure = uri.scheme_str() == Some("https");
        let tls = if is_secure { tls(roots, invalid)? } else { TlsConfig::default() };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .proxy(None)
            .timeout_connect(Some(CONNECT_TIMEOUT))
            .timeout_global(Some(CONNECT_TIMEOUT + ANSWER_TIMEOUT))
            .user_agent(USER_AGENT)
            .tls_config(tls);
        let authorization = token.map(|token| Secret::new(format!("Bearer {}", token.expose())));
        Ok(Self { plugin, agent: config.build().new_agent(), url, authorization, away_until: None })
    }

    /// Posts a body below the URL, and gives the answer of a success. Whoever asked for a pause is not asked again before it
    /// is over.
    pub(super) fn post(&mut self, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Vec<u8>, Error> {
        if self.away_until.is_some_and(|until| Instant::now() < until) {
            return Err(self.failed("the other side asked for a pause").recoverable());
        }
        let mut request = self.agent.post(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization.expose());
        }
        let unreached = |error| self.failed("cannot reach the other side").caused_by(error).recoverable();
        let mut response = request.send(body).map_err(unreached)?;
        let status = response.status();
        self.away_until = retry_after(&response).map(|pause| Instant::now() + pause);
        let answer = response.body_mut().with_config().limit(ANSWER_BYTES).read_to_vec();
        if !status.is_success() {
            return Err(self.refused(status, &answer.unwrap_or_default()));
        }
        answer.map_err(|error| self.failed("cannot read the answer").caused_by(error).recoverable())
    }

    pub(super) fn failed(&self, message: &str) -> Error {
        Error::new(Stage::Handler, self.plugin, Category::Io, message).with("url", &self.url)
    }

    /// A batch that makes no sense to the other side will not make any another time. Whatever else is wrong, such as the token,
    /// somebody may put right while the records wait.
    fn refused(&self, status: StatusCode, answer: &[u8]) -> Error {
        let text = String::from_utf8_lossy(answer);
        let error = self.failed("the other side does not take a batch").with("status", status.as_u16());
        let error = if text.is_empty() { error } else { error.with("answer", text.trim().escape_debug()) };
        match status {
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY => error,
            _ => error.recoverable(),
        }
    }
}

fn tls(roots: Option<&Path>, invalid: impl Fn(&str) -> Error) -> Result<TlsConfig, Error> {
    let trusted = match roots {
        None => rustls_native_certs::load_native_certs().certs,
        Some(file) => CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| invalid("cannot read the certificates").caused_by(error).with("file", file.display()))?,
    };
    if trusted.is_empty() {
        return Err(invalid("https:// needs certificates that are trusted, and there are none"));
    }
    let trusted: Vec<_> = trusted.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
    let tls = TlsConfig::builder().unversioned_rustls_crypto_provider(Arc::new(ring::default_provider()));
    Ok(tls.root_certs(RootCerts::Specific(Arc::new(trusted))).build())
}

/// In seconds; a date is not understood, and the runner's own pauses hold.
fn retry_after<B>(response: &Response<B>) -> Option<Duration> {
    let value = response.headers().get("retry-after")?.to_str().ok()?;
    value.trim().parse().ok().map(|seconds| Duration::from_secs(seconds).min(LONGEST_ASKED))
}
