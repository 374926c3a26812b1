//! The listener: takes connections in, so many at once, with TLS or without.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, Request};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
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

use super::{Peer, Shared, router};
use crate::intake::Reason;

/// How long it rests when the operating system gives no connection, such as when there are too many files.
const REST: Duration = Duration::from_millis(100);

/// How long requests may take to end when the collector stops.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

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
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
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
    pub(crate) async fn begin(address: SocketAddr, tls: Option<Tls>, shared: Arc<Shared>) -> Result<Self, Error> {
        let refused = |error| Error::io("Collector", "cannot listen", error).with("address", address);
        let listener = TcpListener::bind(address).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let (stop, stopped) = watch::channel(false);
        let server =
            Server { shared: Arc::clone(&shared), tls, room: Arc::new(Semaphore::new(shared.limits.connections)) };
        let task = tokio::spawn(server.run(listener, stopped));
        Ok(Self { address, stop, task })
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
    room: Arc<Semaphore>,
}

impl Server {
    async fn run(self, listener: TcpListener, mut stopped: watch::Receiver<bool>) {
        let graceful = GracefulShutdown::new();
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stopped.changed() => break,
            };
            match (accepted, Arc::clone(&self.room).try_acquire_owned()) {
                (Ok((stream, peer)), Ok(permit)) => self.serve(stream, peer, permit, &graceful),
                (Ok(_), Err(_)) => self.shared.intake.refuse(Reason::Connections),
                (Err(_), _) => sleep(REST).await,
            }
        }
        drop(listener);
        let _ = timeout(LAST_REQUESTS, graceful.shutdown()).await;
    }

    fn serve(&self, stream: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit, graceful: &GracefulShutdown) {
        let watcher = graceful.watcher();
        let (shared, tls) = (Arc::clone(&self.shared), self.tls.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let _ = stream.set_nodelay(true);
            match tls {
                None => talk(stream, peer, shared, watcher).await,
                Some(Tls(config)) => {
                    let patience = shared.limits.patience;
                    match timeout(patience, TlsAcceptor::from(config).accept(stream)).await {
                        Ok(Ok(stream)) => talk(stream, peer, shared, watcher).await,
                        Ok(Err(_)) => shared.intake.refuse(Reason::Unauthorized),
                        Err(_) => shared.intake.refuse(Reason::Slow),
                    }
                }
            }
        });
    }
}

/// Serves one connection until it is over. A header that does not come in time ends it.
async fn talk<S>(stream: S, peer: SocketAddr, shared: Arc<Shared>, watcher: hyper_util::server::graceful::Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let patience = shared.limits.patience;
    let app = router(shared).layer(Extension(Peer(peer)));
    let service = hyper::service::service_fn(move |request: Request<Incoming>| app.clone().oneshot(request));
    let mut server = auto::Builder::new(hyper_util::rt::TokioExecutor::new()).http1_only();
    server.http1().timer(TokioTimer::new()).header_read_timeout(patience);
    let connection = server.serve_connection(TokioIo::new(stream), service).into_owned();
    // A connection that breaks has told its sender, who comes again.
    let _ = watcher.watch(connection).await;
}
