//! The settings of a collector: where it listens, who may send, and where records end.

use std::num::NonZeroU64;
use std::time::Duration;

use spanlake_core::{LevelFilter, Secret};

use super::{FileSink, RollingFileSink, StreamSink};
use crate::config::Whole;
use crate::fault::Fault;
use crate::node::Node;
use crate::reader::{Fields, Reader, Setting};
use crate::setting::{Entries, Placed, Toggle};
use crate::shape::{KindsShape, Shape};
use crate::table::{Kinds, Table, Wrong, kinds, read_kind, refuse_wrong, table, words};
use crate::units::Size;

table! {
    /// What a collector does: where it listens, who may send, and where records end.
    pub struct Collector {
        /// Where it listens: an address and a port. Beyond the own machine it needs tokens.
        pub listen: Placed<String> = "127.0.0.1:4600",
        /// Lets clients in by TLS only.
        pub tls: Toggle<Tls>,
        /// Who may send and who may ask for levels, under names.
        pub tokens: Entries<Token>,
        /// What is allowed to those who send.
        pub limits: CollectorLimits,
        /// What is received besides, from other systems.
        pub receive: Receive,
        /// What is received and not yet with every plugin.
        pub queue: CollectorQueue,
        /// How often plugins make what they have durable.
        pub flush_every: Duration = "10 s",
        /// Where records end, under names.
        pub plugins: Entries<Plugin>,
    }
}

table! {
    /// What a collector and its clients show each other. Files are PEM.
    pub struct Tls {
        /// The collector's certificate, with those that it is signed by.
        pub certificate: String,
        /// Its private key.
        pub key: String,
        /// Certificates, one of which must have signed a client's; without them clients need none.
        pub clients: Option<String>,
    }
}

table! {
    /// A token and what it opens.
    pub struct Token {
        /// The token itself; better left to a file.
        pub secret: Option<Secret<String>>,
        /// A file with the token.
        pub file: Option<String>,
        /// What it opens.
        pub rights: Vec<Right>,
    }
    wrong = has_one_secret;
}

words! {
    /// What a token opens.
    pub enum Right {
        /// To send records.
        "publish" => Publish,
        /// To ask services for other levels.
        "control" => Control,
    }
}

table! {
    /// What is allowed to those who send.
    pub struct CollectorLimits {
        /// Longest body.
        pub body: Size = "16 MiB",
        /// Longest batch when it is decompressed.
        pub batch: Size = "64 MiB",
        /// Most bytes of bodies that are looked at at once.
        pub held: Size = "256 MiB",
        /// Most connections at once.
        pub connections: NonZeroU64 = 1024_i128,
        /// How long a connection may be silent, and a request take to come.
        pub patience: Duration = "30 s",
        /// Bytes a second of each sender, before decompression; without it there is no bound.
        pub sender_rate: Option<Size>,
    }
}

table! {
    /// What is received besides, from other systems. OTLP over HTTP is taken where the collector listens.
    pub struct Receive {
        /// Scoped tasks in JSON that are pushed by ZeroMQ.
        pub zeromq_pull: Toggle<ZeromqPull>,
        /// Publishers of notifications in CBOR that are subscribed to by ZeroMQ, under names.
        pub zeromq_subscribe: Entries<ZeromqSubscribe>,
    }
}

table! {
    /// Scoped tasks that are pushed by ZeroMQ, which has no tokens: beyond the own machine it is for networks that are trusted.
    pub struct ZeromqPull {
        /// Where it listens: an address and a port.
        pub listen: Placed<String> = "127.0.0.1:5010",
        /// Most connections at once.
        pub connections: NonZeroU64 = 1024_i128,
        /// Longest message.
        pub message: Size = "1 MiB",
    }
}

