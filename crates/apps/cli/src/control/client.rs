//! What speaks to a collector.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use spanlake_core::{Category, Error, Secret, Stage};
use ureq::http::Response;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};
use ureq::{Agent, Body};

use crate::args::CollectorArgs;

/// The variable with the token of those who name no file.
const TOKEN: &str = "SPANLAKE_TOKEN";

/// How long an answer is waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Most of an answer that is read.
const ANSWER_BYTES: u64 = 16 << 20;

pub(crate) struct Client {
    agent: Agent,
    url: String,
    authorization: Option<Secret<String>>,
}

impl Client {
    pub(crate) fn new(args: &CollectorArgs) -> Result<Self, Error> {
        let url = format!("{}/v1/control", args.collector.trim_end_matches('/'));
        let tls = if url.starts_with("https://") { tls(args)? } else { TlsConfig::default() };
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(ANSWER_TIMEOUT))
            .tls_config(tls);
        let authorization = token(args)?.map(|token| Secret::new(format!("Bearer {}", token.expose().trim())));
        Ok(Self { agent: config.build().new_agent(), url, authorization })
    }

    /// What a service is asked for, or all of them.
    pub(crate) fn get(&self, service: Option<&str>) -> Result<Value, Error> {
        let url = service.map_or_else(|| self.url.clone(), |service| self.of(service));
        self.answer(self.authorized(self.agent.get(url)).call())
    }

    pub(crate) fn put(&self, service: &str, wanted: &Value) -> Result<Value, Error> {
        let request = self.authorized(self.agent.put(self.of(service))).content_type("application/json");
        self.answer(request.send(wanted.to_string()))
    }

    pub(crate) fn delete(&self, service: &str) -> Result<Value, Error> {
        self.answer(self.authorized(self.agent.delete(self.of(service))).call())
    }

    fn of(&self, service: &str) -> String {
        format!("{}/{}", self.url, spanlake_wire::exchange::escaped(service))
    }

    fn authorized<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.authorization {
            Some(authorization) => request.header("authorization", authorization.expose()),
            None => request,
        }
    }

    fn answer(&self, answered: Result<Response<Body>, ureq::Error>) -> Result<Value, Error> {
        let mut answer = answered.map_err(|error| self.failed("cannot reach the collector").caused_by(error))?;
        let text = answer.body_mut().with_config().limit(ANSWER_BYTES).read_to_string();
        let text = text.map_err(|error| self.failed("cannot read the collector's answer").caused_by(error))?;
        if !answer.status().is_success() {
            let status = answer.status().as_u16();
            return Err(self.failed("the collector refuses").with("status", status).with("answer", text.trim()));
        }
        serde_json::from_str(&text).map_err(|error| self.failed("the collector's answer is no JSON").caused_by(error))
    }

    fn failed(&self, message: &str) -> Error {
        Error::new(Stage::Handler, "Control", Category::Io, message).with("collector", &self.url)
    }
}

fn token(args: &CollectorArgs) -> Result<Option<Secret<String>>, Error> {
    let Some(file) = &args.token_file else {
        return Ok(std::env::var(TOKEN).ok().map(Secret::new));
    };
    let unread = |error| Error::io("Control", "cannot read the token", error).with("file", file.display());
    std::fs::read_to_string(file).map(|token| Some(Secret::new(token))).map_err(unread)
}

fn tls(args: &CollectorArgs) -> Result<TlsConfig, Error> {
    let invalid = |why| Error::new(Stage::Configuration, "Control", Category::Validation, why);
    let certificates = |file: &Path| {
        CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| invalid("cannot read the certificates").caused_by(error).with("file", file.display()))
    };
    let owned = |all: Vec<CertificateDer<'_>>| -> Vec<_> {
        all.iter().map(|one| Certificate::from_der(one).to_owned()).collect()
    };
    let trusted = match &args.roots {
        None => rustls_native_certs::load_native_certs().certs,
        Some(file) => certificates(file)?,
    };
    let trusted = owned(trusted);
    let client = match args.certificate.as_deref().zip(args.key.as_deref()) {
        None => None,
        Some((chain, key)) => {
            let unread = || invalid("cannot read the private key").with("file", key.display());
            let pem = std::fs::read(key).map_err(|error| unread().caused_by(error))?;
            let key = PrivateKey::from_pem(&pem).map_err(|error| unread().caused_by(error))?;
            Some(ClientCert::new_with_certs(&owned(certificates(chain)?), key))
        }
    };
    let crypto = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder().unversioned_rustls_crypto_provider(crypto).client_cert(client);
    Ok(tls.root_certs(RootCerts::Specific(Arc::new(trusted))).build())
}
