//! A way to a server of NATS: where it is, and what opens it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_nats::{Client, ConnectOptions, ServerAddr};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use spanlake_core::{Error, Secret};

use crate::tls::{certificates, invalid, trusted};

/// How long a connection is waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// What goes wrong with a server.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Where a server is, and what opens it. What is secret is shown nowhere.
#[derive(Clone, Debug)]
pub struct Access {
    /// Such as `nats://127.0.0.1:4222` or `tls://nats.internal`, without a user.
    pub url: String,
    /// The token that opens the server.
    pub token: Option<Secret<String>>,
    /// A file with a user's JWT and key, as `nsc` writes it. It is read at every connection.
    pub credentials: Option<PathBuf>,
    /// A file of PEM certificates that are trusted in place of those that the machine trusts.
    pub roots: Option<PathBuf>,
    /// Files with the certificate chain and the private key, as PEM, by which the server knows this program.
    pub client: Option<(PathBuf, PathBuf)>,
    service: &'static str,
}

impl Access {
    /// To the server at this URL, for who calls itself `service` in errors.
    pub fn new(service: &'static str, url: impl Into<String>) -> Self {
        Self { url: url.into(), token: None, credentials: None, roots: None, client: None, service }
    }

    /// A name for reports, such as `nats 127.0.0.1:4222`. Fails when the URL is none.
    pub fn name(&self) -> Result<String, Error> {
        // An error has no cause: it might quote a password.
        let address: Option<ServerAddr> = self.url.trim().parse().ok();
        match address.filter(|address| !address.has_user_pass() && !address.host().is_empty()) {
            Some(address) => Ok(format!("nats {}:{}", address.host(), address.port())),
            None => Err(invalid(self.service, "the address is no nats:// or tls:// URL with a host, without user")),
        }
    }

    /// Fails where the URL is none, or a file that is named cannot be read or used. It asks no server.
    pub fn check(&self) -> Result<(), Error> {
        self.name()?;
        self.tls()?;
        if let Some(file) = &self.credentials {
            let unread = |error| invalid(self.service, "cannot read the credentials").caused_by(error);
            let unread = |error| unread(error).with("file", file.display());
            let text = std::fs::read_to_string(file).map_err(unread)?;
            // An error has no cause: it might quote a key.
            let unusable =
                |_| invalid(self.service, "there is no user in the credentials").with("file", file.display());
            ConnectOptions::new().credentials(&text).map_err(unusable)?;
        }
        Ok(())
    }

    /// A connection, which comes back by itself when the server was away.
    pub async fn connect(&self) -> Result<Client, BoxError> {
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
        Ok(options.connect(self.url.trim()).await?)
    }

    fn tls(&self) -> Result<ClientConfig, Error> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(trusted(self.service, self.roots.as_deref())?);
        // Named here, because what another part of the program brings along could be chosen otherwise.
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let wrong = |error| invalid(self.service, "cannot use the certificates").caused_by(error);
        let tls = tls.with_safe_default_protocol_versions().map_err(wrong)?.with_root_certificates(roots);
        let Some((chain, key)) = &self.client else {
            return Ok(tls.with_no_client_auth());
        };
        let unread =
            |error| invalid(self.service, "cannot read the private key").caused_by(error).with("file", key.display());
        let key = PrivateKeyDer::from_pem_file(key).map_err(unread)?;
        tls.with_client_auth_cert(certificates(self.service, chain)?, key).map_err(wrong)
    }
}