table! {
    /// A publisher that is subscribed to, and again when it was away.
    pub struct ZeromqSubscribe {
        /// Where it is: a host and a port.
        pub publisher: Placed<String>,
        /// The least severe level that is asked for.
        pub level: NotificationLevel = "debug",
        /// The name of the service whose records these are.
        pub service: String = "notifications",
        /// Longest message.
        pub message: Size = "1 MiB",
    }
}

words! {
    /// A level of notifications.
    pub enum NotificationLevel {
        /// All.
        "debug" => Debug,
        /// Without what is for those who look for a fault.
        "info" => Info,
        /// What somebody should look at.
        "warning" => Warning,
        /// What failed.
        "error" => Error,
        /// What failed and stops more than itself.
        "critical" => Critical,
    }
}

table! {
    /// What is received and not yet with every plugin.
    pub struct CollectorQueue {
        /// The folder, on a local disk.
        pub folder: String = "spanlaked",
        /// Most bytes on the disk.
        pub max: Size = "10 GiB",
        /// How long a file gets.
        pub max_file: Size = "64 MiB",
        /// How long it is remembered what a sender sent that is silent.
        pub remember: Duration = "7 days",
    }
}

/// Where records end, and which.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Plugin {
    /// What it is.
    pub kind: PluginKind,
    /// Which records it gets.
    pub common: PluginCommon,
}

table! {
    /// What all plugins have.
    pub struct PluginCommon {
        /// Which records it gets: those that fit every part.
        pub r#match: Match,
    }
}

table! {
    /// Which records a plugin gets: those that fit every part.
    pub struct Match {
        /// The most verbose level.
        pub level: LevelFilter = "TRACE",
        /// Prefixes of targets; none for all.
        pub target: Vec<String>,
        /// Services; none for all.
        pub service: Vec<String>,
        /// Systems, the field `system` of a record or its task; none for all.
        pub system: Vec<String>,
    }
}

kinds! {
    /// Where a collector's records end.
    pub enum PluginKind {
        /// A lake, in which each record is once.
        "lake" => Lake(LakePlugin),
        /// Standard output.
        "print" => Print(StreamSink),
        /// A file that grows.
        "file" => File(FileSink),
        /// A file that is followed by the next one.
        "rolling_file" => RollingFile(RollingFileSink),
        /// A Redis server: a stream, a channel, or both.
        "redis" => Redis(RedisPlugin),
        /// Another collector.
        "forward" => Forward(ForwardPlugin),
        /// A receiver of OTLP over HTTP.
        "otlp" => Otlp(OtlpPlugin),
    }
}

table! {
    /// A lake, in which each record is once.
    pub struct LakePlugin {
        /// The folder.
        pub path: Placed<String>,
        /// Whether it has JSON lines.
        pub jsonl: bool = true,
        /// Whether it has Parquet.
        pub parquet: bool = true,
    }
}

table! {
    /// A Redis server: a stream, a channel, or both. An entry of the stream has the field `record`, the lake's JSON line, which
    /// is what the channel gets too.
    pub struct RedisPlugin {
        /// The server, such as `redis://user:password@host:6379/0`, without TLS.
        pub url: Secret<String>,
        /// The stream that entries are added to; without it and a channel it is `spanlake`.
        pub stream: Option<String>,
        /// About how many entries the stream keeps; older ones give way.
        pub max_len: NonZeroU64 = 1_000_000_i128,
        /// The channel that records are published to.
        pub channel: Option<String>,
    }
}

table! {
    /// Another collector, which takes records at its own endpoint.
    pub struct ForwardPlugin {
        /// The collector, such as `https://collector.internal:4600`.
        pub url: String,
        /// The token that opens it; better left to a file.
        pub token: Option<Secret<String>>,
        /// A file with the token.
        pub token_file: Option<String>,
        /// Certificates that are trusted in place of those that the machine trusts, as PEM.
        pub roots: Option<String>,
    }
}

