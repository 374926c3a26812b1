//! Requests by gRPC.

use std::error::Error as _;
use std::time::Instant;

use prost::Message;
use spanlake_core::{Category, Error, Stage};
use spanlake_wire::client::{
    Address, CONNECT_TIMEOUT, LONGEST_ASKED, PathAndQuery, QUOTED_CHARS, REPLY_BYTES, USER_AGENT,
};
use spanlake_wire::otlp::grpc::{LOGS, TRACES, pause};
use spanlake_wire::otlp::proto::collector::logs::v1::{ExportLogsServiceRequest, ExportLogsServiceResponse};
use spanlake_wire::otlp::proto::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use spanlake_wire::tls::{invalid, trusted};
use tokio::runtime::{Builder, Runtime};
use tokio::task::yield_now;
use tokio::time::timeout_at;
use tonic::codec::CompressionEncoding;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::{SERVICE, Way};
use crate::transport::Undelivered;

/// How often the connection may look after itself before something is sent.
const LOOKS: usize = 4;

#[derive(Debug)]
pub(super) struct Grpc {
    endpoint: Endpoint,
    authorization: Option<MetadataValue<Ascii>>,
    gzip: bool,
    name: String,
    /// Whether the last request was said to be out of range.
    is_out_of_range: bool,
    session: Option<Session>,
}

/// A connection, and the runtime that it lives on, with which it goes. It works only while something is waited for here.
#[derive(Debug)]
struct Session {
    channel: Channel,
    runtime: Runtime,
}

impl Grpc {
    pub(super) fn new(address: Address, gzip: bool) -> Result<Self, Error> {
        let base = address.base().filter(|base| matches!(base.path(), "" | "/"));
        // An error would have no cause: it might quote a password.
        let is_none =
            || invalid(SERVICE, "the address is no http:// or https:// URL with a host, without user, path and query");
        let base = base.ok_or_else(is_none)?;
        let authority = base.authority().map_or("", |authority| authority.as_str()).to_owned();
        let is_secure = base.scheme_str() == Some("https");
        let wrong = |error| invalid(SERVICE, "cannot use the address").caused_by(error);
        let mut endpoint = Endpoint::from(base).connect_timeout(CONNECT_TIMEOUT);
        endpoint = endpoint.user_agent(USER_AGENT).map_err(wrong)?;
        if is_secure {
            let wrong = |error| invalid(SERVICE, "cannot use the certificates").caused_by(error);
            endpoint = endpoint.tls_config(tls(&address)?).map_err(wrong)?;
        }
        let authorization = address.token.map(|token| authorization(token.expose())).transpose()?;
        Ok(Self {
            endpoint,
            authorization,
            gzip,
            name: format!("otlp {authority}"),
            is_out_of_range: false,
            session: None,
        })
    }

