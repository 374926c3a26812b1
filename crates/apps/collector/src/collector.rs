//! The collector: puts queue, receivers and plugins together, and takes them apart again.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use spanlake_core::disk;
use spanlake_core::sync::Mutex;
use spanlake_core::{Category, Error, Source, Stage};
use tokio::task::AbortHandle;

use crate::control::Control;
use crate::health::{Canary, Health};
use crate::http::{Limits, Listening, Shared, Tls};
use crate::intake::Intake;
use crate::plugins::{Dead, Match, Plugin, PluginReport, Runner, Steering};
use crate::queue::{Delivery, Opened, Options, Queue, QueueReport};
use crate::quota::Quotas;
use crate::receive::{Pull, Receiving, Subscribe};
use crate::tokens::Tokens;

/// Where a collector listens that was told nothing.
pub const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4600);

/// Default of [`CollectorBuilder::flush_every`].
pub const DEFAULT_FLUSH_EVERY: Duration = Duration::from_secs(10);

/// How often a canary is made.
const CANARY_EVERY: Duration = Duration::from_secs(10);

/// Default of [`CollectorBuilder::checkpoint_every`].
pub const DEFAULT_CHECKPOINT_EVERY: Duration = Duration::from_secs(5);

/// Settings of a collector.
#[must_use = "nothing runs until `start`"]
pub struct CollectorBuilder {
    queue: Options,
    address: SocketAddr,
    tls: Option<Tls>,
    tokens: Tokens,
    limits: Limits,
    flush_every: Duration,
    checkpoint_every: Duration,
    plugins: Vec<(String, Match, Box<dyn Plugin>)>,
    pulls: Vec<Pull>,
    subscriptions: Vec<Subscribe>,
}

/// A collector at work.
#[derive(Debug)]
pub struct Collector {
    intake: Intake,
    listening: Listening,
    receiving: Vec<Receiving>,
    queue: Arc<Queue>,
    opened: Opened,
    control: Arc<Control>,
    steering: Arc<Steering>,
    runners: Vec<JoinHandle<()>>,
    reports: Vec<Arc<Mutex<PluginReport>>>,
    canaries: AbortHandle,
    checkpoints: AbortHandle,
}

// === impl CollectorBuilder ===

impl CollectorBuilder {
    fn new(queue: Options) -> Self {
        Self {
            queue,
            address: DEFAULT_ADDRESS,
            tls: None,
            tokens: Tokens::default(),
            limits: Limits::default(),
            flush_every: DEFAULT_FLUSH_EVERY,
            checkpoint_every: DEFAULT_CHECKPOINT_EVERY,
            plugins: Vec::new(),
            pulls: Vec::new(),
            subscriptions: Vec::new(),
        }
    }

    /// Where it listens: [`DEFAULT_ADDRESS`]. Anywhere but on the own machine it needs tokens or clients' certificates.
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.address = address;
        self
    }

    /// Lets clients in by TLS only.
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Who may do what.
    pub fn tokens(mut self, tokens: Tokens) -> Self {
        self.tokens = tokens;
        self
    }

    /// What is allowed to those who send.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How often plugins make what they have durable: [`DEFAULT_FLUSH_EVERY`].
    pub fn flush_every(mut self, interval: Duration) -> Self {
        self.flush_every = interval;
        self
    }

    /// How often it is made durable how far the plugins are: [`DEFAULT_CHECKPOINT_EVERY`]. A plugin that takes nothing back
    /// gets again after a crash what came since.
    pub fn checkpoint_every(mut self, interval: Duration) -> Self {
        self.checkpoint_every = interval;
        self
    }

    /// Adds a plugin under a name that no other has.
    pub fn plugin(mut self, name: impl Into<String>, wanted: Match, plugin: impl Plugin + 'static) -> Self {
        self.plugins.push((name.into(), wanted, Box::new(plugin)));
        self
    }

    /// Takes scoped tasks that are pushed by ZeroMQ. Whoever gets there may send: beyond the own machine it is for networks that are
    /// trusted.
    pub fn pull(mut self, pull: Pull) -> Self {
        self.pulls.push(pull);
        self
    }

    /// Takes notifications of a ZeroMQ publisher.
    pub fn subscribe(mut self, subscribe: Subscribe) -> Self {
        self.subscriptions.push(subscribe);
        self
    }

    /// Opens the queue, listens, and starts a thread for each plugin. Fails when the queue cannot be opened or is somebody else's,
    /// the address not be had, or strangers would be let in.
    pub async fn start(self) -> Result<Collector, Error> {
        let Self {
            queue: options,
            address,
            tls,
            tokens,
            limits,
            flush_every,
            checkpoint_every,
            plugins,
            pulls,
            subscriptions,
        } = self;
        if !address.ip().is_loopback() && tokens.is_empty() {
            let why = "a collector that listens beyond its own machine needs tokens";
            return Err(
                Error::new(Stage::Configuration, "Collector", Category::Validation, why).with("address", address)
            );
        }
        let folder = options.folder().to_owned();
        let names: Vec<&str> = plugins.iter().map(|(name, ..)| name.as_str()).collect();
        let disk = disk::real();
        let (queue, opened) = Queue::open(options, Arc::clone(&disk), &names)?;
        let queue = Arc::new(queue);
        let control = Arc::new(Control::open(&folder, disk)?);
        let canary = Arc::new(Canary::new(&Source::this_process("spanlaked")));
        let steering = Arc::new(Steering::default());
        let (mut runners, mut reports) = (Vec::new(), Vec::new());
        for (name, wanted, plugin) in plugins {
            let report = Arc::new(Mutex::new(PluginReport::of(&name)));
            reports.push(Arc::clone(&report));
            let runner = Runner {
                queue: Arc::clone(&queue),
                reader: queue.reader(&name).ok_or_else(|| twice(&name))?,
                passed: None,
                dead: Dead::of(&folder, &name),
                name,
                plugin,
                wanted,
                flush_every,
                steering: Arc::clone(&steering),
                canary: Arc::clone(&canary),
                report,
            };
            runners.push(runner.spawn()?);
        }
        let intake = Intake::new(Arc::clone(&queue));
        let mut receiving = Vec::new();
        for pull in pulls {
            receiving.push(pull.begin(intake.clone()).await?);
        }
        receiving.extend(subscriptions.into_iter().map(|subscribe| subscribe.begin(intake.clone())));
        let health = Health {
            canary: Arc::clone(&canary),
            plugins: reports.clone(),
            patience: CANARY_EVERY * 3,
            started_at: Instant::now(),
        };
        let shared = Shared {
            intake: intake.clone(),
            control: Arc::clone(&control),
            tokens,
            quotas: Quotas::new(limits.sender_bytes_per_second),
            room: tokio::sync::Semaphore::new(limits.held_bytes.div_ceil(1024)),
            limits,
            health: Arc::new(health),
        };
        let listening = Listening::begin(address, tls, Arc::new(shared)).await?;
        let canaries = tokio::spawn(send_canaries(Arc::clone(&queue), canary)).abort_handle();
        let checkpoints = tokio::spawn(checkpoint(Arc::clone(&queue), checkpoint_every)).abort_handle();
        Ok(Collector {
            intake,
            listening,
            receiving,
            queue,
            opened,
            control,
            steering,
            runners,
            reports,
            canaries,
            checkpoints,
        })
    }
}

