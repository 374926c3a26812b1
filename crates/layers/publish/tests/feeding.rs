//! No transport's own doings are recorded, also where all that is logged in the process is.
#![cfg(all(feature = "http", feature = "nats", feature = "otlp", feature = "zeromq"))]

use std::net::TcpListener;
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use spanlake_core::LevelFilter;
use spanlake_publish::{
    Guard, HttpTransport, NatsTransport, OtlpTransport, PublishLayer, Transport, ZmqPublisher, ZmqTransport,
};
use tracing_subscriber::prelude::*;

const LONG: Duration = Duration::from_secs(60);

fn layer(transport: impl Transport + 'static) -> (PublishLayer, Guard) {
    let builder = PublishLayer::builder(transport).level(LevelFilter::TRACE);
    builder.send_every(Duration::from_millis(5)).poll_every(Duration::from_millis(5)).build().expect("a layer")
}

#[test]
fn what_transports_log_while_they_try_is_not_recorded() {
    // Some greet and are hung up on, some are refused: there is much to log.
    let rude = TcpListener::bind("127.0.0.1:0").expect("an address");
    let at = rude.local_addr().expect("an address");
    std::thread::spawn(move || while rude.accept().is_ok() {});
    let most = NonZeroU64::new(1 << 20).expect("not zero");
    let (http, one) = layer(HttpTransport::new(format!("http://{at}")).build().expect("a transport"));
    let (otlp, two) = layer(OtlpTransport::new(format!("http://{at}")).build().expect("a transport"));
    let (push, three) = layer(ZmqTransport::push(at.to_string()).build().expect("a transport"));
    let (nats, four) = layer(NatsTransport::new(format!("nats://{at}")).create(most).build().expect("a transport"));
    let (look, five) =
        layer(ZmqPublisher::bind("127.0.0.1:0".parse().expect("an address")).build().expect("a transport"));
    let layers = tracing_subscriber::registry().with(http).with(otlp).with(push).with(nats).with(look);
    tracing::subscriber::set_global_default(layers).expect("the first");

    tracing::info!("the only one");
    let until = Instant::now() + LONG;
    for guard in [&one, &two, &three, &four] {
        while guard.report().sinks[0].errors < 5 {
            assert!(Instant::now() < until, "{:?}", guard.report());
            std::thread::yield_now();
        }
    }
    for guard in [&one, &two, &three, &four, &five] {
        let report = guard.report();
        assert_eq!((report.recorded, report.lost), (1, 0), "{report:?}");
    }
    assert!(five.flush(LONG).is_complete());
    // What goes on its way when the program ends is not waited for.
    for guard in [one, two, three, four, five] {
        let _ = guard.shutdown(Duration::from_millis(10));
    }
}
