//! A link to another network of this machine, both made for a test, and what can be done to it.

use std::io::{BufRead, BufReader, Lines};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, ChildStdout, Command, Stdio};

const NEAR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 1));
const FAR: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 77, 0, 2));

/// An address that no device has: frames to it are swallowed without a word.
const NOBODY: &str = "02:00:00:00:00:99";

/// What makes packets late; it needs Python, and to be let at `/dev/net/tun`.
const SHAPER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testkit/python/shape_packets.py");

/// Two ends, `near` in this network and `far` in one that a process holds for the test.
pub(crate) struct Link {
    pub(crate) far: IpAddr,
    holder: Child,
}

/// Two ends with a process between them that treats packets badly.
pub(crate) struct Road {
    process: Child,
    says: Lines<BufReader<ChildStdout>>,
}

// === impl Link ===

impl Link {
    /// A pair of devices with nothing between them.
    pub(crate) fn cable() -> Self {
        let link = Self::to_another_network();
        let pid = link.holder.id().to_string();
        run(&["ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", &pid]);
        link.up()
    }

    /// Over what a process does to packets.
    pub(crate) fn by(_: &Road) -> Self {
        let link = Self::to_another_network();
        run(&["ip", "link", "set", "far", "netns", &link.holder.id().to_string()]);
        link.up()
    }

    fn to_another_network() -> Self {
        // It ends with whoever has the other end of its input.
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", "ip link set lo up && echo && exec cat"]);
        let mut holder = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it was tried before");
        let up = BufReader::new(holder.stdout.as_mut().expect("piped")).lines().next();
        up.expect("another network").expect("a line");
        Self { far: FAR, holder }
    }

    fn up(self) -> Self {
        run(&["ip", "addr", "add", &format!("{NEAR}"), "peer", &format!("{FAR}"), "dev", "near"]);
        run(&["ip", "link", "set", "near", "up"]);
        self.run_far(&["ip", "addr", "add", &format!("{FAR}"), "peer", &format!("{NEAR}"), "dev", "far"]);
        self.run_far(&["ip", "link", "set", "far", "up"]);
        self
    }

    /// What a command is run by there.
    pub(crate) fn on_the_far_side(&self) -> Vec<String> {
        ["nsenter", "--net", "--target", &self.holder.id().to_string()].map(str::to_owned).to_vec()
    }

    fn run_far(&self, words: &[&str]) {
        let prefix = self.on_the_far_side();
        run(&prefix.iter().map(String::as_str).chain(words.iter().copied()).collect::<Vec<_>>());
    }

    /// The cable is pulled, and both ends know.
    pub(crate) fn cut(&self) {
        run(&["ip", "link", "set", "near", "down"]);
    }

    /// What goes there, or comes back, arrives nowhere, and nobody is told.
    pub(crate) fn swallow(&self, there: bool, back: bool) {
        if there {
            run(&["ip", "neigh", "replace", &FAR.to_string(), "lladdr", NOBODY, "dev", "near", "nud", "permanent"]);
        }
        if back {
            let near = NEAR.to_string();
            self.run_far(&["ip", "neigh", "replace", &near, "lladdr", NOBODY, "dev", "far", "nud", "permanent"]);
        }
    }

    /// The far side knows nothing any more of connections to this port, as after its power was cut, and where the link swallows that
    /// it says so, nobody hears it.
    pub(crate) fn forget(&self, port: u16) {
        self.run_far(&["ss", "--kill", "--tcp", "state", "connected", &format!("( sport = :{port} )")]);
    }

    /// As if nothing had been.
    pub(crate) fn mend(&self) {
        run(&["ip", "link", "set", "near", "up"]);
        run(&["ip", "neigh", "flush", "dev", "near", "nud", "all"]);
        self.run_far(&["ip", "neigh", "flush", "dev", "far", "nud", "all"]);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = (self.holder.kill(), self.holder.wait());
    }
}

fn run(words: &[&str]) {
    let status = Command::new(words[0]).args(&words[1..]).status();
    assert!(status.is_ok_and(|status| status.success()), "{words:?}");
}

// === impl Road ===

impl Road {
    /// Of what goes either way these shares are lost and doubled, and all of it is late by so many seconds on average.
    pub(crate) fn new(seed: u64, lost: &str, doubled: &str, late: &str) -> Result<Self, String> {
        let mut command = Command::new("python3");
        command.args([SHAPER, &seed.to_string(), lost, doubled, late]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().map_err(|error| format!("python3: {error}"))?;
        let says = BufReader::new(process.stdout.take().expect("piped")).lines();
        let mut road = Self { process, says };
        match road.says.next() {
            Some(Ok(line)) if line == "ready" => Ok(road),
            _ => Err("packets cannot be shaped, see above".to_owned()),
        }
    }

    /// What became of packets.
    pub(crate) fn end(mut self) -> String {
        drop(self.process.stdin.take());
        self.says.next().expect("it says so").expect("a line")
    }
}

impl Drop for Road {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = (self.process.kill(), self.process.wait());
    }
}
