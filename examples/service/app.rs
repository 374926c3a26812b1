//! What the service does: it greets, it is slow, it fails, it panics.

use std::time::Duration;

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::routing::get;
use spanlake::Task;
use tracing::{debug, info, instrument};

use crate::requests;

/// All routes, each request a task.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/greet/{name}", get(greet))
        .route("/slow", get(slow))
        .route("/broken", get(broken))
        .route("/panics", get(panics))
        .layer(from_fn(requests::as_tasks))
}

async fn greet(Path(name): Path<String>) -> String {
    info!(name, "greeting");
    format!("hello {}\n", polite(&name).await)
}

/// A task below that of the request.
#[instrument]
async fn polite(name: &str) -> String {
    debug!("looking for the right words");
    format!("dear {name}")
}

async fn slow() -> &'static str {
    tokio::time::sleep(Duration::from_millis(50)).await;
    "at last\n"
}

/// The task of the request fails with its cause, and the caller is told no more than that.
async fn broken() -> (StatusCode, &'static str) {
    let error = read_stock().err();
    if let (Some(task), Some(error)) = (Task::current(), &error) {
        task.fail(error);
    }
    (StatusCode::INTERNAL_SERVER_ERROR, "out of order\n")
}

/// A fault of the program: the task of the request fails with what the panic said, and the service goes on.
async fn panics() -> String {
    format!("{} left\n", first(&[]))
}

fn first(stock: &[u32]) -> u32 {
    stock[0]
}

fn read_stock() -> Result<u32, std::num::ParseIntError> {
    "many".parse()
}