table! {
    /// A receiver of OTLP over HTTP, in protobuf.
    pub struct OtlpPlugin {
        /// The receiver, such as `http://127.0.0.1:4318`; `/v1/logs` and `/v1/traces` are below it.
        pub url: String,
        /// The token that opens it, sent as a bearer's; better left to a file.
        pub token: Option<Secret<String>>,
        /// A file with the token.
        pub token_file: Option<String>,
        /// Certificates that are trusted in place of those that the machine trusts, as PEM.
        pub roots: Option<String>,
        /// Whether all records are sent as logs.
        pub logs: bool = true,
        /// Whether tasks are sent as spans when they end.
        pub spans: bool = true,
    }
}

fn has_one_secret(token: &Token) -> Wrong {
    let is_one = token.secret.is_some() != token.file.is_some();
    (!is_one).then_some(("a token stands here or in a file", "one of `secret` and `file`"))
}

/// What is wrong with a plugin's own keys together.
fn wrong_with(plugin: &PluginKind) -> Wrong {
    match plugin {
        PluginKind::Lake(lake) => {
            (!lake.jsonl && !lake.parquet).then_some(("the lake has no format", "`jsonl` or `parquet` that is on"))
        }
        PluginKind::Forward(forward) => two_tokens(&forward.token, &forward.token_file),
        PluginKind::Otlp(otlp) if !otlp.logs && !otlp.spans => {
            Some(("nothing would be sent", "`logs` or `spans` that is on"))
        }
        PluginKind::Otlp(otlp) => two_tokens(&otlp.token, &otlp.token_file),
        _ => None,
    }
}

fn two_tokens(token: &Option<Secret<String>>, file: &Option<String>) -> Wrong {
    (token.is_some() && file.is_some()).then_some(("there are two tokens", "one of `token` and `token_file`"))
}

// === impl Plugin ===

impl Plugin {
    /// All kinds, each with the keys that all have behind its own.
    fn all_kinds() -> KindsShape {
        let mut shape = PluginKind::kinds();
        shape.name = "Plugin";
        shape.kinds.iter_mut().for_each(|kind| kind.keys.extend(PluginCommon::table().keys));
        shape
    }
}

impl Setting for Plugin {
    fn shape() -> Shape {
        Shape::Kinds(Self::all_kinds())
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let known_faults = reader.faults.len();
        let shape = Self::all_kinds();
        let word = super::sinks::as_map(node);
        let mut fields = Fields::of(word.as_ref().unwrap_or(node), &Self::shape(), reader)?;
        let kind = read_kind(&mut fields, &shape, reader)?;
        let kind = PluginKind::take(kind, &mut fields, reader);
        let common = PluginCommon::take(&mut fields, reader);
        fields.finish(Some(&shape), reader);
        let kind = kind?;
        refuse_wrong(wrong_with(&kind), node, known_faults, reader)?;
        Some(Self { kind, common: common? })
    }
}

// === impl Collector ===

impl Whole for Collector {
    const TITLE: &'static str = "spanlaked";

    fn check(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if let Some(pull) = self.receive.zeromq_pull.on()
            && pull.listen.parse::<std::net::SocketAddr>().is_err()
        {
            faults.push(no_address(&pull.listen, "receive.zeromq_pull.listen"));
        }
        match self.listen.parse::<std::net::SocketAddr>() {
            Err(_) => faults.push(no_address(&self.listen, "listen")),
            Ok(address) if !address.ip().is_loopback() && self.tokens.iter().next().is_none() => {
                let fault = Fault::new(self.listen.span, "strangers would be let in").key("listen");
                faults.push(fault.expected("an address of the own machine, or `tokens`"));
            }
            Ok(_) => {}
        }
        faults
    }
}

fn no_address(listen: &Placed<String>, key: &str) -> Fault {
    let fault = Fault::new(listen.span, "this is no address").key(key);
    fault.expected("an address and a port, such as `127.0.0.1:4600` or `[::1]:4600`")
}
