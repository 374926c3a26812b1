//! From a file's settings to a collector.

#[cfg(any(
    feature = "forward",
    feature = "otlp",
    feature = "redis",
    feature = "pubsub-zeromq",
    feature = "nats",
    feature = "mongodb"
))]
mod network;
mod jetstream;

use std::path::Path;

use spanlake_config::settings::collector::{self as settings, NotificationLevel, PluginKind};
use spanlake_config::{CollectorConfig, Size, made};
use spanlake_core::{Category, Error, LevelFilter, Secret, Stage};
use spanlake_lake::StreamSink;
use spanlake_wire::level::Severity;

use crate::collector::{Collector, CollectorBuilder};
use crate::http::{Limits, Tls};
use crate::plugins::{BucketPlugin, Formats, LakePlugin, Match, SinkPlugin, check_name};
use crate::queue::Options;
use crate::receive::{Pull, Subscribe};
use crate::tokens::{Right, Token, Tokens};

/// A collector as a configuration says. Fails where a certificate or a token's file cannot be read.
pub fn from_settings(config: &CollectorConfig) -> Result<CollectorBuilder, Error> {
    let settings = config.settings();
    let address = settings.listen.parse().map_err(|_| invalid("`listen` is no address"))?;
    let queue = Options::new(&settings.queue.folder, settings.queue.max.non_zero())
        .file_bytes(settings.queue.max_file.non_zero())
        .remember_for(settings.queue.remember);
    let mut builder = Collector::builder(queue)
        .listen(address)
        .tokens(tokens(settings)?)
        .limits(limits(&settings.limits))
        .max_dead(settings.queue.max_dead.non_zero())
        .flush_every(settings.flush_every);
    if let Some(tls) = settings.tls.on() {
        builder =
            builder.tls(Tls::new(tls.certificate.as_ref(), tls.key.as_ref(), tls.clients.as_deref().map(Path::new))?);
    }
    builder = receive(builder, &settings.receive)?;
    builder = jetstream::add(builder, settings)?;
    for (name, plugin) in settings.plugins.iter() {
        check_name(name)?;
        let added = add(builder, name, plugin, settings.queue.folder.as_ref());
        builder = added.map_err(|error| error.with("plugin", name))?.made_of(plugin);
    }
    Ok(builder)
}

fn receive(builder: CollectorBuilder, asked: &settings::Receive) -> Result<CollectorBuilder, Error> {
    let mut builder = builder.otlp(asked.otlp);
    if let Some(asked) = asked.zeromq_pull.on() {
        let mut pull =
            Pull::new(asked.listen.parse().map_err(|_| invalid("`receive.zeromq_pull.listen` is no address"))?);
        pull.connections = usize::try_from(asked.connections.get()).unwrap_or(usize::MAX);
        pull.message_bytes = memory(asked.message);
        builder = builder.pull(pull);
    }
    for (_, asked) in asked.zeromq_subscribe.iter() {
        let mut subscribe = Subscribe::new(asked.publisher.as_str());
        subscribe.level = severity(asked.level);
        subscribe.service.clone_from(&asked.service);
        subscribe.message_bytes = memory(asked.message);
        builder = builder.subscribe(subscribe);
    }
    Ok(builder)
}

fn severity(level: NotificationLevel) -> Severity {
    match level {
        NotificationLevel::Info => Severity::Info,
        NotificationLevel::Warning => Severity::Warning,
        NotificationLevel::Error => Severity::Error,
        NotificationLevel::Critical => Severity::Critical,
        _ => Severity::Debug,
    }
}

/// As much of it as there can be memory.
fn memory(size: Size) -> usize {
    usize::try_from(size.as_bytes()).unwrap_or(usize::MAX)
}

