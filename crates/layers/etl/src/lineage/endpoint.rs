//! An endpoint: its address, and what it answers.

use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use spanlake_core::{Category, Error, Secret, Stage};
use ureq::Agent;
use ureq::http::{HeaderName, HeaderValue, Response, StatusCode, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::invalid;

/// What an address without a path means, as in OpenLineage's own clients.
const DEFAULT_PATH: &str = "/api/v1/lineage";

/// How long a connection, and the whole of an answer, is waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Most of an answer that is read, so that the connection can be used again.
const ANSWER_BYTES: u64 = 64 << 10;

const USER_AGENT: &str = concat!("spanlake/", env!("CARGO_PKG_VERSION"));

const SERVICE: &str = "Lineage";

/// What was typed: nothing of it is shown, because it may open the endpoint.
#[derive(Clone, Debug)]
pub(super) struct Address {
    url: Secret<String>,
    headers: Vec<(String, Secret<String>)>,
}

/// What can be sent to.
#[derive(Debug)]
pub(super) struct Endpoint {
    agent: Agent,
    uri: Secret<Uri>,
    headers: Vec<(HeaderName, Secret<HeaderValue>)>,
    /// The address without what opens it.
    place: String,
}

/// What became of an event.
#[derive(Debug)]
pub(super) enum Answer {
    Taken,
    /// It will never be taken.
    Refused(Error),
    /// It may be taken later; after this pause, if the endpoint said so.
    NotNow(Error, Option<Duration>),
}

// === impl Address ===

impl Address {
    pub(super) fn new(url: String) -> Self {
        Self { url: Secret::new(url), headers: Vec::new() }
    }

    pub(super) fn header(&mut self, name: String, value: Secret<String>) {
        self.headers.push((name, value));
    }

    pub(super) fn open(&self) -> Result<Endpoint, Error> {
        let uri = uri(self.url.expose())?;
        let headers = self.headers.iter().map(|(name, value)| header(name, value)).collect::<Result<_, _>>()?;
        let tls = if uri.scheme_str() == Some("https") { tls()? } else { TlsConfig::default() };
        Ok(Endpoint { agent: agent(tls), place: place(&uri), uri: Secret::new(uri), headers })
    }
}

/// None of these errors has a cause: it might quote what it could not read.
fn uri(url: &str) -> Result<Uri, Error> {
    let wrong = || invalid("the endpoint is no http:// or https:// URL with a host");
    let uri: Uri = url.trim().parse().map_err(|_| wrong())?;
    let is_http = matches!(uri.scheme_str(), Some("http" | "https"));
    if !is_http || uri.host().is_none_or(str::is_empty) {
        return Err(wrong());
    }
    if uri.path() != "/" {
        return Ok(uri);
    }
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut parts = uri.into_parts();
    parts.path_and_query = Some(format!("{DEFAULT_PATH}{query}").parse().map_err(|_| wrong())?);
    Uri::from_parts(parts).map_err(|_| wrong())
}

fn header(name: &str, value: &Secret<String>) -> Result<(HeaderName, Secret<HeaderValue>), Error> {
    let wrong = |what| invalid(what).with("header", name.escape_debug());
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("a header has another name"))?;
    let mut value = HeaderValue::from_str(value.expose()).map_err(|_| wrong("a header's value is plain text"))?;
    value.set_sensitive(true);
    Ok((parsed, Secret::new(value)))
}

/// The address without user, password and query.
fn place(uri: &Uri) -> String {
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{}://{host}{}", uri.scheme_str().unwrap_or_default(), uri.path())
}

/// TLS with the roots that the machine trusts.
fn tls() -> Result<TlsConfig, Error> {
    // Named here, because what another part of the program brings along could be chosen otherwise.
    let crypto = Arc::new(ring::default_provider());
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        return Err(invalid("https:// needs certificates that the machine trusts, and none can be read"));
    }
    let roots: Vec<_> = found.certs.iter().map(|root| Certificate::from_der(root).to_owned()).collect();
    let tls = TlsConfig::builder().unversioned_rustls_crypto_provider(crypto);
    Ok(tls.root_certs(RootCerts::Specific(Arc::new(roots))).build())
}

