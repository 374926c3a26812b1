//! The client: asks over the loopback, as a program does that has a trace of its own.

use std::net::SocketAddr;

use spanlake::TaskKey;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::Failure;

/// A request, and what was answered.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) path: String,
    /// The trace that the caller is in.
    pub(crate) trace_id: String,
    pub(crate) status: u16,
    /// Whether more was to be told of it.
    pub(crate) in_detail: bool,
}

/// Requests at once of each path.
const AT_ONCE: u8 = 8;

/// Asks for everything that there is, several at a time.
pub(crate) async fn run(address: SocketAddr, in_detail: bool) -> Result<Vec<Sent>, Failure> {
    let mut requests = JoinSet::new();
    requests.spawn(ask(address, "/panics".to_owned(), in_detail));
    for number in 0..AT_ONCE {
        let greet = format!("/greet/guest-{number}");
        for path in [&greet, "/slow", "/broken", "/nowhere"] {
            requests.spawn(ask(address, path.to_owned(), in_detail));
        }
    }
    requests.join_all().await.into_iter().collect()
}

async fn ask(address: SocketAddr, path: String, in_detail: bool) -> Result<Sent, Failure> {
    let trace_id = format!("{:032x}", u128::from_be_bytes(TaskKey::random().trace_id()));
    let mut stream = TcpStream::connect(address).await?;
    let head = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         traceparent: 00-{trace_id}-00f067aa0ba902b7-01\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let status = answer.split(' ').nth(1).ok_or("no answer")?.parse()?;
    Ok(Sent { path, trace_id, status, in_detail })
}
