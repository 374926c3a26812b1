//! A server that a test starts and ends: on a free port of this machine, with its data in a folder.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process};

use crate::collecting::stand::LONG;

/// A server, and how it is started.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    command: Command,
    running: Option<Child>,
}

impl Server {
    /// One that is started by this program, which has to be there.
    pub(crate) fn new(address: SocketAddr, program: &str, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { address, command, running: None }
    }

    /// Starts it, and waits until it listens.
    pub(crate) fn start(&mut self) {
        let started = self.command.spawn();
        let mut running = started.unwrap_or_else(|error| {
            panic!("{:?} does not start: {error}; `./test setup` installs it", self.command.get_program())
        });
        let until = Instant::now() + LONG;
        while TcpStream::connect(self.address).is_err() {
            assert!(Instant::now() < until, "it does not listen");
            assert_eq!(running.try_wait().expect("its state"), None, "it has ended");
            thread::yield_now();
        }
        self.running = Some(running);
    }

    /// Ends it at once.
    #[cfg(feature = "redis")]
    pub(crate) fn kill(&mut self) {
        if let Some(mut running) = self.running.take() {
            running.kill().expect("it runs");
            running.wait().expect("it has ended");
        }
    }

    /// Ends it as a service manager does, and waits until it has.
    pub(crate) fn stop(&mut self) {
        if let Some(mut running) = self.running.take() {
            kill_process(Pid::from_child(&running), Signal::TERM).expect("it runs");
            running.wait().expect("it has ended");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            let _ = running.kill();
            let _ = running.wait();
        }
    }
}

/// One that nobody has at this moment.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port")
}

/// A way to a server by which so many bytes get in a second.
#[cfg(any(feature = "nats", feature = "redis"))]
pub(crate) fn slow_way(server: SocketAddr, bytes_per_second: usize) -> SocketAddr {
    use std::io::{Read, Write};
    use std::net::Shutdown;
    use std::time::Duration;

    let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
    let address = listener.local_addr().expect("an address");
    thread::spawn(move || {
        while let Ok((mut near, _)) = listener.accept() {
            let mut far = TcpStream::connect(server).expect("it listens");
            let (mut back, mut to) = (far.try_clone().expect("a handle"), near.try_clone().expect("a handle"));
            thread::spawn(move || std::io::copy(&mut back, &mut to));
            thread::spawn(move || {
                let mut bytes = vec![0; bytes_per_second / 20];
                while let Ok(count @ 1..) = near.read(&mut bytes)
                    && far.write_all(&bytes[..count]).is_ok()
                {
                    thread::sleep(Duration::from_millis(50));
                }
                let _ = far.shutdown(Shutdown::Both);
            });
        }
    });
    address
}
