//! A valve between two sides: it lets everything through, or little, or nothing, or ends connections.
//!
//! Where it lets little or nothing through it does not read either, so that who sends finds the window closed, as with a receiver that is
//! slow or has stopped.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_recv_buffer_size;

pub(crate) const OPEN: u8 = 0;
/// A byte at a time.
pub(crate) const DRIPS: u8 = 1;
pub(crate) const SHUT: u8 = 2;
/// Connections end as soon as they carry something.
pub(crate) const BROKEN: u8 = 3;

/// So little that a sender soon notices.
const BUFFER_BYTES: usize = 4096;

const DRIP_EVERY: Duration = Duration::from_millis(10);

/// How often a valve that is shut looks whether it is to open.
const LOOK_EVERY: Duration = Duration::from_millis(5);

pub(crate) struct Valve {
    pub(crate) address: SocketAddr,
    mode: Arc<AtomicU8>,
}

impl Valve {
    pub(crate) fn to(receiver: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
        // Connections that it accepts inherit it.
        set_socket_recv_buffer_size(&listener, BUFFER_BYTES).expect("a smaller buffer");
        let (address, mode) = (listener.local_addr().expect("an address"), Arc::new(AtomicU8::new(OPEN)));
        let shared = Arc::clone(&mode);
        thread::spawn(move || {
            while let Ok((near, _)) = listener.accept() {
                if let Ok(far) = TcpStream::connect(receiver) {
                    join(&near, &far, &shared);
                    join(&far, &near, &shared);
                }
            }
        });
        Self { address, mode }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn set(&self, mode: u8) {
        self.mode.store(mode, Ordering::Relaxed);
    }
}

fn join(from: &TcpStream, to: &TcpStream, mode: &Arc<AtomicU8>) {
    let (from, to, mode) = (from.try_clone().expect("a handle"), to.try_clone().expect("a handle"), Arc::clone(mode));
    thread::spawn(move || {
        carry(&from, &to, &mode);
        let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
    });
}

/// Carries bytes until either side ends.
fn carry(mut from: &TcpStream, mut to: &TcpStream, mode: &AtomicU8) {
    let mut bytes = [0; BUFFER_BYTES];
    loop {
        let most = match mode.load(Ordering::Relaxed) {
            SHUT => {
                thread::sleep(LOOK_EVERY);
                continue;
            }
            DRIPS => {
                thread::sleep(DRIP_EVERY);
                1
            }
            BROKEN => return,
            _ => BUFFER_BYTES,
        };
        match from.read(&mut bytes[..most]) {
            Ok(count) if count > 0 && to.write_all(&bytes[..count]).is_ok() => {}
            _ => return,
        }
    }
}
