//! Streams of JetStream, as settings say.

use spanlake_config::settings::collector as settings;
use spanlake_core::Error;

use crate::collector::CollectorBuilder;

#[cfg(feature = "nats")]
pub(super) fn add(mut builder: CollectorBuilder, settings: &settings::Collector) -> Result<CollectorBuilder, Error> {
    for (name, asked) in settings.receive.jetstream.iter() {
        let named = |error: Error| error.with("receiver", name);
        let mut jetstream = crate::receive::JetStream::new(&asked.url, &asked.stream, &asked.consumer);
        let (access, client) = (jetstream.access(), &asked.client);
        let token = client.token_file.as_deref().map(|file| super::read_token(file.as_ref())).transpose();
        access.token = token.map_err(named)?;
        access.credentials = asked.credentials.as_ref().map(Into::into);
        access.roots = client.roots.as_ref().map(Into::into);
        access.client = client.certificate.as_ref().zip(client.key.as_ref()).map(|(one, key)| (one.into(), key.into()));
        jetstream.subject.clone_from(&asked.subject);
        (jetstream.batch, jetstream.batch_bytes) = (asked.batch, super::memory(asked.batch_bytes));
        jetstream.segment_bytes = super::memory(settings.limits.batch);
        (jetstream.ack_wait, jetstream.in_flight) = (asked.ack_wait, asked.in_flight);
        jetstream.tells_levels = asked.levels;
        jetstream.check(name).map_err(named)?;
        builder = builder.jetstream(name, jetstream);
    }
    Ok(builder)
}

#[cfg(not(feature = "nats"))]
pub(super) fn add(builder: CollectorBuilder, settings: &settings::Collector) -> Result<CollectorBuilder, Error> {
    match settings.receive.jetstream.iter().next() {
        Some((name, _)) => {
            let why = "this spanlaked is built without the feature `nats`";
            Err(super::invalid(why).with("receiver", name))
        }
        None => Ok(builder),
    }
}
