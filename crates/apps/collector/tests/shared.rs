//! Four daemons share one stream of JetStream, one of them is killed and comes back: every record is in one of their lakes, once.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use spanlake_collector::CANARY_TARGET;
use spanlake_core::OwnedRecord;
use spanlake_publish::{Guard, NatsTransport, PublishLayer};
use spanlake_query::{Filter, Lake};
use tracing_subscriber::prelude::*;

const LONG: Duration = Duration::from_secs(120);

const COLLECTORS: usize = 4;
const PUBLISHERS: usize = 4;

/// Records of each publisher.
const RECORDS: usize = 10_000;

const ALL: usize = PUBLISHERS * RECORDS;

/// Records that go in one message.
const AT_ONCE: usize = 10;

/// Kills, where whoever is killed comes back at once.
const KILLS: usize = 10;

#[test]
fn four_collectors_share_a_stream_and_one_that_is_killed_loses_and_doubles_nothing() {
    let stand = Stand::new();
    let shares = stand.share(|daemons, sent| {
        // In the middle: with some of everything in its queues, and on its way.
        until("half of it is sent", || sent() >= ALL / 2);
        until("the one that is killed has a part of it", || stand.messages(0).len() >= ALL / 12);
        drop(daemons[0].take());
        until("all of it is sent", || sent() == ALL);
        let others = || (1..COLLECTORS).map(|which| stand.messages(which).len()).sum::<usize>();
        // What it had not yet claimed is given to the others, who do without it.
        until("nothing is left in the stream", || stand.left_in_stream() == Some(0));
        assert!(others() < ALL, "the one that was killed has its part");
        daemons[0] = Some(stand.start(0));
    });
    for share in &shares {
        // A quarter is fair; one was away for some of the time.
        assert!(*share >= ALL / 12, "shares {shares:?}");
    }
}

#[test]
fn whoever_is_killed_at_whatever_moment_loses_and_doubles_nothing() {
    let stand = Stand::new();
    stand.share(|daemons, sent| {
        for kill in 0..KILLS {
            until("more of it is sent", || sent() >= ALL * kill / KILLS);
            let which = kill % COLLECTORS;
            drop(daemons[which].take());
            daemons[which] = Some(stand.start(which));
        }
        until("all of it is sent", || sent() == ALL);
    });
}

/// A server of NATS, and a folder for each daemon.
struct Stand {
    scratch: tempfile::TempDir,
    nats: SocketAddr,
    server: Child,
}

struct Daemon(Child);

impl Stand {
    fn new() -> Self {
        let scratch = tempfile::tempdir().expect("a folder");
        let nats = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        let mut command = Command::new("nats-server");
        command
            .args(["-js", "-a", "127.0.0.1", "-p", &nats.port().to_string(), "-sd"])
            .arg(scratch.path().join("nats"));
        let server = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("nats-server is installed");
        until("the server listens", || TcpStream::connect(nats).is_ok());
        for which in 0..COLLECTORS {
            fs::create_dir(scratch.path().join(which.to_string())).expect("a folder");
        }
        Self { scratch, nats, server }
    }

    /// Publishes everything while something is done to the daemons, and checks that it is in their lakes once. Gives how much each
    /// of them has.
    fn share(&self, disturb: impl FnOnce(&mut Vec<Option<Daemon>>, &dyn Fn() -> usize)) -> Vec<usize> {
        let mut daemons: Vec<_> = (0..COLLECTORS).map(|which| Some(self.start(which))).collect();
        let sent = AtomicUsize::new(0);
        thread::scope(|scope| {
            for publisher in 0..PUBLISHERS {
                let sent = &sent;
                scope.spawn(move || self.publish(publisher, sent));
            }
            disturb(&mut daemons, &|| sent.load(Ordering::Relaxed));
        });
        // What is delivered again has been so when no message is left.
        until("everything is acknowledged", || self.left_in_stream() == Some(0));
        let count = || (0..COLLECTORS).map(|which| self.messages(which).len()).sum::<usize>();
        until("everything is in a lake", || count() >= ALL);
        daemons.into_iter().flatten().for_each(Daemon::end);
        self.check()
    }

