//! Clients of ours.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::resource::UsageWho;
use spanlake_benches::Result;
use spanlake_core::Policy;
use spanlake_publish::{
    Delivered, HttpTransport, NatsTransport, OtlpTransport, Parcel, PublishLayer, Transport, Undelivered, ZmqTransport,
};
use tracing_subscriber::prelude::*;

use super::{Said, Way, cpu_s, work};

pub(super) fn transport(way: Way, place: &str) -> Result<Box<dyn Transport>> {
    let most = NonZeroU64::new(4 << 30).ok_or("not zero")?;
    Ok(match way {
        Way::Nobody => Box::new(Nobody),
        Way::OtlpHttp => Box::new(OtlpTransport::new(place).build()?),
        Way::OtlpGrpc => Box::new(OtlpTransport::grpc(place).build()?),
        Way::Zeromq => Box::new(ZmqTransport::push(place).build()?),
        Way::ZeromqSegments => Box::new(ZmqTransport::push(place).segments().build()?),
        Way::Nats => Box::new(NatsTransport::new(place).create(most).build()?),
        _ => Box::new(HttpTransport::new(place).build()?),
    })
}

pub(super) fn publish(transport: Box<dyn Transport>, records: u64) -> Result<Said> {
    let acks = Arc::new(Mutex::new(Vec::new()));
    let transport = Timed { transport, acks: Arc::clone(&acks) };
    let builder = PublishLayer::builder(transport).policy(Policy::Block(Duration::from_secs(60)));
    let (layer, guard) = builder.build()?;
    let began = Instant::now();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || work(records));
    let report = guard.shutdown(Duration::from_secs(120))?;
    let wall_s = began.elapsed().as_secs_f64();
    let mut acks = std::mem::take(&mut *acks.lock().map_err(|_| "nothing panics")?);
    acks.sort_unstable();
    let at =
        |part: f64| acks.get((acks.len() as f64 * part) as usize).map_or(0.0, |ack: &Duration| ack.as_secs_f64() * 1e3);
    let cpu_s = cpu_s(UsageWho::RUSAGE_SELF)?;
    Ok(Said { wall_s, cpu_s, records: report.written, ack_p50_ms: at(0.5), ack_p99_ms: at(0.99) })
}

/// Somebody who has everything at once.
struct Nobody;

impl Transport for Nobody {
    fn name(&self) -> &str {
        "nobody"
    }

    fn send(&mut self, _: &Parcel<'_>, _: Instant) -> std::result::Result<Delivered, Undelivered> {
        Ok(Delivered::default())
    }
}

/// A transport, and how long each of its acknowledgements took.
struct Timed {
    transport: Box<dyn Transport>,
    acks: Arc<Mutex<Vec<Duration>>>,
}

impl Transport for Timed {
    fn name(&self) -> &str {
        self.transport.name()
    }

    fn send(&mut self, parcel: &Parcel<'_>, until: Instant) -> std::result::Result<Delivered, Undelivered> {
        let began = Instant::now();
        let sent = self.transport.send(parcel, until);
        if let Ok(mut acks) = self.acks.lock() {
            acks.push(began.elapsed());
        }
        sent
    }
}
