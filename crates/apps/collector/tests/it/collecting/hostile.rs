//! Wrong, expired and missing tokens, bodies that are none, bombs, and connections that say nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use spanlake_collector::intake::Reason;
use spanlake_collector::queue::MAX_RANGES;
use spanlake_collector::receive::Pull;
use spanlake_collector::{Limits, Right, Token, Tokens};
use spanlake_core::segment::{Message, RecordHead, SegmentWriter};
use spanlake_core::{Level, Secret, Source};
use spanlake_publish::HttpTransport;
use spanlake_wire::batch::{BatchWriter, Entry};
use spanlake_wire::{exchange, zmtp};

use super::stand::{LONG, Stand, publish, publisher};

/// Sends bytes and gives the first line of what comes back.
fn send(address: SocketAddr, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(LONG)).expect("a time");
    let head = format!(
        "POST /v1/segments HTTP/1.1\r\nhost: x\r\n{head}content-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body));
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

const HEAD: &str = "content-encoding: zstd\r\nspanlake-sender: a/1\r\nspanlake-epoch: 1\r\nspanlake-sequence: 1\r\n";

fn batch(segments: &[&[u8]]) -> Vec<u8> {
    let mut batch = BatchWriter::new();
    segments.iter().zip(1..).for_each(|(segment, number)| batch.push(Entry { number, segment }));
    batch.compress().expect("a body")
}

/// One with a record that says nothing.
fn segment() -> Vec<u8> {
    let mut writer = SegmentWriter::new(&Source::this_process("orders"));
    let head = RecordHead { level: Level::INFO, callsite: None, task: None, seq: 0, ts_ns: 1 };
    writer.event(&head, &Message::default(), &[0]);
    writer.take().bytes().to_vec()
}

#[test]
fn what_is_no_batch_is_refused_by_reason_and_stops_nothing() {
    let stand = Stand::new();
    let mut limits = Limits::default();
    (limits.body_bytes, limits.batch_bytes) = (1 << 20, 4 << 20);
    let lake = spanlake_collector::LakePlugin::jsonl(stand.lake());
    let running = stand.run(stand.builder().limits(limits).plugin("lake", Default::default(), lake));
    let bomb = BatchWriter::new();
    drop(bomb);
    let zeros = batch(&[&vec![0; 32 << 20]]);
    assert!(zeros.len() < 1 << 20, "a bomb is small");
    let table: [(&str, Vec<u8>, &str); 8] = [
        (HEAD, b"no zstd".to_vec(), "400"),
        (HEAD, batch(&[]), "200"),
        (HEAD, zeros, "413"),
        (HEAD, vec![0; 2 << 20], "413"),
        ("", batch(&[]), "415"),
        ("content-encoding: zstd\r\n", batch(&[]), "400"),
        (&HEAD.replace("epoch: 1", "epoch: -1"), batch(&[]), "400"),
        (&HEAD.replace("a/1", &"a".repeat(300)), batch(&[]), "400"),
    ];
    for (head, body, status) in table {
        let answer = send(running.address, head, &body);
        assert!(answer.contains(status), "{answer} for {head}");
    }
    let refused = send(running.address, HEAD, &batch(&[b"no segment", &[0xff; 100]]));
    assert!(refused.contains("200"), "{refused}");
    let report = publish(running.publisher(), |_| tracing::info!("still here"));
    assert_eq!(report.written, 1);
    running.stop();
    assert!(stand.messages().contains_key("still here"));
}

#[test]
fn a_token_lets_in_and_the_wrong_one_keeps_records_waiting() {
    let stand = Stand::new();
    let token = |name: &str, secret: &str, right| Token::new(name, Secret::new(secret.to_owned()), [right]);
    let tokens =
        Tokens::new(vec![token("orders", "right", Right::Publish), token("operator", "control", Right::Control)]);
    let lake = spanlake_collector::LakePlugin::jsonl(stand.lake());
    let running = stand.run(stand.builder().tokens(tokens).plugin("lake", Default::default(), lake));
    let transport = |secret: &str| {
        HttpTransport::new(running.url()).token(Secret::new(secret.to_owned())).build().expect("a transport")
    };
    for (secret, status) in [("wrong", "401"), ("control", "403")] {
        let (layer, guard) = publisher(transport(secret)).build().expect("a layer");
        tracing::subscriber::with_default(
            tracing_subscriber::layer::SubscriberExt::with(tracing_subscriber::registry(), layer),
            || tracing::info!("kept out"),
        );
        let report = guard.flush(Duration::from_millis(500));
        assert!(report.timed_out && report.pending == 1 && report.lost == 0, "{report:?}");
        let error = report.sinks[0].last_error.clone().unwrap_or_default();
        assert!(error.contains(status) && !error.contains(secret), "{error}");
        let _ = guard.shutdown(Duration::ZERO);
    }
    assert_eq!(publish(publisher(transport("right")), |_| tracing::info!("let in")).written, 1);
    running.stop();
    assert_eq!(stand.messages().into_keys().collect::<Vec<_>>(), ["let in"]);
}

#[test]
fn a_thousand_connections_that_say_nothing_keep_nobody_out() {
    let stand = Stand::new();
    let mut limits = Limits::default();
    limits.patience = Duration::from_secs(2);
    let lake = spanlake_collector::LakePlugin::jsonl(stand.lake());
    let running = stand.run(stand.builder().limits(limits).plugin("lake", Default::default(), lake));
    let idle: Vec<TcpStream> = (0..1000).map(|_| TcpStream::connect(running.address).expect("a connection")).collect();
    assert_eq!(publish(running.publisher(), |_| tracing::info!("among them")).written, 1);
    // Each is turned out after its time.
    for mut stream in idle {
        stream.set_read_timeout(Some(LONG)).expect("a time");
        let ended = stream.read(&mut [0; 512]);
        assert!(ended.is_ok() || ended.is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionReset));
    }
    running.stop();
    assert!(stand.messages().contains_key("among them"));
}