    fn check(&self) -> Vec<usize> {
        let lakes: Vec<_> = (0..COLLECTORS).map(|which| self.messages(which)).collect();
        let shares: Vec<usize> = lakes.iter().map(|lake| lake.values().sum()).collect();
        let mut all: BTreeMap<String, usize> = BTreeMap::new();
        lakes.into_iter().flatten().for_each(|(message, count)| *all.entry(message).or_default() += count);
        let wrong: Vec<_> = all.iter().filter(|(_, count)| **count != 1).take(10).collect();
        assert_eq!((all.len(), wrong), (ALL, vec![]), "shares {shares:?}");
        shares
    }

    fn folder(&self, which: usize) -> PathBuf {
        self.scratch.path().join(which.to_string())
    }

    fn start(&self, which: usize) -> Daemon {
        let config = format!(
            "listen: 127.0.0.1:0\nqueue: {{ folder: queue, max: 1 GiB }}\nflush_every: 50 ms\n\
             receive: {{ jetstream: {{ all: {{ url: 'nats://{}', ack_wait: 2 s, batch: 16 }} }} }}\n\
             plugins: {{ lake: {{ kind: lake, path: lake, parquet: off }} }}\n",
            self.nats
        );
        fs::write(self.folder(which).join("spanlaked.yaml"), config).expect("written");
        let mut command = Command::new(env!("CARGO_BIN_EXE_spanlaked"));
        command.current_dir(self.folder(which)).args(["run", "--config", "spanlaked.yaml"]);
        let mut process = command.stderr(Stdio::piped()).spawn().expect("it runs");
        let mut lines = BufReader::new(process.stderr.take().expect("it is piped")).lines();
        let listens = lines.any(|line| line.is_ok_and(|line| line.starts_with("spanlaked: listening on ")));
        assert!(listens, "it says where it listens");
        thread::spawn(move || lines.for_each(drop));
        Daemon(process)
    }

    fn publish(&self, publisher: usize, sent: &AtomicUsize) {
        let transport = self.transport();
        let builder = PublishLayer::builder(transport).service(format!("service {publisher}"));
        let (layer, guard) = builder.send_every(LONG).build().expect("a layer");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            for number in 0..RECORDS {
                tracing::info!("{publisher}: {number}");
                if (number + 1) % AT_ONCE == 0 {
                    flush(&guard);
                    sent.fetch_add(AT_ONCE, Ordering::Relaxed);
                }
            }
        });
        let report = guard.shutdown(LONG).expect("an end in time");
        assert!(report.is_complete(), "{report:?}");
    }

    fn transport(&self) -> NatsTransport {
        let most = NonZeroU64::new(1 << 30).expect("not zero");
        NatsTransport::new(format!("nats://{}", self.nats)).create(most).build().expect("a transport")
    }

    /// How often each message is in the lake of a daemon.
    fn messages(&self, which: usize) -> BTreeMap<String, usize> {
        records(&self.folder(which).join("lake")).into_iter().fold(BTreeMap::new(), |mut counts, record| {
            *counts.entry(record.message).or_default() += 1;
            counts
        })
    }

    /// How many messages are not yet acknowledged.
    fn left_in_stream(&self) -> Option<u64> {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let client = async_nats::connect(self.nats.to_string()).await.ok()?;
            let mut stream = async_nats::jetstream::new(client).get_stream("SPANLAKE").await.ok()?;
            stream.info().await.ok().map(|info| info.state.messages)
        })
    }
}

fn flush(guard: &Guard) {
    let report = guard.flush(LONG);
    assert!(report.is_complete(), "{report:?}");
}

fn records(lake: &Path) -> Vec<OwnedRecord> {
    let Ok(lake) = Lake::open(lake) else {
        return Vec::new();
    };
    let records = lake.read(&Filter::new()).expect("records");
    records.filter(|record| record.target != CANARY_TARGET).collect()
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + LONG;
    while !is_so() {
        assert!(Instant::now() < deadline, "it did not come to be that {what}");
        thread::yield_now();
    }
}

impl Daemon {
    /// Ends it as a service manager does.
    fn end(mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        assert!(self.0.wait().expect("it ends").success());
    }
}

impl Drop for Daemon {
    /// Kills it, if it has not ended.
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
