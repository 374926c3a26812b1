//! A sender with ten times its quota beside honest ones: it gets its quota, and they do not notice.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use spanlake_collector::Limits;
use spanlake_collector::intake::Reason;
use spanlake_collector::receive::Pull;
use spanlake_core::segment::{Message, RecordHead, SegmentWriter};
use spanlake_core::{Level, Source};
use spanlake_publish::ZmqTransport;
use spanlake_wire::batch::{BatchWriter, Entry};

use super::stand::{LONG, Stand, publish, publisher};

/// Bytes a second of each sender.
const QUOTA: usize = 100_000;

/// What honest senders send, twenty times within two seconds: half of their quota.
const HONEST: usize = 5_000;

const TIMES: u32 = 20;

const EVERY: Duration = Duration::from_millis(100);

/// Of the greedy one.
const CONNECTIONS: usize = 4;

/// A sender, who numbers its segments.
struct Sender {
    stream: TcpStream,
    name: &'static str,
    source: Source,
    number: u64,
}

/// What came back.
struct Answer {
    status: u16,
    head: String,
}

impl Sender {
    fn new(address: SocketAddr, name: &'static str) -> Self {
        let stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(LONG)).expect("a time");
        Self { stream, name, source: Source::this_process(name), number: 0 }
    }

    /// A body of about so many bytes, none of which say what another does.
    fn body(&mut self, bytes: usize) -> Vec<u8> {
        self.number += 1;
        let mut state = self.number;
        let mut text = String::new();
        while text.len() < bytes {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            text.extend((0..8).map(|at| char::from(b' ' + (state >> (8 + 7 * at)) as u8 % 95)));
        }
        let mut writer = SegmentWriter::new(&self.source);
        let head = RecordHead { level: Level::INFO, callsite: None, task: None, seq: 0, ts_ns: 1 };
        let mut message = Message::default();
        message.set(&text);
        writer.event(&head, &message, &[]);
        let mut batch = BatchWriter::new();
        batch.push(Entry { number: self.number, segment: writer.take().bytes() });
        batch.compress().expect("a body")
    }

    fn send(&mut self, body: &[u8]) -> Answer {
        let head = format!(
            "POST /v1/segments HTTP/1.1\r\nhost: x\r\ncontent-encoding: zstd\r\nspanlake-sender: {}\r\n\
             spanlake-epoch: 1\r\nspanlake-sequence: 1\r\ncontent-length: {}\r\n\r\n",
            self.name,
            body.len()
        );
        self.stream.write_all(&[head.as_bytes(), body].concat()).expect("it listens");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).expect("an answer");
            head.extend(byte);
        }
        let head = String::from_utf8(head).expect("a head").to_lowercase();
        let header = |name: &str| head.split(name).nth(1)?.split("\r\n").next()?.trim().parse::<usize>().ok();
        let mut rest = vec![0; header("content-length:").unwrap_or(0)];
        self.stream.read_exact(&mut rest).expect("a body");
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        Answer { status, head }
    }
}

/// Sends by the clock, and gives how long that took and the longest wait for an answer; all of it is taken.
fn send_honestly(address: SocketAddr, name: &'static str) -> (Duration, Duration) {
    let mut sender = Sender::new(address, name);
    let (began, mut slowest) = (Instant::now(), Duration::ZERO);
    for time in 0..TIMES {
        thread::sleep((EVERY * time).saturating_sub(began.elapsed()));
        let body = sender.body(HONEST);
        let sent = Instant::now();
        let answer = sender.send(&body);
        assert_eq!(answer.status, 200, "{name}: {}", answer.head);
        slowest = slowest.max(sent.elapsed());
    }
    (began.elapsed(), slowest)
}

