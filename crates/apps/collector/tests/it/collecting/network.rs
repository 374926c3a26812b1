//! A network that cuts connections and one that swallows bytes: what was acknowledged is there once, and callers wait for nobody.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use spanlake_publish::HttpTransport;

use super::stand::{LONG, Stand, publish, publisher};

pub(crate) const FORWARD: u8 = 0;
/// Connections end in the middle of what they carry.
const CUT: u8 = 1;
/// Nothing arrives any more, in either direction, and nobody says so.
const HOLE: u8 = 2;
/// What is asked arrives, and connections end instead of the answer.
pub(crate) const MUTE: u8 = 3;

/// Something between a program and its collector.
pub(crate) struct Network {
    pub(crate) address: SocketAddr,
    mode: Arc<AtomicU8>,
}

impl Network {
    pub(crate) fn to(collector: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
        let (address, mode) = (listener.local_addr().expect("an address"), Arc::new(AtomicU8::new(FORWARD)));
        let shared = Arc::clone(&mode);
        thread::spawn(move || {
            while let Ok((near, _)) = listener.accept() {
                let Ok(far) = TcpStream::connect(collector) else {
                    continue;
                };
                let ends = (near.try_clone().expect("a handle"), far.try_clone().expect("a handle"));
                let (there, back) = (Arc::clone(&shared), Arc::clone(&shared));
                thread::spawn(move || carry(near, far, &there, &[FORWARD, MUTE]));
                thread::spawn(move || carry(ends.1, ends.0, &back, &[FORWARD]));
            }
        });
        Self { address, mode }
    }

    pub(crate) fn set(&self, mode: u8) {
        self.mode.store(mode, Ordering::Relaxed);
    }
}

/// Carries bytes as long as the mode is one of those that let them through this way.
fn carry(mut from: TcpStream, mut to: TcpStream, mode: &AtomicU8, open: &[u8]) {
    let mut bytes = [0; 4096];
    while let Ok(count) = from.read(&mut bytes)
        && count > 0
    {
        match mode.load(Ordering::Relaxed) {
            mode if open.contains(&mode) && to.write_all(&bytes[..count]).is_ok() => {}
            HOLE => {}
            _ => break,
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[test]
fn what_a_bad_network_does_is_made_good_and_callers_do_not_notice() {
    let stand = Stand::new();
    let running = stand.start();
    let network = Network::to(running.address);
    let transport = HttpTransport::new(format!("http://{}", network.address)).build().expect("a transport");
    let mut slowest = Duration::ZERO;
    let report = publish(publisher(transport), |guard| {
        let mut say = |count: u64, what: &str| {
            for row in 0..count {
                let began = Instant::now();
                tracing::info!("{what} {row}");
                slowest = slowest.max(began.elapsed());
            }
        };
        for round in 0..20 {
            say(500, &format!("cut {round}"));
            network.set(if round % 2 == 0 { CUT } else { FORWARD });
            thread::yield_now();
            let _ = guard.flush(Duration::from_millis(30));
        }
        network.set(HOLE);
        say(500, "swallowed");
        let waiting = guard.flush(Duration::from_millis(100));
        assert!(waiting.timed_out && waiting.lost == 0, "{waiting:?}");
        network.set(FORWARD);
        say(500, "after");
        assert!(guard.flush(LONG).is_complete());
    });
    assert_eq!((report.written, report.lost), (11_000, 0), "{report:?}");
    running.stop();
    let messages = stand.messages();
    assert_eq!((messages.len(), messages.values().max()), (11_000, Some(&1)));
    assert!(slowest < Duration::from_millis(500), "no caller waits for a network: {slowest:?}");
}