#[test]
fn strangers_are_not_let_in_by_mistake() {
    let stand = Stand::new();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let builder = stand.builder().listen("0.0.0.0:0".parse().expect("an address"));
    let error = runtime.block_on(builder.start()).expect_err("no token");
    assert!(error.to_string().contains("needs tokens"), "{error}");
    assert!(!stand.scratch.path().join("queue").exists(), "nothing was opened");
}

#[test]
fn a_pickle_is_not_looked_at_and_what_comes_behind_it_is_kept() {
    let stand = Stand::new();
    let lake = spanlake_collector::LakePlugin::jsonl(stand.lake());
    let pull = Pull::new("127.0.0.1:0".parse().expect("an address"));
    let running = stand.run(stand.builder().pull(pull).plugin("lake", Default::default(), lake));
    let at = running.collector().pulling().next().expect("it pulls");
    let mut stream = TcpStream::connect(at).expect("a connection");
    let mut said = [&zmtp::GREETING[..], &zmtp::ready("PUSH")].concat();
    zmtp::put_message(&mut said, b"PLP", b"cos\nsystem\n(S'true'\ntR.");
    zmtp::put_message(&mut said, b"PLJ", br#"{"message": "behind it", "levelno": 20, "name": "a"}"#);
    stream.write_all(&said).expect("it listens");
    running.wait(|collector| collector.received() == 1);
    assert_eq!(running.collector().refused(Reason::Pickle), 1);
    assert!(running.get("/metrics").contains("spanlaked_refused_total{reason=\"pickle\"} 1\n"));
    running.stop();
    assert_eq!(stand.messages().into_keys().collect::<Vec<_>>(), ["behind it"]);
}

#[test]
fn of_pushed_segments_what_cannot_be_read_is_counted_and_what_comes_again_is_there_once() {
    let stand = Stand::new();
    let lake = spanlake_collector::LakePlugin::jsonl(stand.lake());
    let mut pull = Pull::new("127.0.0.1:0".parse().expect("an address"));
    pull.message_bytes = 64 << 10;
    let running = stand.run(stand.builder().pull(pull).plugin("lake", Default::default(), lake));
    let at = running.collector().pulling().next().expect("it pulls");
    let mut stream = TcpStream::connect(at).expect("a connection");
    let mut said = [&zmtp::GREETING[..], &zmtp::ready("PUSH")].concat();
    let mut say = |head: &str, body: &[u8]| {
        zmtp::put_headed_message(&mut said, exchange::TOPIC, head.as_bytes(), body);
    };
    let head = "obelix/1\n7\n0\norders";
    let newer = zstd::bulk::compress(b"SPLB\x7f\0\0\0", 1).expect("memory");
    let bomb = zstd::bulk::compress(&vec![0; 1 << 20], 1).expect("memory");
    let whole = segment();
    for wrong in
        ["", "obelix/1\n7\n0", "\n7\n0\norders", "obelix/1\nx\n0\norders", "obelix/1\n7\n0\n%zz", "a\n7\n0\nb\nc"]
    {
        say(wrong, &batch(&[&whole]));
    }
    say(head, b"no batch");
    say(head, &newer);
    say(head, &bomb);
    say(head, &batch(&[b"no segment"]));
    // The same number twice, which is the same segment.
    (0..2).for_each(|_| say(head, &batch(&[&whole[1..], &whole])));
    stream.write_all(&said).expect("it listens");
    running.wait(|collector| collector.received() == 2);
    let refused = |reason| running.collector().refused(reason);
    let counts = [Reason::Malformed, Reason::Version, Reason::TooLarge, Reason::Damaged].map(refused);
    assert_eq!(counts, [7, 1, 1, 3]);
    running.stop();
    assert_eq!(stand.messages().into_values().collect::<Vec<_>>(), [1]);
}

#[test]
fn who_pushes_more_gaps_than_are_remembered_holds_up_nobody_and_loses_nothing() {
    let stand = Stand::new();
    let mut pull = Pull::new("127.0.0.1:0".parse().expect("an address"));
    pull.message_bytes = 16 << 20;
    let running = stand.run(stand.builder().pull(pull));
    let at = running.collector().pulling().next().expect("it pulls");
    let mut stream = TcpStream::connect(at).expect("a connection");
    let mut said = [&zmtp::GREETING[..], &zmtp::ready("PUSH")].concat();
    let (segment, gaps) = (segment(), MAX_RANGES as u64 + 1);
    let mut batch = BatchWriter::new();
    (0..gaps).for_each(|gap| batch.push(Entry { number: 2 * gap + 1, segment: &segment }));
    assert!(batch.len() < 16 << 20, "it fits into a message");
    let body = batch.compress().expect("memory");
    zmtp::put_headed_message(&mut said, exchange::TOPIC, b"obelix/1\n7\n0\norders", &body);
    zmtp::put_message(&mut said, b"PLJ", br#"{"message": "behind it", "levelno": 20, "name": "a"}"#);
    stream.write_all(&said).expect("it listens");
    // What is received is stored.
    running.wait(|collector| collector.received() == gaps + 1);
    assert_eq!(running.collector().refused(Reason::Quota), 1, "once, with its numbers");
    running.stop();
}
