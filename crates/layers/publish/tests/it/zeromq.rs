//! What comes of a parcel for which the time of one try is not enough. The receiver is a socket that is read when the test says so.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use spanlake_publish::{Delivered, Parcel, PublishLayer, Transport, Undelivered, ZmqPublisher, ZmqTransport};
use spanlake_wire::zmtp::{GREETING, LONG as LONG_FRAME, put_frame, ready};
use tracing_subscriber::prelude::*;

const LONG: Duration = Duration::from_secs(60);

/// Several times what the system's sockets hold.
const RECORDS: usize = 30_000;

/// Longest message; one of the records is longer.
const MOST_BYTES: usize = 2000;

/// A transport that has little time for each try from when it is hurried.
struct Hurried<T> {
    transport: T,
    is_hurried: Arc<AtomicBool>,
}

impl<T: Transport> Transport for Hurried<T> {
    fn name(&self) -> &str {
        self.transport.name()
    }

    fn send(&mut self, parcel: &Parcel<'_>, until: Instant) -> Result<Delivered, Undelivered> {
        let is_hurried = self.is_hurried.load(Ordering::Acquire);
        let until = if is_hurried { Instant::now() + Duration::from_millis(50) } else { until };
        self.transport.send(parcel, until)
    }
}

/// The connection of who pushes, greeted.
fn accept(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().expect("a connection");
    stream.set_read_timeout(Some(LONG)).expect("a time");
    stream.write_all(&[&GREETING[..], &ready("PULL")].concat()).expect("it listens");
    stream.read_exact(&mut [0; GREETING.len()]).expect("a greeting");
    frame(&mut stream);
    stream
}

fn frame(stream: &mut impl Read) -> Vec<u8> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).expect("a frame");
    let mut len = u64::from(head[1]);
    if head[0] & LONG_FRAME != 0 {
        let mut rest = [0; 7];
        stream.read_exact(&mut rest).expect("a length");
        len = rest.iter().fold(len, |len, byte| len << 8 | u64::from(*byte));
    }
    let mut bytes = vec![0; usize::try_from(len).expect("a length")];
    stream.read_exact(&mut bytes).expect("a frame");
    bytes
}

/// The text of the next message.
fn message(stream: &mut impl Read) -> String {
    assert_eq!(frame(stream), b"PLJ");
    let body: serde_json::Value = serde_json::from_slice(&frame(stream)).expect("JSON");
    body["msg"].as_str().expect("a text").to_owned()
}

#[test]
fn a_parcel_goes_on_where_the_time_was_over() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
    let most = NonZeroUsize::new(MOST_BYTES).expect("not zero");
    let transport = ZmqTransport::push(listener.local_addr().expect("an address").to_string()).message_bytes(most);
    let is_hurried = Arc::new(AtomicBool::new(false));
    let transport = Hurried { transport: transport.build().expect("a transport"), is_hurried: Arc::clone(&is_hurried) };
    let most = NonZeroUsize::new(64 << 20).expect("not zero");
    let (layer, guard) =
        PublishLayer::builder(transport).capacity_bytes(most).batch_bytes(most).build().expect("a layer");
    let accepting = std::thread::spawn(move || accept(&listener));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::info!("0");
        assert!(guard.flush(LONG).is_complete());
        is_hurried.store(true, Ordering::Release);
        for row in 1..RECORDS {
            tracing::info!("{row}");
            if row == 10 {
                tracing::info!("{}", "long ".repeat(MOST_BYTES));
            }
        }
    });
    let mut stream = accepting.join().expect("a connection");
    let began = Instant::now();
    while guard.report().sinks[0].errors < 3 {
        assert!(began.elapsed() < LONG, "the sockets hold all of it: {:?}", guard.report());
        std::thread::yield_now();
    }
    let mut reader = BufReader::new(&mut stream);
    let end = std::thread::scope(|scope| {
        let ending = scope.spawn(|| guard.flush(LONG));
        let (mut row, mut stated) = (0, 0);
        while row < RECORDS || stated == 0 {
            match message(&mut reader) {
                loss if loss == "1 record lost (sink): 1 INFO" => stated += 1,
                text => {
                    assert_eq!(text, row.to_string());
                    row += 1;
                }
            }
        }
        assert_eq!(stated, 1);
        ending.join().expect("no panic")
    });
    assert_eq!((end.written, end.lost, end.pending), (RECORDS as u64, 1, 0), "{end:?}");
}

/// A subscriber to everything.
fn subscribe(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("it listens");
    stream.set_read_timeout(Some(LONG)).expect("a time");
    let mut bytes = [&GREETING[..], &ready("SUB")].concat();
    put_frame(&mut bytes, 0, b"\x01");
    stream.write_all(&bytes).expect("it listens");
    stream.read_exact(&mut [0; GREETING.len()]).expect("a greeting");
    frame(&mut stream);
    stream
}

#[test]
fn a_subscriber_for_whom_the_time_was_not_enough_takes_nothing_from_the_others() {
    let publisher = ZmqPublisher::bind("127.0.0.1:0".parse().expect("an address")).patience(LONG);
    let transport = publisher.build().expect("a transport");
    let (address, subscribers) = (transport.address(), transport.subscribers());
    let transport = Hurried { transport, is_hurried: Arc::new(AtomicBool::new(true)) };
    let most = NonZeroUsize::new(64 << 20).expect("not zero");
    let (layer, guard) =
        PublishLayer::builder(transport).capacity_bytes(most).batch_bytes(most).build().expect("a layer");
    let wait_for = |count: usize| {
        let began = Instant::now();
        while subscribers() != count {
            assert!(began.elapsed() < LONG, "{} of {count} are there", subscribers());
            std::thread::yield_now();
        }
    };
    let _takes_nothing = subscribe(address);
    wait_for(1);
    let mut reader = BufReader::new(subscribe(address));
    wait_for(2);
    let reading = std::thread::spawn(move || {
        // A topic and a body each.
        (0..2 * 10_000).for_each(|_| drop(frame(&mut reader)));
        reader
    });
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let long = "long ".repeat(500);
        (0..10_000).for_each(|row| tracing::info!("{row} {long}"));
    });
    assert!(guard.flush(LONG).is_complete());
    let _stays = reading.join().expect("it gets all of them");
    assert_eq!(subscribers(), 1, "who takes nothing is turned out");
}