fn agent(tls: TlsConfig) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_global(Some(ANSWER_TIMEOUT))
        .user_agent(USER_AGENT)
        .tls_config(tls);
    config.build().new_agent()
}

// === impl Endpoint ===

impl Endpoint {
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// Sends an event, and waits for the answer.
    pub(super) fn post(&self, event: &str) -> Answer {
        let mut request = self.agent.post(self.uri.expose()).content_type("application/json");
        for (name, value) in &self.headers {
            request = request.header(name, value.expose());
        }
        match request.send(event) {
            Ok(mut response) => {
                // Whatever it says, that it came is what counts.
                let _ = response.body_mut().with_config().limit(ANSWER_BYTES).read_to_vec();
                self.answer(&response)
            }
            Err(error) => {
                let failed = self.failed("cannot reach the endpoint of the lineage").caused_by(reason(&error));
                Answer::NotNow(failed.recoverable(), None)
            }
        }
    }

    fn answer<B>(&self, response: &Response<B>) -> Answer {
        let status = response.status();
        let failed =
            || self.failed("the endpoint of the lineage does not take an event").with("status", status.as_u16());
        match status {
            _ if status.is_success() => Answer::Taken,
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                Answer::NotNow(failed().recoverable(), retry_after(response))
            }
            _ if status.is_server_error() => Answer::NotNow(failed().recoverable(), retry_after(response)),
            _ => Answer::Refused(failed()),
        }
    }

    fn failed(&self, message: &str) -> Error {
        Error::new(Stage::Dispatch, SERVICE, Category::Io, message).with("endpoint", &self.place)
    }
}

/// In seconds; nobody sends a date.
fn retry_after<B>(response: &Response<B>) -> Option<Duration> {
    let value = response.headers().get("retry-after")?.to_str().ok()?;
    value.trim().parse().ok().map(Duration::from_secs)
}

/// What can be told of a failure: some kinds quote the address.
fn reason(error: &ureq::Error) -> String {
    match error {
        ureq::Error::BadUri(_) | ureq::Error::RequireHttpsOnly(_) | ureq::Error::ConnectProxyFailed(_) => {
            "the address cannot be used".to_owned()
        }
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(url: &str) -> (String, String) {
        let endpoint = Address::new(url.to_owned()).open().expect("an endpoint");
        (endpoint.uri.expose().to_string(), endpoint.place)
    }

    #[test]
    fn an_address_without_a_path_is_that_of_openlineage() {
        let table = [
            ("http://host:5000", "http://host:5000/api/v1/lineage", "http://host:5000/api/v1/lineage"),
            ("https://host/", "https://host/api/v1/lineage", "https://host/api/v1/lineage"),
            ("https://host/in?a=b", "https://host/in?a=b", "https://host/in"),
            ("http://u:p@host?key=k", "http://u:p@host/api/v1/lineage?key=k", "http://host/api/v1/lineage"),
        ];
        for (url, uri, place) in table {
            assert_eq!(opened(url), (uri.to_owned(), place.to_owned()), "{url}");
        }
    }

    #[test]
    fn what_is_wrong_is_not_quoted() {
        for url in ["", "host", "ftp://user:secret@host", "http://", "http://user:secret@ho st/", "/secret"] {
            let error = Address::new(url.to_owned()).open().expect_err(url);
            assert!(error.is_validation() && !format!("{error:?}").contains("secret"), "{error:?}");
        }
        let mut address = Address::new("http://host".to_owned());
        address.header("x-key".to_owned(), Secret::new("secret\n".to_owned()));
        let error = address.open().expect_err("a line end");
        assert!(error.to_string().contains("x-key") && !format!("{error:?} {address:?}").contains("secret"));
    }
}
