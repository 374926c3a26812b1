//! Who takes what clients send.

use std::net::{TcpListener, TcpStream};
use std::num::NonZeroU64;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::resource::UsageWho;
use spanlake_benches::{Result, setting};
use spanlake_collector::queue::Options;
use spanlake_collector::receive::{JetStream, Pull};
use spanlake_collector::{Collector, Limits, Match, SinkPlugin};
use spanlake_lake::NullSink;
use tempfile::TempDir;

use super::{Said, Way, cpu_s, listen_at, raw};

pub(super) fn run(way: Way, folder: &Path) -> Result<Said> {
    match way {
        Way::RawZeromq => {
            let records = raw::pull()?;
            Ok(Said { cpu_s: cpu_s(UsageWho::RUSAGE_SELF)?, records, ..Said::default() })
        }
        Way::RawNats => {
            let server = Nats::start(folder)?;
            listen_at(&server.url)?;
            server.stop()?;
            Ok(Said { cpu_s: cpu_s(UsageWho::RUSAGE_CHILDREN)?, ..Said::default() })
        }
        _ => collect(way, folder),
    }
}

fn collect(way: Way, folder: &Path) -> Result<Said> {
    let scratch = setting::scratch_folder(Some(folder))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let queue = Options::new(scratch.path(), NonZeroU64::new(8 << 30).ok_or("not zero")?).most_disk_percent(100);
    let mut limits = Limits::default();
    limits.patience = Duration::from_secs(60);
    let builder = Collector::builder(queue).listen("127.0.0.1:0".parse()?).limits(limits);
    let builder = builder.pull(Pull::new("127.0.0.1:0".parse()?));
    let mut builder = builder.plugin("null", Match::default(), SinkPlugin::new(NullSink::new()));
    let server = (way == Way::Nats).then(|| Nats::start(folder)).transpose()?;
    if let Some(server) = &server {
        builder = builder.jetstream("all", JetStream::new(&server.url, "SPANLAKE", "spanlaked"));
    }
    let collector = runtime.block_on(builder.start())?;
    let pull = collector.pulling().next().ok_or("it pulls")?;
    let place = match &server {
        Some(server) => server.url.clone(),
        None if matches!(way, Way::Zeromq | Way::ZeromqSegments) => pull.to_string(),
        None => format!("http://{}", collector.address()),
    };
    listen_at(&place)?;
    // What is pushed is acknowledged by nobody, and a stream has what no collector has: it is waited for until nothing more comes.
    let mut received = 0;
    while matches!(way, Way::Zeromq | Way::ZeromqSegments | Way::Nats) && received != collector.received() {
        received = collector.received();
        std::thread::sleep(Duration::from_millis(500));
    }
    let records = collector.received();
    runtime.block_on(collector.stop())?;
    server.map(Nats::stop).transpose()?;
    let cpu_s = cpu_s(UsageWho::RUSAGE_SELF)? + cpu_s(UsageWho::RUSAGE_CHILDREN)?;
    Ok(Said { cpu_s, records, ..Said::default() })
}

/// A server of NATS, whose streams are on the disk, and synced when it thinks fit.
struct Nats {
    url: String,
    process: Child,
    _scratch: TempDir,
}

impl Nats {
    fn start(folder: &Path) -> Result<Self> {
        let scratch = setting::scratch_folder(Some(folder))?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut server = Command::new("nats-server");
        server.args(["-js", "-a", "127.0.0.1", "-p", &address.port().to_string(), "-sd"]).arg(scratch.path());
        let process = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(Self { url: format!("nats://{address}"), process, _scratch: scratch })
    }

    fn stop(mut self) -> Result<()> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}