/// `queue` is the folder of the queue.
fn add(
    builder: CollectorBuilder,
    name: &str,
    plugin: &settings::Plugin,
    queue: &Path,
) -> Result<CollectorBuilder, Error> {
    let wanted = wanted(&plugin.common.r#match);
    Ok(match &plugin.kind {
        PluginKind::Lake(lake) if lake.path.contains("://") => {
            builder.plugin(name, wanted, bucket(lake, &queue.join("lakes").join(name))?)
        }
        PluginKind::Lake(lake) => builder.plugin(name, wanted, lake_plugin(lake)),
        PluginKind::Print(stream) => {
            let sink = StreamSink::stdout().level(LevelFilter::TRACE).renderer(made::renderer(&stream.renderer)?);
            builder.plugin(name, wanted, SinkPlugin::new(sink))
        }
        PluginKind::File(file) => builder.plugin(name, wanted, SinkPlugin::new(made::file(file)?)),
        PluginKind::RollingFile(file) => builder.plugin(name, wanted, SinkPlugin::new(made::rolling(file)?)),
        #[cfg(feature = "forward")]
        PluginKind::Forward(asked) => builder.plugin(
            name,
            wanted,
            crate::plugins::ForwardPlugin::new(network::address(&asked.url, &asked.client)?)?,
        ),
        #[cfg(feature = "otlp")]
        PluginKind::Otlp(asked) => builder.plugin(name, wanted, network::otlp(asked)?),
        #[cfg(feature = "redis")]
        PluginKind::Redis(asked) => builder.plugin(name, wanted, network::redis(asked)?),
        #[cfg(feature = "pubsub-zeromq")]
        PluginKind::PubsubZeromq(asked) => builder.plugin(name, wanted, network::zeromq(asked)?),
        #[cfg(feature = "nats")]
        PluginKind::PubsubNats(asked) => builder.plugin(name, wanted, network::nats(asked)?),
        #[cfg(feature = "mongodb")]
        PluginKind::Mongodb(asked) => builder.plugin(name, wanted, network::mongodb(asked)?),
        _ => return Err(invalid("a plugin of this kind is not built in")),
    })
}

fn bucket(lake: &settings::LakePlugin, folder: &Path) -> Result<BucketPlugin, Error> {
    let formats = match (lake.jsonl, lake.parquet) {
        (true, false) => Formats::Jsonl,
        (false, true) => Formats::Parquet,
        _ => Formats::Both,
    };
    BucketPlugin::new(&lake.path, &made::store(&lake.store), folder, formats)
}

fn lake_plugin(lake: &settings::LakePlugin) -> LakePlugin {
    match (lake.jsonl, lake.parquet) {
        (true, false) => LakePlugin::jsonl(lake.path.as_str()),
        (false, true) => LakePlugin::parquet(lake.path.as_str()),
        _ => LakePlugin::new(lake.path.as_str()),
    }
}

fn wanted(of: &settings::Match) -> Match {
    let mut wanted = Match::default();
    (wanted.level, wanted.targets) = (of.level, of.target.clone());
    (wanted.services, wanted.systems) = (of.service.clone(), of.system.clone());
    wanted
}

fn limits(of: &settings::CollectorLimits) -> Limits {
    let mut limits = Limits::default();
    (limits.body_bytes, limits.batch_bytes, limits.held_bytes) = (memory(of.body), memory(of.batch), memory(of.held));
    limits.connections = usize::try_from(of.connections.get()).unwrap_or(usize::MAX);
    limits.patience = of.patience;
    limits.sender_bytes_per_second = of.sender_rate.map(Size::non_zero);
    limits
}

fn tokens(settings: &settings::Collector) -> Result<Tokens, Error> {
    let token = |(name, token): (&str, &settings::Token)| {
        let secret = match (&token.secret, &token.file) {
            (Some(secret), _) => secret.clone(),
            (None, file) => read_token(Path::new(file.as_deref().unwrap_or_default()))?,
        };
        let rights = token.rights.iter().map(|right| match right {
            settings::Right::Control => Right::Control,
            _ => Right::Publish,
        });
        let expires = token.expires.map(Into::into);
        Ok(Token { expires, ..Token::new(name, secret, rights.collect::<Vec<_>>()) })
    };
    settings.tokens.iter().map(token).collect::<Result<Vec<_>, Error>>().map(Tokens::new)
}

fn read_token(file: &Path) -> Result<Secret<String>, Error> {
    let unread = |error| Error::io("Tokens", "cannot read the token", error).with("file", file.display());
    let text = std::fs::read_to_string(file).map_err(unread)?;
    let token = text.trim();
    if token.is_empty() {
        return Err(invalid("the token's file is empty").with("file", file.display()));
    }
    Ok(Secret::new(token.to_owned()))
}

fn invalid(why: &str) -> Error {
    Error::new(Stage::Configuration, "Collector", Category::Validation, why)
}
