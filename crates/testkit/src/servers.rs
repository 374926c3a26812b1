//! Servers that tests talk to, each a process of its own that ends with the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};

/// A server that speaks S3, `moto_server`, on a port of its own. It keeps everything in memory.
#[derive(Debug)]
pub struct S3Server {
    process: Child,
    address: SocketAddr,
}

/// What the server says before its address.
const RUNNING: &str = "Running on http://";

// === impl S3Server ===

impl S3Server {
    /// Starts one and waits until it listens.
    ///
    /// # Panics
    ///
    /// When `.venv` has none, with what makes it.
    pub fn start() -> Self {
        let program = program();
        assert!(program.exists(), "there is no {}; `./test setup` makes it", program.display());
        let mut process = Command::new(program)
            .args(["-H", "127.0.0.1", "-p", "0"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("moto_server starts");
        let said = process.stderr.take().expect("it is piped");
        // From here on it is ended also when what follows panics.
        let mut server = Self { process, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        server.address = listening(said);
        server
    }

    /// Its URL.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Makes a bucket.
    pub fn create_bucket(&self, name: &str) {
        self.ask("PUT", &format!("/{name}"), "");
    }

    /// From now on it takes known keys only, and it knows none.
    pub fn refuse_keys(&self) {
        self.ask("POST", "/moto-api/reset-auth", "0");
    }

    /// A request without keys, which has to succeed.
    fn ask(&self, method: &str, path: &str, body: &str) {
        let mut stream = TcpStream::connect(self.address).expect("it listens");
        let (host, length) = (self.address, body.len());
        let head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close");
        stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn program() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/bin/moto_server")
}

/// Waits for the address. What comes after it is read as well, for the server waits when nobody does.
fn listening(said: ChildStderr) -> SocketAddr {
    let mut lines = BufReader::new(said).lines().map_while(Result::ok);
    let mut before = Vec::new();
    let address = lines.by_ref().find_map(|line| {
        let address = line.split_once(RUNNING).map(|(_, address)| address.trim().parse().expect("an address"));
        before.push(line);
        address
    });
    std::thread::spawn(move || lines.for_each(drop));
    address.unwrap_or_else(|| panic!("moto_server did not start: {}", before.join("\n")))
}
