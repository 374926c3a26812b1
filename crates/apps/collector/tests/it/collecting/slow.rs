//! Who is slow, says a lot and sends nothing, takes no answer, or says what nobody understands: it is turned out in time and counted,
//! and the others are served meanwhile.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use spanlake_collector::intake::Reason;
use spanlake_collector::{LakePlugin, Limits};

use super::stand::{LONG, Running, Stand, publish};

const PATIENCE: Duration = Duration::from_secs(2);

/// What a body of 1 MiB is announced with.
const ANNOUNCED: &[u8] =
    b"POST /v1/segments HTTP/1.1\r\nhost: x\r\ncontent-encoding: zstd\r\nspanlake-sender: slow\r\n\
    spanlake-epoch: 1\r\nspanlake-sequence: 1\r\ncontent-length: 1048576\r\n\r\n";

fn start(stand: &Stand, change: impl FnOnce(&mut Limits)) -> Running<'_> {
    let mut limits = Limits::default();
    limits.patience = PATIENCE;
    change(&mut limits);
    stand.run(stand.builder().limits(limits).plugin("lake", Default::default(), LakePlugin::jsonl(stand.lake())))
}

fn connect(running: &Running<'_>) -> TcpStream {
    let stream = TcpStream::connect(running.address).expect("a connection");
    stream.set_read_timeout(Some(LONG)).expect("a time");
    stream.set_nodelay(true).expect("a setting");
    stream
}

fn assert_serves(running: &Running<'_>) {
    assert_eq!(publish(running.publisher(), |_| tracing::info!("served")).written, 1);
}

#[test]
fn who_announces_a_body_and_sends_none_takes_no_room() {
    let stand = Stand::new();
    let running = start(&stand, |limits| {
        limits.patience = LONG;
        (limits.body_bytes, limits.held_bytes) = (1 << 20, 2 << 20);
    });
    let streams: Vec<_> = (0..50)
        .map(|_| {
            let mut stream = connect(&running);
            stream.write_all(&[ANNOUNCED, b"some of it"].concat()).expect("it listens");
            stream
        })
        .collect();
    assert_serves(&running);
    assert_eq!(running.collector().refused(Reason::Full), 0);
    drop(streams);
    running.stop();
}

#[test]
fn what_comes_a_byte_at_a_time_is_turned_out_in_time() {
    let stand = Stand::new();
    let running = start(&stand, |_| ());
    // Heads that never end, bodies that never end, and wishes for levels that never end.
    let wish = b"PUT /v1/control/orders HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n";
    let began = Instant::now();
    let mut streams: Vec<_> = [&b"POST /v1/segments HTTP/1.1\r\n"[..], ANNOUNCED, wish]
        .iter()
        .cycle()
        .take(90)
        .map(|bytes| {
            let mut stream = connect(&running);
            stream.write_all(bytes).expect("it listens");
            stream
        })
        .collect();
    assert_serves(&running);
    while began.elapsed() < PATIENCE * 2 {
        // Some are gone by then.
        streams.iter_mut().for_each(|stream| drop(stream.write(b"x")));
        std::thread::sleep(PATIENCE / 20);
    }
    for stream in &mut streams {
        let mut answer = [0; 12];
        let ended = stream.read(&mut answer);
        assert!(ended.is_err() || answer == *b"HTTP/1.1 408" || ended.is_ok_and(|count| count == 0), "{answer:?}");
    }
    assert!(began.elapsed() < LONG);
    assert_eq!(running.collector().refused(Reason::Slow), 90);
    assert_serves(&running);
    running.stop();
}

#[test]
fn who_takes_no_answer_does_not_hold_a_connection_for_ever() {
    let stand = Stand::new();
    let running = start(&stand, |limits| limits.connections = 4);
    let asked = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2000);
    let streams: Vec<_> = (0..4)
        .map(|_| {
            let mut stream = connect(&running);
            stream.set_write_timeout(Some(PATIENCE / 4)).expect("a time");
            // Until neither side takes any more.
            while stream.write_all(&asked).is_ok() {}
            stream
        })
        .collect();
    let turned_away = running.collector().refused(Reason::Connections);
    assert_serves(&running);
    drop(streams);
    assert!(running.collector().refused(Reason::Connections) >= turned_away);
    running.stop();
}

#[test]
fn what_nobody_understands_is_answered_or_turned_out_and_counted() {
    let stand = Stand::new();
    let running = start(&stand, |_| ());
    let line = b"GET /healthz HTTP/1.1\r\nhost: x\r\n";
    let chunked = ANNOUNCED.to_vec();
    let chunked =
        String::from_utf8(chunked).expect("text").replace("content-length: 1048576", "transfer-encoding: chunked");
    let said: [(&str, Vec<u8>); 8] = [
        ("zeros", vec![0; 100_000]),
        ("a greeting of TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".repeat(40)),
        ("many headers", [line.to_vec(), b"a: b\r\n".repeat(20_000), b"\r\n".to_vec()].concat()),
        ("a long header", [line.to_vec(), b"a: ".to_vec(), vec![b'b'; 2 << 20], b"\r\n\r\n".to_vec()].concat()),
        ("a long line", [b"GET /".to_vec(), vec![b'a'; 2 << 20], b" HTTP/1.1\r\n\r\n".to_vec()].concat()),
        ("garbage behind a request", [line.to_vec(), b"\r\n\x01\x02 garbage\r\n\r\n".repeat(100)].concat()),
        ("two lengths", [&line[..], b"content-length: 1\r\ncontent-length: 2\r\n\r\nxx"].concat()),
        ("a chunk that is none", [chunked.as_bytes(), b"zz\r\nx\r\n"].concat()),
    ];
    for (number, (what, bytes)) in (1..).zip(said) {
        let answer = running.ask(&bytes);
        let is_refused = answer.is_empty() || answer.contains("HTTP/1.1 4");
        assert!(is_refused, "{what}: {answer}");
        running.wait(|collector| collector.refused(Reason::Malformed) >= number);
        assert_eq!(running.collector().refused(Reason::Malformed), number, "{what}");
    }
    for (path, status) in [("/", "404"), ("/v1/segments", "405"), ("/v1/control/a/b", "404")] {
        let answer = running.get(path);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    assert_eq!(running.collector().refused(Reason::Malformed), 11);
    assert_serves(&running);
    running.stop();
}
