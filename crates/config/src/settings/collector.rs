//! The settings of a collector: where it listens, who may send, and where records end.

use std::num::NonZeroU64;
use std::time::Duration;

use spanlake_core::{LevelFilter, Secret};

pub use super::jetstream::JetstreamReceiver;
use super::{FileSink, Moment, RollingFileSink, Store, StreamSink};
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
        /// From when on it opens nothing.
        pub expires: Option<Moment>,
    }
    wrong = wrong_with_token;
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
    /// What is received besides, from other systems.
    pub struct Receive {
        /// Whether OTLP, by HTTP and by gRPC, is taken where the collector listens.
        pub otlp: bool = true,
        /// Scoped tasks in JSON, or segments, that are pushed by ZeroMQ.
        pub zeromq_pull: Toggle<ZeromqPull>,
        /// Publishers of notifications in CBOR that are subscribed to by ZeroMQ, under names.
        pub zeromq_subscribe: Entries<ZeromqSubscribe>,
        /// Streams of NATS JetStream with segments, each shared with all collectors that name the same consumer, under names.
        pub jetstream: Entries<JetstreamReceiver>,
    }
}

table! {
    /// Scoped tasks or segments that are pushed by ZeroMQ, which has no tokens: beyond the own machine it is for networks that are trusted.
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
        /// How long each plugin's dead letters get, in bytes.
        pub max_dead: Size = "256 MiB",
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
        /// Another collector, which has each record once.
        "forward" => Forward(ForwardPlugin),
        /// Whoever takes OTLP by HTTP.
        "otlp" => Otlp(OtlpPlugin),
        /// A stream or a channel of Redis.
        "redis" => Redis(RedisPlugin),
        /// Who subscribes by ZeroMQ.
        "pubsub_zeromq" => PubsubZeromq(ZeromqPlugin),
        /// Who subscribes to a subject of NATS.
        "pubsub_nats" => PubsubNats(NatsPlugin),
        /// A collection of MongoDB, which has each record once.
        "mongodb" => Mongodb(MongodbPlugin),
    }
}

table! {
    /// A lake, in which each record is once.
    pub struct LakePlugin {
        /// The folder, or a bucket: `s3://bucket/lake`, `gs://` or `az://`.
        pub path: Placed<String>,
        /// Whether it has JSON lines.
        pub jsonl: bool = true,
        /// Whether it has Parquet.
        pub parquet: bool = true,
        /// How a bucket is reached.
        pub store: Store,
    }
}

table! {
    /// Another collector, which has each record once.
    pub struct ForwardPlugin {
        /// Where it is, such as `https://collector.internal:4600`.
        pub url: Placed<String>,
        /// How the two know each other.
        pub client: ClientSide,
    }
}

table! {
    /// Whoever takes OTLP by HTTP.
    pub struct OtlpPlugin {
        /// Where it is, such as `http://127.0.0.1:4318`; below it are `/v1/logs` and `/v1/traces`.
        pub url: Placed<String>,
        /// What is sent.
        pub signals: Signals = "all",
        /// How the two know each other.
        pub client: ClientSide,
    }
}

words! {
    /// What is sent by OTLP.
    pub enum Signals {
        /// Logs, and spans of the tasks that ended.
        "all" => All,
        /// Logs only.
        "logs" => Logs,
    }
}

table! {
    /// What a plugin shows to a server, and whom it trusts. Files are PEM.
    pub struct ClientSide {
        /// A file with a token.
        pub token_file: Option<String>,
        /// Certificates that are trusted in place of those that the machine trusts.
        pub roots: Option<String>,
        /// A certificate by which the server knows the collector.
        pub certificate: Option<String>,
        /// Its private key.
        pub key: Option<String>,
    }
    wrong = has_both_or_none;
}

table! {
    /// A stream or a channel of Redis.
    pub struct RedisPlugin {
        /// Where the server is, such as `redis://user:password@127.0.0.1:6379/0`; `rediss:` is with TLS.
        pub url: Secret<String>,
        /// What becomes of records there.
        pub mode: RedisMode = "stream",
        /// The stream's key, or the channel's name.
        pub name: String = "spanlake",
        /// About how many entries the stream keeps.
        pub max_len: NonZeroU64 = 1_000_000_i128,
        /// What an entry of the stream is made of.
        pub fields: RedisFields = "columns",
    }
}

