//! The bare libraries: ready records of 300 bytes, 100 in a message, and nothing that makes them.

use std::time::Instant;

use async_nats::jetstream;
use nix::sys::resource::UsageWho;
use spanlake_benches::Result;
use tokio::runtime::Builder;
use zeromq::{PullSocket, PushSocket, Socket, SocketRecv, SocketSend, ZmqMessage};

use super::{Said, cpu_s};

const RECORD_BYTES: usize = 300;
const RECORDS: usize = 100;

/// Messages that are sent before the first is acknowledged.
const IN_FLIGHT: usize = 128;

/// The stream that the messages go to.
const STREAM: &str = "RAW";

fn message() -> Vec<u8> {
    let record = [b'r'; RECORD_BYTES];
    record.repeat(RECORDS)
}

pub(super) fn zeromq(place: &str, records: u64) -> Result<Said> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let began = Instant::now();
    runtime.block_on(async {
        let mut socket = PushSocket::new();
        socket.connect(&format!("tcp://{place}")).await?;
        for _ in 0..records / RECORDS as u64 {
            let mut whole = ZmqMessage::from("PLJ");
            whole.push_back(message().into());
            socket.send(whole).await?;
        }
        Ok::<_, zeromq::ZmqError>(())
    })?;
    drop(runtime);
    said(began, records)
}

/// Takes messages until nobody needs them any more; gives how many records they had.
pub(super) fn pull() -> Result<u64> {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut socket = PullSocket::new();
    let place = runtime.block_on(socket.bind("tcp://127.0.0.1:0"))?;
    let taken = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let count = std::sync::Arc::clone(&taken);
    runtime.spawn(async move {
        while socket.recv().await.is_ok() {
            count.fetch_add(RECORDS as u64, std::sync::atomic::Ordering::Relaxed);
        }
    });
    super::listen_at(&place.to_string().replace("tcp://", ""))?;
    Ok(taken.load(std::sync::atomic::Ordering::Relaxed))
}

pub(super) fn nats(place: &str, records: u64) -> Result<Said> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let began = Instant::now();
    runtime
        .block_on(async {
            let client = async_nats::connect(place).await?;
            let context = jetstream::new(client);
            let config = jetstream::stream::Config { name: STREAM.to_owned(), ..Default::default() };
            context.create_stream(config).await?;
            let mut in_flight = std::collections::VecDeque::new();
            for _ in 0..records / RECORDS as u64 {
                in_flight.push_back(context.publish(STREAM, message().into()).await?);
                if in_flight.len() == IN_FLIGHT
                    && let Some(oldest) = in_flight.pop_front()
                {
                    oldest.await?;
                }
            }
            for left in in_flight {
                left.await?;
            }
            Ok::<_, async_nats::Error>(())
        })
        .map_err(|error| error.to_string())?;
    said(began, records)
}

fn said(began: Instant, records: u64) -> Result<Said> {
    let (wall_s, cpu_s) = (began.elapsed().as_secs_f64(), cpu_s(UsageWho::RUSAGE_SELF)?);
    Ok(Said { wall_s, cpu_s, records, ..Said::default() })
}