// === impl Collector ===

impl Collector {
    /// A collector with this queue; see [`CollectorBuilder`].
    pub fn builder(queue: Options) -> CollectorBuilder {
        CollectorBuilder::new(queue)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listening.address
    }

    /// Where it takes what is pushed by ZeroMQ.
    pub fn pulling(&self) -> impl Iterator<Item = SocketAddr> {
        self.receiving.iter().filter_map(|receiving| receiving.address)
    }

    /// What was found in the queue at the start.
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// What services are asked for.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// How the plugins are doing.
    pub fn plugins(&self) -> Vec<PluginReport> {
        self.reports.iter().map(|report| spanlake_core::sync::lock(report).clone()).collect()
    }

    /// Records that were taken in since the start, those of repeated segments too.
    pub fn received(&self) -> u64 {
        self.intake.counts().records.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// How the queue is doing.
    pub fn queue(&self) -> QueueReport {
        self.queue.report()
    }

    /// Takes nothing more in, lets plugins write what is in the queue, for some seconds, and makes their progress durable. What they
    /// have not got then is there for the next start.
    pub async fn stop(self) -> Result<(), Error> {
        let Self { listening, receiving, queue, steering, runners, canaries, checkpoints, .. } = self;
        canaries.abort();
        checkpoints.abort();
        for receiving in receiving {
            receiving.stop().await;
        }
        listening.stop().await;
        steering.stop(LAST_DELIVERIES);
        let ended = tokio::task::spawn_blocking(move || {
            for runner in runners {
                runner.thread().unpark();
                // Its panic is told in its report.
                let _ = runner.join();
            }
            queue.close(LAST_SYNC)
        });
        ended.await.unwrap_or(Ok(()))
    }
}

fn twice(name: &str) -> Error {
    let why = "two plugins have one name";
    Error::new(Stage::Configuration, "Collector", Category::Validation, why).with("plugin", name)
}

/// How long plugins may go on with what is in the queue.
const LAST_DELIVERIES: Duration = Duration::from_secs(5);

/// How long the queue may take for its last sync.
const LAST_SYNC: Duration = Duration::from_secs(5);

async fn send_canaries(queue: Arc<Queue>, canary: Arc<Canary>) {
    let mut time = tokio::time::interval(CANARY_EVERY);
    loop {
        time.tick().await;
        let entries = vec![(None, canary.make())];
        let delivery = Delivery { service: "spanlaked".to_owned(), entries, ..Delivery::default() };
        // One that is refused does not arrive, which is what health is about.
        queue.offer(delivery, |_| ());
    }
}

async fn checkpoint(queue: Arc<Queue>, every: Duration) {
    let mut time = tokio::time::interval(every.max(Duration::from_millis(1)));
    loop {
        time.tick().await;
        let queue = Arc::clone(&queue);
        // A failure is in the queue's report, and it is tried again.
        let _ = tokio::task::spawn_blocking(move || queue.checkpoint()).await;
    }
}

impl std::fmt::Debug for CollectorBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CollectorBuilder").field("address", &self.address).finish_non_exhaustive()
    }
}
