//! The listener: takes connections in, so many at once, with TLS or without.

use std::net::SocketAddr;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::extract::{Extension, Request};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use spanlake_core::{Category, Error, Stage};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use super::busy::Busy;
use super::patient::Patient;
use super::{Peer, Shared, router};
use crate::intake::Reason;

/// How long it rests when the operating system gives no connection, such as when there are too many files.
const REST: Duration = Duration::from_millis(100);

/// Most bytes of a connection that are held before they are a request's, and longest head of one.
const HEAD_BYTES: usize = 64 << 10;

/// How long requests may take to end when the collector stops.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// How long a connection has nothing to do before it is closed when the collector stops: long enough for the last answer to leave.
const LAST_ANSWER: Duration = Duration::from_millis(100);

/// Calls at once on one connection of HTTP/2.
const CALLS: u32 = 32;

/// What a client and the collector show each other.
#[derive(Clone, Debug)]
pub struct Tls(Arc<ServerConfig>);

/// An endpoint that takes connections in.
#[derive(Debug)]
pub(crate) struct Listening {
    /// Where.
    pub(crate) address: SocketAddr,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
}

// === impl Tls ===

impl Tls {
    /// The certificate chain and the private key of the collector, as PEM; with `clients`, a file of certificates, only clients are
    /// let in that show one signed by those.
    pub fn new(chain: &Path, key: &Path, clients: Option<&Path>) -> Result<Self, Error> {
        let crypto = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&crypto)).with_safe_default_protocol_versions();
        let builder = builder.map_err(|error| invalid("cannot set up TLS").caused_by(error))?;
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(file) => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(certificates(file)?);
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), crypto).build();
                let unusable = |error| invalid("cannot use the clients' certificates").caused_by(error);
                builder.with_client_cert_verifier(verifier.map_err(unusable)?)
            }
        };
        let unread = |error| invalid("cannot read the private key").caused_by(error).with("file", key.display());
        let key = PrivateKeyDer::from_pem_file(key).map_err(unread)?;
        let mut config = builder
            .with_single_cert(certificates(chain)?, key)
            .map_err(|error| invalid("certificate and key do not fit").caused_by(error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let read =
        read.map_err(|error| invalid("cannot read the certificates").caused_by(error).with("file", file.display()))?;
    if read.is_empty() {
        return Err(invalid("there is no certificate in the file").with("file", file.display()));
    }
    Ok(read)
}

fn invalid(why: &str) -> Error {
    Error::new(Stage::Configuration, "Tls", Category::Validation, why)
}

// === impl Listening ===

impl Listening {
    /// Has the address, so that whoever comes from now on waits. Fails where it cannot be had.
    pub(crate) async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), Error> {
        let refused = |error| Error::io("Collector", "cannot listen", error).with("address", address);
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        Ok((listener, address))
    }

    pub(crate) fn begin((listener, address): (TcpListener, SocketAddr), tls: Option<Tls>, shared: Arc<Shared>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let connections = shared.policy().limits.connections;
        let server =
            Server { shared: Arc::clone(&shared), tls, connections, room: Arc::new(Semaphore::new(connections)) };
        let task = tokio::spawn(server.run(listener, stopped));
        Self { address, stop, task }
    }

    /// Takes no more in, lets requests end that have begun, within some seconds.
    pub(crate) async fn stop(self) {
        // Nobody listens any more where the task is gone already.
        let _ = self.stop.send(true);
        let _ = self.task.await;
    }
}

struct Server {
    shared: Arc<Shared>,
    tls: Option<Tls>,
    connections: usize,
    room: Arc<Semaphore>,
}

impl Server {
    async fn run(self, listener: TcpListener, mut stopped: watch::Receiver<bool>) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stopped.changed() => break,
            };
            match (accepted, Arc::clone(&self.room).try_acquire_owned()) {
                (Ok((stream, peer)), Ok(permit)) => self.serve(stream, peer, permit, stopped.clone()),
                (Ok(_), Err(_)) => self.shared.intake.refuse(Reason::Connections),
                (Err(_), _) => sleep(REST).await,
            }
        }
        drop(listener);
        // All the room is free when the last connection is over.
        let all = u32::try_from(self.connections).unwrap_or(u32::MAX);
        let _ = timeout(LAST_REQUESTS, self.room.acquire_many(all)).await;
    }

    fn serve(&self, stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit, stopped: watch::Receiver<bool>) {
        let (shared, tls) = (Arc::clone(&self.shared), self.tls.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let _ = stream.set_nodelay(true);
            match tls {
                None => talk(stream, peer, shared, stopped).await,
                Some(Tls(config)) => {
                    let patience = shared.policy().limits.patience;
                    match timeout(patience, TlsAcceptor::from(config).accept(stream)).await {
                        Ok(Ok(stream)) => talk(stream, peer, shared, stopped).await,
                        Ok(Err(error)) => shared.intake.refuse(reason(&error)),
                        Err(_) => shared.intake.refuse(Reason::Slow),
                    }
                }
            }
        });
    }
}

/// Why a client was not let in by TLS.
fn reason(error: &std::io::Error) -> Reason {
    use rustls::CertificateError::{Expired, ExpiredContext};
    match error.get_ref().and_then(|error| error.downcast_ref()) {
        Some(rustls::Error::InvalidCertificate(Expired | ExpiredContext { .. })) => Reason::Expired,
        Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented) => Reason::Unauthorized,
        _ => Reason::Handshake,
    }
}

/// Serves one connection, of HTTP/1 or HTTP/2, until it is over. A header that does not come in time ends it, and so does silence.
pub(crate) async fn talk<S>(stream: S, peer: SocketAddr, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let patience = shared.policy().limits.patience;
    let intake = shared.intake.clone();
    let app = router(shared).layer(Extension(Peer(peer)));
    let (busy, has_asked) = (Busy::new(), AtomicBool::new(false));
    let service = |request: Request<Incoming>| {
        has_asked.store(true, Ordering::Relaxed);
        busy.doing(app.clone().oneshot(request))
    };
    // One that has asked for something is over when it has nothing more to ask.
    let be_slow = || {
        if !has_asked.load(Ordering::Relaxed) {
            intake.refuse(Reason::Slow)
        }
    };
    let mut server = auto::Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(patience).max_buf_size(HEAD_BYTES);
    server.http2().timer(TokioTimer::new()).max_concurrent_streams(CALLS);
    let connection =
        server.serve_connection(TokioIo::new(Patient::new(stream, patience)), hyper::service::service_fn(service));
    let mut connection = pin!(connection);
    // A connection that breaks has told its sender, who comes again.
    tokio::select! {
        ended = connection.as_mut() => {
            return match ended.as_ref().map_err(|error| error.downcast_ref::<hyper::Error>()) {
                Err(Some(error)) if error.is_parse() => intake.refuse(Reason::Malformed),
                Err(Some(error)) if error.is_timeout() => be_slow(),
                _ => {}
            };
        }
        () = busy.rest(patience) => return be_slow(),
        _ = stopped.wait_for(|stopped| *stopped) => connection.as_mut().graceful_shutdown(),
    }
    // Who does not say goodbye is not waited for.
    tokio::select! {
        _ = connection => {}
        () = busy.rest(LAST_ANSWER) => {}
    }
}
