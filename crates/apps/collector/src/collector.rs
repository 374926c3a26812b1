//! The collector: puts queue, receivers and plugins together, and takes them apart again.

use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::{Duration, Instant};

use spanlake_core::disk;
use spanlake_core::sync::{Mutex, lock};
use spanlake_core::{Category, Error, SinkState, Source, Stage};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::control::Control;
use crate::health::{Canary, Health};
use crate::http::{Limits, Listening, Policy, Shared, Tls, talk};
use crate::intake::{Intake, Reason};
use crate::plugins::{Asked, Crew, MAX_DEAD, Match, Plugin, PluginReport};
use crate::queue::{Delivery, Opened, Options, Queue, QueueReport};
#[cfg(feature = "nats")]
use crate::receive::jetstream::{self, JetStream};
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

/// How a part is that may fail by itself.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) name: String,
    /// How often it failed.
    pub(crate) errors: u64,
    /// Records in its dead letters.
    pub(crate) dead: u64,
    /// Records that its dead letters had no room for.
    pub(crate) lost: u64,
    /// Whether it is known not to work now.
    pub(crate) is_failing: bool,
    pub(crate) last_error: Option<String>,
}

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
    takes_otlp: bool,
    max_dead: NonZeroU64,
    plugins: Vec<Asked>,
    pulls: Vec<Pull>,
    subscriptions: Vec<Subscribe>,
    #[cfg(feature = "nats")]
    jetstreams: Vec<(String, JetStream)>,
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
    crew: Arc<Crew>,
    shared: Arc<Shared>,
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
            takes_otlp: true,
            max_dead: MAX_DEAD,
            plugins: Vec::new(),
            pulls: Vec::new(),
            subscriptions: Vec::new(),
            #[cfg(feature = "nats")]
            jetstreams: Vec::new(),
        }
    }

    /// Where it listens: [`DEFAULT_ADDRESS`]. Anywhere but on the own machine it needs tokens.
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

    /// Whether OTLP, by HTTP and by gRPC, is taken: it is.
    pub fn otlp(mut self, takes_it: bool) -> Self {
        self.takes_otlp = takes_it;
        self
    }

    /// Most bytes of each plugin's dead letters: [`MAX_DEAD`]. What is more is lost and counted, [`PluginReport::lost`].
    pub fn max_dead(mut self, bytes: NonZeroU64) -> Self {
        self.max_dead = bytes;
        self
    }

    /// Adds a plugin under a name that no other has.
    pub fn plugin(mut self, name: impl Into<String>, wanted: Match, plugin: impl Plugin + 'static) -> Self {
        self.plugins.push(Asked { name: name.into(), wanted, plugin: Box::new(plugin), settings: None });
        self
    }

    /// Says what the plugin that was added last is made of.
    pub(crate) fn made_of(mut self, settings: &spanlake_config::settings::collector::Plugin) -> Self {
        self.plugins.iter_mut().last().into_iter().for_each(|asked| asked.settings = Some(settings.clone()));
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

    /// Takes segments of a stream of JetStream, under a name that no other receiver of them has. It keeps what it has not settled in the
    /// folder `jetstream/<name>` of the queue.
    #[cfg(feature = "nats")]
    pub fn jetstream(mut self, name: impl Into<String>, jetstream: JetStream) -> Self {
        self.jetstreams.push((name.into(), jetstream));
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
            takes_otlp,
            max_dead,
            plugins,
            pulls,
            subscriptions,
            #[cfg(feature = "nats")]
            jetstreams,
        } = self;
        if !address.ip().is_loopback() && tokens.is_empty() {
            return Err(strangers(address));
        }
        // Before anything is changed: where somebody else has the address, that one may be the same collector.
        let listener = Listening::bind(address).await?;
        let folder = options.folder().to_owned();
        let names: Vec<&str> = plugins.iter().map(|asked| asked.name.as_str()).collect();
        let disk = disk::real();
        let (queue, opened) = Queue::open(options, Arc::clone(&disk), &names)?;
        let queue = Arc::new(queue);
        let control = Arc::new(Control::open(&folder, disk)?);
        let canary = Arc::new(Canary::new(&Source::this_process("spanlaked")));
        let crew = Arc::new(Crew::new(Arc::clone(&queue), Arc::clone(&canary), folder.clone(), max_dead));
        let intake = Intake::new(Arc::clone(&queue));
        let room = tokio::sync::Semaphore::new(limits.held_bytes.div_ceil(1024));
        let policy = Arc::new(Mutex::new(Arc::new(Policy::new(tokens, limits))));
        let mut receiving = Vec::new();
        for pull in pulls {
            receiving.push(pull.begin(intake.clone(), Arc::clone(&policy)).await?);
        }
        receiving.extend(subscriptions.into_iter().map(|subscribe| subscribe.begin(intake.clone())));
        #[cfg(feature = "nats")]
        let jetstreams = jetstream::begin(jetstreams, &folder, &intake, &control, &mut receiving)?;
        // Behind what may fail: a plugin that has begun holds the queue until it is told to end.
        plugins
            .into_iter()
            .try_for_each(|asked| crew.begin(asked, flush_every))
            .inspect_err(|_| crew.end(NOT_AT_ALL))?;
        let health = Health {
            canary: Arc::clone(&canary),
            crew: Arc::clone(&crew),
            patience: CANARY_EVERY * 2 + flush_every.max(CANARY_EVERY),
            started_at: Instant::now(),
        };
        let shared = Arc::new(Shared {
            intake: intake.clone(),
            control: Arc::clone(&control),
            takes_otlp,
            room,
            policy,
            health: Arc::new(health),
            #[cfg(feature = "nats")]
            jetstreams,
        });
        let listening = Listening::begin(listener, tls, Arc::clone(&shared));
        let canaries = tokio::spawn(send_canaries(Arc::clone(&queue), canary)).abort_handle();
        let checkpoints = tokio::spawn(checkpoint(Arc::clone(&queue), checkpoint_every)).abort_handle();
        Ok(Collector { intake, listening, receiving, queue, opened, control, crew, shared, canaries, checkpoints })
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
        self.crew.reports()
    }

    /// Serves a connection that came otherwise than to its address, such as over a socket of its own machine, until it is over.
    pub async fn serve<S>(&self, stream: S, peer: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // Nobody stops it but its ends.
        let (_stop, stopped) = watch::channel(false);
        talk(stream, peer, Arc::clone(&self.shared), stopped).await;
    }

    /// How all parts are that may fail by themselves.
    pub(crate) fn parts(&self) -> Vec<Part> {
        let plugin = |report: PluginReport| Part {
            name: format!("plugin `{}`", report.name),
            errors: report.errors,
            dead: report.dead,
            lost: report.lost,
            is_failing: report.state == SinkState::Retrying,
            last_error: report.last_error,
        };
        let QueueReport { errors, is_disk_full, last_error, .. } = self.queue.report();
        let name = "the queue".to_owned();
        let queue = Part { name, errors, dead: 0, lost: 0, is_failing: is_disk_full, last_error };
        let publishers = self.receiving.iter().filter_map(|receiving| receiving.standing.as_ref());
        let parts = self.plugins().into_iter().map(plugin).chain([queue]);
        let parts = parts.chain(publishers.map(|standing| standing.part()));
        #[cfg(feature = "nats")]
        let parts = parts.chain(self.shared.jetstreams.iter().map(|counts| counts.part()));
        parts.collect()
    }

    /// How often something was not taken in for this reason.
    pub fn refused(&self, reason: Reason) -> u64 {
        self.intake.refused(reason)
    }

    /// Records that were taken in since the start, those of repeated segments too.
    pub fn received(&self) -> u64 {
        self.intake.counts().records.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// How the queue is doing.
    pub fn queue(&self) -> QueueReport {
        self.queue.report()
    }

    /// Takes over tokens, limits and plugins of other settings, without losing anything: requests go by what held when they came, and
    /// plugins that change write what is in the queue, for some seconds, before others take their place, which go on where they
    /// were. A plugin whose settings are the same is left alone. Addresses, TLS, receivers and the queue stay as they are, as do the most
    /// connections and the most bytes that are held at once.
    pub async fn reload(&self, builder: CollectorBuilder) -> Result<(), Error> {
        let CollectorBuilder { tokens, limits, plugins, flush_every, .. } = builder;
        if !self.address().ip().is_loopback() && tokens.is_empty() {
            return Err(strangers(self.address()));
        }
        *lock(&self.shared.policy) = Arc::new(Policy::new(tokens, limits));
        let crew = Arc::clone(&self.crew);
        let replaced = tokio::task::spawn_blocking(move || crew.replace(plugins, flush_every, LAST_DELIVERIES));
        replaced.await.unwrap_or(Ok(()))
    }

    /// Takes nothing more in, lets plugins write what is in the queue, for some seconds, and makes their progress durable. What they
    /// have not got then is there for the next start.
    pub async fn stop(self) -> Result<(), Error> {
        let Self { listening, receiving, queue, crew, canaries, checkpoints, .. } = self;
        canaries.abort();
        checkpoints.abort();
        for receiving in receiving {
            receiving.stop().await;
        }
        listening.stop().await;
        let ended = tokio::task::spawn_blocking(move || {
            crew.end(LAST_DELIVERIES);
            queue.close(LAST_SYNC)
        });
        ended.await.unwrap_or(Ok(()))
    }
}

fn strangers(address: SocketAddr) -> Error {
    let why = "a collector that listens beyond its own machine needs tokens";
    Error::new(Stage::Configuration, "Collector", Category::Validation, why).with("address", address)
}

/// How long plugins may go on with what is in the queue where one of them cannot begin.
const NOT_AT_ALL: Duration = Duration::ZERO;

/// The same at an end.
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