/// Over one of several connections, sends its part of ten times the quota until the others are done, whatever the answer; gives how many
/// bytes were taken, and how often it was asked to wait.
fn send_greedily(address: SocketAddr, is_over: &AtomicBool) -> (usize, usize) {
    let mut sender = Sender::new(address, "greedy");
    let (began, mut sent, mut taken, mut asked_to_wait) = (Instant::now(), 0, 0, 0);
    let rate = (10 * QUOTA / CONNECTIONS) as f64;
    while !is_over.load(Ordering::Relaxed) {
        let body = sender.body(QUOTA / 2);
        thread::sleep(Duration::from_secs_f64(sent as f64 / rate).saturating_sub(began.elapsed()));
        let answer = sender.send(&body);
        sent += body.len();
        match answer.status {
            200 => taken += body.len(),
            429 => {
                assert!(answer.head.contains("retry-after: 1"), "{}", answer.head);
                asked_to_wait += 1;
            }
            _ => panic!("{}", answer.head),
        }
    }
    (taken, asked_to_wait)
}

#[test]
fn who_sends_ten_times_its_quota_gets_its_quota_and_the_others_all_of_theirs() {
    let stand = Stand::new();
    let mut limits = Limits::default();
    limits.sender_bytes_per_second = NonZeroU64::new(QUOTA as u64);
    // Room for little more than what the greedy one sends at once.
    (limits.body_bytes, limits.held_bytes) = (2 * QUOTA, 3 * QUOTA);
    let lake = spanlake_collector::LakePlugin::jsonl(stand.lake());
    let running = stand.run(stand.builder().limits(limits).plugin("lake", Default::default(), lake));
    let (address, is_over) = (running.address, AtomicBool::new(false));
    let began = Instant::now();
    let (honest, greedy) = thread::scope(|scope| {
        let greedy: Vec<_> = (0..CONNECTIONS).map(|_| scope.spawn(|| send_greedily(address, &is_over))).collect();
        let honest = ["a", "b", "c"].map(|name| scope.spawn(move || send_honestly(address, name)));
        let honest = honest.map(thread::ScopedJoinHandle::join);
        is_over.store(true, Ordering::Relaxed);
        let greedy: Vec<_> = greedy.into_iter().map(|one| one.join().expect("it goes on")).collect();
        (honest, greedy)
    });
    for sent in honest {
        let (took, slowest) = sent.expect("all of it is taken");
        // 90 % of its rate, which its clock makes the same wherever it is alone.
        assert!(took <= EVERY * TIMES * 10 / 9, "{took:?}, and an answer after {slowest:?}");
    }
    let (taken, asked_to_wait) = greedy.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    let most = QUOTA as f64 * (began.elapsed().as_secs_f64() + 1.0);
    assert!(taken as f64 <= most, "{taken} bytes of {most}");
    assert!(taken > QUOTA && asked_to_wait > 0, "its quota it gets: {taken} bytes, {asked_to_wait} times too much");
    assert!(running.collector().refused(Reason::Quota) > 0 && running.collector().refused(Reason::Full) == 0);
    running.stop();
}

#[test]
fn who_pushes_by_zeromq_is_read_at_the_rate_of_its_quota_and_loses_nothing() {
    let stand = Stand::new();
    let mut limits = Limits::default();
    limits.sender_bytes_per_second = NonZeroU64::new(QUOTA as u64);
    let pull = Pull::new("127.0.0.1:0".parse().expect("an address"));
    let lake = spanlake_collector::LakePlugin::jsonl(stand.lake());
    let running = stand.run(stand.builder().limits(limits).pull(pull).plugin("lake", Default::default(), lake));
    let at = running.collector().pulling().next().expect("it pulls").to_string();
    let text = "a text of 700 letters: ".repeat(31);
    let began = Instant::now();
    let report = publish(publisher(ZmqTransport::push(at).build().expect("a transport")), |_| {
        (0..300).for_each(|row| tracing::info!("{row} {text}"));
    });
    assert_eq!((report.written, report.lost), (300, 0), "{report:?}");
    running.wait(|collector| collector.received() >= 300);
    // All but the first second's quota has to wait for the next ones.
    let least = Duration::from_secs_f64((300 * text.len()) as f64 / QUOTA as f64 - 1.0);
    assert!(began.elapsed() >= least, "{:?} of {least:?}", began.elapsed());
    running.stop();
    assert_eq!(stand.messages().len(), 300);
}