    fn post<Q, A>(&mut self, path: &'static str, request: Q, until: Instant) -> Result<A, Undelivered>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let session = match self.session.take() {
            Some(session) => session,
            None => self.begin(until)?,
        };
        let asked = self.ask(session.channel.clone(), path, request, until);
        let failed = match session.runtime.block_on(async { timeout_at(until.into(), asked).await }) {
            Ok(Ok(answer)) => {
                (self.session, self.is_out_of_range) = (Some(session), false);
                return Ok(answer);
            }
            Ok(Err(status)) => self.undelivered(&status),
            Err(late) => self.not_now("the other side does not answer", late),
        };
        // After an error it begins anew.
        session.runtime.shutdown_background();
        Err(failed)
    }

    fn begin(&self, until: Instant) -> Result<Session, Undelivered> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| self.not_now("cannot begin to send", error))?;
        let failed = match runtime.block_on(async { timeout_at(until.into(), self.endpoint.connect()).await }) {
            Ok(Ok(channel)) => return Ok(Session { channel, runtime }),
            Ok(Err(error)) => self.not_now("cannot reach the other side", error),
            Err(late) => self.not_now("cannot reach the other side in time", late),
        };
        // A name that is still being looked up is not waited for.
        runtime.shutdown_background();
        Err(failed)
    }

    async fn ask<Q, A>(&self, channel: Channel, path: &'static str, request: Q, until: Instant) -> Result<A, Status>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        // Who hung up while nothing was waited for is found out before something is sent to nobody.
        for _ in 0..LOOKS {
            yield_now().await;
        }
        let mut client = tonic::client::Grpc::new(channel).max_decoding_message_size(REPLY_BYTES);
        if self.gzip {
            client = client.send_compressed(CompressionEncoding::Gzip);
        }
        let mut request = Request::new(request);
        request.set_timeout(until.saturating_duration_since(Instant::now()));
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.clone());
        }
        client.ready().await.map_err(|error| Status::from_error(Box::new(error)))?;
        let answer = client.unary(request, PathAndQuery::from_static(path), ProstCodec::default()).await?;
        Ok(answer.into_inner())
    }

    /// A request that makes no sense will not make any another time, and who has no room for it without saying for how long has
    /// none for so much at once. Whatever else is wrong may pass, or be put right while the records wait.
    fn undelivered(&mut self, status: &Status) -> Undelivered {
        let after = pause(status.details()).map(|pause| pause.min(LONGEST_ASKED));
        let error = self.refused(status);
        match status.code() {
            Code::InvalidArgument => Undelivered::Never(error),
            Code::ResourceExhausted if after.is_none() => Undelivered::TooMany(error),
            // It may be tried again by OTLP's rules; but some say so of what is too long.
            Code::OutOfRange if std::mem::replace(&mut self.is_out_of_range, true) => Undelivered::TooMany(error),
            _ => Undelivered::NotNow(error.recoverable(), after),
        }
    }

    fn refused(&self, status: &Status) -> Error {
        // What has a cause is nothing that the other side said.
        if status.source().is_some() {
            return self.failed("cannot reach the other side").caused_by(status.clone());
        }
        let error = self.failed("the other side does not take what is sent");
        let error = error.with("code", format!("{:?}", status.code()));
        let said: String = status.message().chars().take(QUOTED_CHARS).collect();
        if said.is_empty() { error } else { error.with("reply", said.escape_debug()) }
    }

    fn not_now(&self, message: &str, cause: impl std::error::Error + Send + Sync + 'static) -> Undelivered {
        Undelivered::NotNow(self.failed(message).caused_by(cause).recoverable(), None)
    }

    fn failed(&self, message: &str) -> Error {
        Error::new(Stage::Handler, SERVICE, Category::Io, message).with("to", &self.name)
    }
}

impl Way for Grpc {
    fn name(&self) -> &str {
        &self.name
    }

    fn logs(
        &mut self,
        request: ExportLogsServiceRequest,
        until: Instant,
    ) -> Result<ExportLogsServiceResponse, Undelivered> {
        self.post(LOGS, request, until)
    }

    fn traces(
        &mut self,
        request: ExportTraceServiceRequest,
        until: Instant,
    ) -> Result<ExportTraceServiceResponse, Undelivered> {
        self.post(TRACES, request, until)
    }
}

fn tls(address: &Address) -> Result<ClientTlsConfig, Error> {
    if trusted(SERVICE, address.roots.as_deref())?.is_empty() {
        return Err(invalid(SERVICE, "https:// needs certificates that are trusted, and there are none"));
    }
    let tls = ClientTlsConfig::new();
    let tls = match &address.roots {
        Some(file) => tls.ca_certificate(Certificate::from_pem(read(file)?)),
        None => tls.with_native_roots(),
    };
    Ok(match &address.client {
        Some((chain, key)) => tls.identity(Identity::from_pem(read(chain)?, read(key)?)),
        None => tls,
    })
}

fn read(file: &std::path::Path) -> Result<Vec<u8>, Error> {
    let unread = |error| invalid(SERVICE, "cannot read the file").caused_by(error).with("file", file.display());
    std::fs::read(file).map_err(unread)
}

fn authorization(token: &str) -> Result<MetadataValue<Ascii>, Error> {
    let value = format!("Bearer {token}").parse::<MetadataValue<Ascii>>();
    let mut value = value.map_err(|_| invalid(SERVICE, "the token has characters that no token has"))?;
    value.set_sensitive(true);
    Ok(value)
}
