//! Plugins that send records on, as settings say.

use spanlake_config::settings::collector as settings;
use spanlake_core::Error;

#[cfg(any(feature = "forward", feature = "otlp"))]
pub(super) fn address(url: &str, client: &settings::ClientSide) -> Result<spanlake_wire::client::Address, Error> {
    let mut address = spanlake_wire::client::Address::new(url);
    address.token = client.token_file.as_deref().map(|file| super::read_token(file.as_ref())).transpose()?;
    address.roots = client.roots.as_ref().map(Into::into);
    address.client = client.certificate.as_ref().zip(client.key.as_ref()).map(|(one, key)| (one.into(), key.into()));
    Ok(address)
}

#[cfg(feature = "otlp")]
pub(super) fn otlp(asked: &settings::OtlpPlugin) -> Result<crate::plugins::OtlpPlugin, Error> {
    use crate::plugins::{OtlpPlugin, Signals};
    let signals = match asked.signals {
        settings::Signals::Logs => Signals::Logs,
        _ => Signals::LogsAndSpans,
    };
    Ok(OtlpPlugin::new(address(&asked.url, &asked.client)?)?.signals(signals))
}

#[cfg(feature = "redis")]
pub(super) fn redis(asked: &settings::RedisPlugin) -> Result<crate::plugins::RedisPlugin, Error> {
    use crate::plugins::{Fields, RedisPlugin};
    let fields = match asked.fields {
        settings::RedisFields::Record => Fields::Record,
        _ => Fields::Columns,
    };
    match asked.mode {
        settings::RedisMode::Publish => RedisPlugin::channel(&asked.url, &asked.name),
        _ => Ok(RedisPlugin::stream(&asked.url, &asked.name, asked.max_len)?.fields(fields)),
    }
}

#[cfg(feature = "pubsub-zeromq")]
pub(super) fn zeromq(asked: &settings::ZeromqPlugin) -> Result<crate::plugins::ZeromqPlugin, Error> {
    use crate::plugins::{Notation, ZeromqPlugin};
    let address = asked.listen.parse().map_err(|_| super::invalid("`listen` of a plugin is no address"))?;
    let notation = match asked.format {
        settings::ZeromqFormat::Scoped => Notation::Scoped(system(asked.system)),
        _ => Notation::Notification(spanlake_wire::notification::Extent::Record),
    };
    let subscribers = usize::try_from(asked.subscribers.get()).unwrap_or(usize::MAX);
    Ok(ZeromqPlugin::new(address, notation).subscribers(subscribers))
}

#[cfg(feature = "nats")]
pub(super) fn nats(asked: &settings::NatsPlugin) -> Result<crate::plugins::NatsPlugin, Error> {
    use crate::plugins::{Form, NatsPlugin};
    let form = match asked.format {
        settings::NatsFormat::Scoped => Form::Scoped(system(asked.system)),
        settings::NatsFormat::Notifications => Form::Notification,
        _ => Form::Json,
    };
    Ok(NatsPlugin::new(&asked.url, &asked.subject)?.form(form))
}

#[cfg(any(feature = "pubsub-zeromq", feature = "nats"))]
fn system(asked: settings::System) -> spanlake_wire::scoped::System {
    use spanlake_wire::scoped::System;
    match asked {
        settings::System::Test => System::Test,
        settings::System::Staging => System::Staging,
        _ => System::Production,
    }
}

#[cfg(feature = "mongodb")]
pub(super) fn mongodb(asked: &settings::MongodbPlugin) -> Result<crate::plugins::MongoPlugin, Error> {
    use crate::plugins::{Acknowledged, MongoPlugin};
    let by = match asked.acknowledged {
        settings::Acknowledged::One => Acknowledged::One,
        _ => Acknowledged::Majority,
    };
    Ok(MongoPlugin::new(&asked.url, &asked.database, &asked.collection)?.acknowledged(by, asked.journal))
}
