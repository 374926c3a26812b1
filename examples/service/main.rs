//! A web service whose records are decided by a file, and which checks its own result.
//!
//! Run it with `cargo run --example service`. It reads `spanlake.yaml` beside it, listens on a port of the loopback, is its
//! own client there, shuts down, and looks into its lake, `./service-lake`: each request is a task, with method, path, status
//! and latency, and continues the trace of its caller.

mod app;
mod requests;
mod client;
mod check;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tracing::info;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/service/spanlake.yaml");

/// How long the last records may take into the lake.
const SHUTDOWN: Duration = Duration::from_secs(30);

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<ExitCode, Failure> {
    let started = spanlake::init_from_file(CONFIG)?;
    let sent = tokio::runtime::Runtime::new()?.block_on(serve_and_ask())?;
    let report = started.guard.shutdown(SHUTDOWN)?;
    println!("{report}");
    let found = check::run("service-lake", &sent)?;
    println!("{} requests sent, {found} found in ./service-lake with all that was promised", sent.len());
    Ok(if report.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Serves until the client has had its answers; those under way are still given.
async fn serve_and_ask() -> Result<Vec<client::Sent>, Failure> {
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let address = listener.local_addr()?;
    info!(%address, "listening");
    let (stop, stopped) = oneshot::channel();
    let asked = async move {
        let sent = client::run(address).await;
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