words! {
    /// What becomes of records in Redis.
    pub enum RedisMode {
        /// Entries of a stream, each record once.
        "stream" => Stream,
        /// Messages of a channel, for who listens at that time.
        "publish" => Publish,
    }
}

words! {
    /// What an entry of a stream is made of.
    pub enum RedisFields {
        /// A field for each column of the lake that the record has.
        "columns" => Columns,
        /// One field `record` with a line of JSON.
        "record" => Record,
    }
}

table! {
    /// Who subscribes by ZeroMQ, which has no tokens: beyond the own machine it is for networks that are trusted.
    pub struct ZeromqPlugin {
        /// Where it listens: an address and a port.
        pub listen: Placed<String> = "127.0.0.1:5011",
        /// What a message is.
        pub format: ZeromqFormat = "notifications",
        /// The system that the topics of scoped tasks name.
        pub system: System = "production",
        /// Most subscribers at once.
        pub subscribers: NonZeroU64 = 64_i128,
    }
}

words! {
    /// What a message by ZeroMQ is.
    pub enum ZeromqFormat {
        /// A notification in CBOR; its topic is the level.
        "notifications" => Notifications,
        /// A scoped task in JSON; its topic begins with the system's letter.
        "scoped" => Scoped,
    }
}

words! {
    /// The system that a program is part of.
    pub enum System {
        /// Tests.
        "test" => Test,
        /// What comes before production.
        "staging" => Staging,
        /// The real thing.
        "production" => Production,
    }
}

table! {
    /// Who subscribes to a subject of NATS.
    pub struct NatsPlugin {
        /// Where the server is, such as `nats://user:password@127.0.0.1:4222`; `tls:` is with TLS.
        pub url: Secret<String>,
        /// The subject; the level follows behind a dot.
        pub subject: String = "spanlake.records",
        /// What a message is.
        pub format: NatsFormat = "json",
        /// The system that scoped tasks name.
        pub system: System = "production",
    }
}

words! {
    /// What a message by NATS is.
    pub enum NatsFormat {
        /// A line of the lake's JSON.
        "json" => Json,
        /// A notification in CBOR.
        "notifications" => Notifications,
        /// A scoped task in JSON.
        "scoped" => Scoped,
    }
}

table! {
    /// A collection of MongoDB, which has each record once.
    pub struct MongodbPlugin {
        /// Where the server is, such as `mongodb://user:password@127.0.0.1:27017`.
        pub url: Secret<String>,
        /// The database.
        pub database: String = "spanlake",
        /// The collection.
        pub collection: String = "records",
        /// Who has to have a document before it counts as written.
        pub acknowledged: Acknowledged = "majority",
        /// Whether it has to be in the journal on the disk by then.
        pub journal: bool = true,
    }
}

words! {
    /// Who has to have a document before it counts as written.
    pub enum Acknowledged {
        /// The primary.
        "one" => One,
        /// Most members of the replica set.
        "majority" => Majority,
    }
}

fn has_both_or_none(client: &ClientSide) -> Wrong {
    let is_one = client.certificate.is_some() != client.key.is_some();
    is_one.then_some(("a certificate goes with its key", "both of `certificate` and `key`, or none"))
}

fn wrong_with_token(token: &Token) -> Wrong {
    let is_one = token.secret.is_some() != token.file.is_some();
    let has_one = (!is_one).then_some(("a token stands here or in a file", "one of `secret` and `file`"));
    let opens = token.rights.is_empty().then_some(("the token opens nothing", "`rights`, such as `[publish]`"));
    has_one.or(opens)
}

/// What is wrong with a plugin's own keys together.
fn wrong_with(plugin: &PluginKind) -> Wrong {
    match plugin {
        PluginKind::Lake(lake) => {
            (!lake.jsonl && !lake.parquet).then_some(("the lake has no format", "`jsonl` or `parquet` that is on"))
        }
        _ => None,
    }
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
