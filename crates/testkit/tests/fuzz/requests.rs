//! Any bytes as what somebody says to a collector's endpoint: they are answered or turned out, and whoever has no token changes
//! nothing.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use spanlake_collector::queue::Options;
use spanlake_collector::{Collector, Limits, Right, Token, Tokens};
use spanlake_core::Secret;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::runtime::{Builder, Runtime};

/// After so many it is another collector, for what is asked of services and kept in the queue grows.
const MOST: usize = 1 << 14;

/// Room for what is said and answered.
const ROOM: usize = 1 << 20;

/// Somebody elsewhere.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 1);

/// What a client of HTTP/2 begins with.
const HTTP_2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The type of a frame, which stands behind its length.
const SETTINGS: u8 = 4;

/// What tokens begin with.
const SECRET: &str = "open-";

/// A collector whose time passes as soon as it waits for nothing else.
struct Stand {
    runtime: Runtime,
    collector: Collector,
    served: usize,
    _folder: TempDir,
}

thread_local! {
    static STAND: RefCell<Option<Stand>> = const { RefCell::new(None) };
}

pub(crate) fn check(bytes: &[u8]) {
    STAND.with_borrow_mut(|stand| {
        if stand.as_ref().is_some_and(|stand| stand.served == MOST) {
            *stand = None;
        }
        stand.get_or_insert_with(Stand::new).check(bytes);
    });
}

impl Stand {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
        let folder = tempfile::tempdir().expect("a folder");
        let most = (64 << 20).try_into().expect("not zero");
        let queue = Options::new(folder.path().join("queue"), most).most_disk_percent(100);
        let token = |name: &str, right| Token::new(name, Secret::new(format!("{SECRET}{name}")), [right]);
        let mut limits = Limits::default();
        (limits.body_bytes, limits.batch_bytes) = (1 << 16, 1 << 16);
        let builder = Collector::builder(queue)
            .listen("127.0.0.1:0".parse().expect("an address"))
            .limits(limits)
            .tokens(Tokens::new(vec![token("publish", Right::Publish), token("control", Right::Control)]));
        let collector = runtime.block_on(builder.start()).expect("a collector");
        Self { runtime, collector, served: 0, _folder: folder }
    }

    fn check(&mut self, bytes: &[u8]) {
        self.served += 1;
        let (received, services) = (self.collector.received(), self.collector.control().services());
        let answer = self.runtime.block_on(self.answer(bytes));
        let is_answer = |answer: &[u8]| {
            let head = answer.strip_prefix(b"HTTP/1.1 ").or_else(|| answer.strip_prefix(b"HTTP/1.0 "));
            match bytes.starts_with(HTTP_2) {
                // Whatever follows, the settings come first.
                true => answer.get(3) == Some(&SETTINGS),
                false => head.is_some_and(|head| !head.starts_with(b"500")),
            }
        };
        assert!(answer.is_empty() || is_answer(&answer), "{}", String::from_utf8_lossy(&answer));
        if !bytes.windows(SECRET.len()).any(|part| part == SECRET.as_bytes()) {
            assert_eq!(self.collector.received(), received, "nobody sends without a token");
            // What somebody asked for may end by itself meanwhile.
            let asked = self.collector.control().services();
            assert!(asked.iter().all(|service| services.contains(service)), "nor asks for levels: {asked:?}");
        }
    }

    /// Everything that is answered until the connection is over.
    async fn answer(&self, bytes: &[u8]) -> Vec<u8> {
        let (mut near, far) = duplex(ROOM);
        let mut answer = Vec::new();
        near.write_all(bytes).await.expect("room");
        let heard = async {
            // It ends as connections end.
            let _ = near.read_to_end(&mut answer).await;
        };
        tokio::join!(self.collector.serve(far, PEER), heard);
        answer
    }
}
