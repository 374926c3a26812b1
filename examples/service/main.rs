//! A web service whose records are decided by a file, and which checks its own result.
//!
//! Run it with `cargo run --example service`. It reads `spanlake.yaml` beside it, listens on a port of the loopback, is its
//! own client there, tells more of itself after half of the requests, because somebody has edited the file, shuts down, and looks
//! into its lake, `./service-lake`, and its access log, `./service-logs`: each request is a task, with method, path, status and
//! latency, and continues the trace of its caller; one that panics failed, and harms no other.

mod app;
mod requests;
mod client;
mod check;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use spanlake::Reloader;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tracing::info;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/service/spanlake.yaml");

/// What is edited in it while the service runs.
const QUIET: &str = r#""service::app": { level: INFO"#;
const VERBOSE: &str = r#""service::app": { level: DEBUG"#;

/// How long the last records may take into the lake.
const SHUTDOWN: Duration = Duration::from_secs(30);

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<ExitCode, Failure> {
    // A copy, for somebody to edit.
    let folder = tempfile::tempdir()?;
    let config = folder.path().join("spanlake.yaml");
    fs::copy(CONFIG, &config)?;
    let started = spanlake::init_from_file(&config)?;
    let sent = tokio::runtime::Runtime::new()?.block_on(serve_and_ask(&config, &started.reloader))?;
    let report = started.guard.shutdown(SHUTDOWN)?;
    println!("{report}");
    let found = check::run("service-lake", "service-logs/access.log", &sent)?;
    println!("{} requests sent, {found} found in ./service-lake with all that was promised", sent.len());
    Ok(if report.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Serves until the client has had its answers; those under way are still given.
async fn serve_and_ask(config: &Path, reloader: &Reloader) -> Result<Vec<client::Sent>, Failure> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let address = listener.local_addr()?;
    info!(%address, "listening");
    let (stop, stopped) = oneshot::channel();
    let asked = async move {
        let sent = ask(address, config, reloader).await;
        // The server is there as long as nobody stops it.
        let _ = stop.send(());
        sent
    };
    let shutdown = async {
        // A client that is gone has nothing to ask any more.
        let _ = stopped.await;
        info!("shutting down");
    };
    let server = axum::serve(listener, app::router()).with_graceful_shutdown(shutdown);
    let (served, sent) = tokio::join!(server.into_future(), asked);
    served?;
    sent
}

/// Asks for everything, and once more when the service tells more of itself.
async fn ask(address: SocketAddr, config: &Path, reloader: &Reloader) -> Result<Vec<client::Sent>, Failure> {
    let mut sent = client::run(address, false).await?;
    let text = fs::read_to_string(config)?;
    fs::write(config, text.replace(QUIET, VERBOSE))?;
    // As `kill -HUP` has it done.
    tokio::task::block_in_place(|| reloader.reload())?;
    sent.extend(client::run(address, true).await?);
    Ok(sent)
}
