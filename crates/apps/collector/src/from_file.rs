//! From a file's settings to a collector.

use std::path::Path;

use spanlake_config::settings::collector::{self as settings, NotificationLevel, PluginKind};
use spanlake_config::{CollectorConfig, Size, made};
use spanlake_core::{Category, Error, LevelFilter, Secret, Stage};
use spanlake_lake::StreamSink;
use spanlake_wire::level::Severity;

use crate::collector::{Collector, CollectorBuilder};
use crate::http::{Limits, Tls};
#[cfg(feature = "forward")]
use crate::plugins::ForwardPlugin;
#[cfg(feature = "otlp")]
use crate::plugins::OtlpPlugin;
#[cfg(feature = "redis")]
use crate::plugins::RedisPlugin;
use crate::plugins::{LakePlugin, Match, SinkPlugin};
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
        .flush_every(settings.flush_every);
    if let Some(tls) = settings.tls.on() {
        builder =
            builder.tls(Tls::new(tls.certificate.as_ref(), tls.key.as_ref(), tls.clients.as_deref().map(Path::new))?);
    }
    builder = receive(builder, &settings.receive)?;
    for (name, plugin) in settings.plugins.iter() {
        builder = add(builder, name, plugin)?;
    }
    Ok(builder)
}

fn receive(mut builder: CollectorBuilder, asked: &settings::Receive) -> Result<CollectorBuilder, Error> {
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

fn add(builder: CollectorBuilder, name: &str, plugin: &settings::Plugin) -> Result<CollectorBuilder, Error> {
    let wanted = wanted(&plugin.common.r#match);
    Ok(match &plugin.kind {
        PluginKind::Lake(lake) => builder.plugin(name, wanted, lake_plugin(lake)),
        PluginKind::Print(stream) => {
            let sink = StreamSink::stdout().level(LevelFilter::TRACE).renderer(made::renderer(&stream.renderer)?);
            builder.plugin(name, wanted, SinkPlugin::new(sink))
        }
        PluginKind::File(file) => builder.plugin(name, wanted, SinkPlugin::new(made::file(file)?)),
        PluginKind::RollingFile(file) => builder.plugin(name, wanted, SinkPlugin::new(made::rolling(file)?)),
        #[cfg(feature = "redis")]
        PluginKind::Redis(redis) => builder.plugin(name, wanted, redis_plugin(redis)?),
        #[cfg(feature = "forward")]
        PluginKind::Forward(forward) => builder.plugin(name, wanted, forward_plugin(forward)?),
        #[cfg(feature = "otlp")]
        PluginKind::Otlp(otlp) => builder.plugin(name, wanted, otlp_plugin(otlp)?),
        _ => return Err(invalid("this spanlaked is built without the feature for such a plugin").with("plugin", name)),
    })
}

fn lake_plugin(lake: &settings::LakePlugin) -> LakePlugin {
    match (lake.jsonl, lake.parquet) {
        (true, false) => LakePlugin::jsonl(lake.path.as_str()),
        (false, true) => LakePlugin::parquet(lake.path.as_str()),
        _ => LakePlugin::new(lake.path.as_str()),
    }
}

#[cfg(feature = "redis")]
fn redis_plugin(redis: &settings::RedisPlugin) -> Result<RedisPlugin, Error> {
    let mut plugin = RedisPlugin::new(&redis.url)?.max_len(redis.max_len);
    if let Some(stream) = &redis.stream {
        plugin = plugin.stream(stream);
    }
    Ok(match &redis.channel {
        Some(channel) => plugin.channel(channel),
        None => plugin,
    })
}

#[cfg(feature = "forward")]
fn forward_plugin(forward: &settings::ForwardPlugin) -> Result<ForwardPlugin, Error> {
    let settings::ForwardPlugin { url, token, token_file, roots, .. } = forward;
    ForwardPlugin::new(url, client_token(token, token_file)?.as_ref(), roots.as_deref().map(Path::new))
}

#[cfg(feature = "otlp")]
fn otlp_plugin(otlp: &settings::OtlpPlugin) -> Result<OtlpPlugin, Error> {
    let settings::OtlpPlugin { url, token, token_file, roots, .. } = otlp;
    let token = client_token(token, token_file)?;
    Ok(OtlpPlugin::new(url, token.as_ref(), roots.as_deref().map(Path::new))?.logs(otlp.logs).spans(otlp.spans))
}

/// The token by which a plugin opens somebody else.
#[cfg(feature = "client")]
fn client_token(token: &Option<Secret<String>>, file: &Option<String>) -> Result<Option<Secret<String>>, Error> {
    match file {
        Some(file) => read_token(Path::new(file)).map(Some),
        None => Ok(token.clone()),
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
        Ok(Token { name: name.to_owned(), secret, rights: rights.collect() })
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
