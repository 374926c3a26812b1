//! The collector's own endpoint, over HTTP or HTTPS.

use std::path::PathBuf;
use std::time::Instant;

use spanlake_core::{Error, Secret};
use spanlake_wire::batch::{BatchWriter, Entry};
use spanlake_wire::client::{Address, Client, Uri};
use spanlake_wire::exchange::{self, Reply};
use spanlake_wire::tls::invalid;

use crate::transport::{Delivered, Parcel, Transport, Undelivered};

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
    client: Client,
    uri: Uri,
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
    address: Address,
}

// === impl HttpTransportBuilder ===

impl HttpTransportBuilder {
    /// The token that opens the collector, sent as `Authorization: Bearer …`. It is shown nowhere.
    pub fn token(mut self, token: Secret<String>) -> Self {
        self.address.token = Some(token);
        self
    }

    /// A file of PEM certificates that are trusted in place of those that the machine trusts.
    pub fn roots(mut self, file: impl Into<PathBuf>) -> Self {
        self.address.roots = Some(file.into());
        self
    }

    /// Files with the certificate chain and the private key, as PEM, by which the collector knows this program.
    pub fn client_certificate(mut self, chain: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.address.client = Some((chain.into(), key.into()));
        self
    }

    /// The transport. Fails when the URL is none, and when certificates cannot be read. It connects when there is something to
    /// send.
    pub fn build(self) -> Result<HttpTransport, Error> {
        let client = self.address.client(SERVICE, "http")?;
        let uri = client.below(exchange::PATH)?;
        if uri.path() != exchange::PATH {
            return Err(invalid(SERVICE, "the collector's address has no path"));
        }
        Ok(HttpTransport { client, uri })
    }
}

// === impl HttpTransport ===

impl HttpTransport {
    /// Settings of a transport to the collector at this URL, such as `http://127.0.0.1:4600`.
    #[allow(clippy::new_ret_no_self)]
    pub fn new(url: impl Into<String>) -> HttpTransportBuilder {
        HttpTransportBuilder { address: Address::new(url) }
    }
}

impl Transport for HttpTransport {
    fn name(&self) -> &str {
        self.client.name()
    }

    fn send(&mut self, parcel: &Parcel<'_>, until: Instant) -> Result<Delivered, Undelivered> {
        let mut batch = BatchWriter::new();
        parcel.segments().for_each(|(number, segment)| batch.push(Entry { number, segment: segment.bytes() }));
        let body = batch.compress().map_err(|error| self.client.not_now("cannot compress a batch", error))?;
        let (epoch, sequence) = (parcel.stream().epoch.to_string(), parcel.sequence().to_string());
        let headers = [
            ("content-type", exchange::CONTENT_TYPE),
            ("content-encoding", "zstd"),
            (exchange::SENDER, &parcel.stream().sender),
            (exchange::EPOCH, &epoch),
            (exchange::SEQUENCE, &sequence),
            (exchange::SERVICE, &exchange::escaped(parcel.service())),
        ];
        let answer = self.client.post(&self.uri, &headers, &body, until)?;
        let text = self.client.understand(answer)?;
        let Reply { refused, verbosity, .. } = serde_json::from_slice(&text)
            .map_err(|error| self.client.not_now("the collector's reply makes no sense", error))?;
        Ok(Delivered { refused, verbosity, ..Delivered::default() })
    }

    fn polls(&self) -> bool {
        true
    }
}
