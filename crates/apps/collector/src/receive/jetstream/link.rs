//! A connection to the stream: its messages, its claims, and how far it is acknowledged.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, PullConsumer, pull};
use async_nats::jetstream::stream::{RetentionPolicy, Stream as Source};
use async_nats::jetstream::{self, Context, Message};
use futures_util::StreamExt;
use spanlake_wire::exchange::Stream;
use spanlake_wire::nats::BoxError;
use tokio::time::timeout;

use super::JetStream;
use super::claims::Claims;

/// How long a message is waited for at a time.
const WAIT_FOR: Duration = Duration::from_secs(2);

/// How long nothing may come of what was asked for, which the server has forgotten then, or never heard of: the connection was another
/// one when it was asked.
const SILENCE: Duration = Duration::from_secs(5);

/// A connection, until something fails.
pub(super) struct Link {
    pub(super) claims: Claims,
    /// Who numbers the messages: another one when the stream was deleted and made anew.
    pub(super) stream: Stream,
    source: Source,
    consumer: PullConsumer,
    batch: usize,
    batch_bytes: usize,
}

impl Link {
    /// Connects. The stream has to be there; the consumer and the claims are made.
    pub(super) async fn begin(settings: &JetStream, identity: String) -> Result<Self, BoxError> {
        let context = jetstream::new(settings.access.connect().await?);
        let source = context.get_stream(&settings.stream).await?;
        let consumer = consumer(settings, &source).await?;
        let claims = Claims::open(&context, &settings.stream, &settings.consumer, identity).await?;
        let created_us = source.cached_info().created.unix_timestamp_nanos() / 1_000;
        let stream = Stream {
            sender: format!("jetstream/{}/{}", settings.stream, settings.consumer),
            epoch: u64::try_from(created_us).unwrap_or(0),
        };
        let batch = usize::try_from(settings.batch.get()).unwrap_or(usize::MAX);
        let batch_bytes = settings.batch_bytes.max(longest(&context));
        Ok(Self { claims, stream, source, consumer, batch, batch_bytes })
    }

    /// How long the server waits for an acknowledgement.
    pub(super) fn ack_wait(&self) -> Duration {
        self.consumer.cached_info().config.ack_wait
    }

    /// What there is, or else the next message; none when none comes.
    pub(super) async fn fetch(&self) -> Result<Vec<Message>, BoxError> {
        let fetched = self.consumer.fetch().max_messages(self.batch).max_bytes(self.batch_bytes).messages().await?;
        let messages = collect(fetched).await?;
        if !messages.is_empty() {
            return Ok(messages);
        }
        let next = self.consumer.batch().max_messages(1).max_bytes(self.batch_bytes).expires(WAIT_FOR);
        collect(next.messages().await?).await
    }

    /// Up to which message all are acknowledged, whoever did it.
    pub(super) async fn acknowledged(&self) -> Result<u64, BoxError> {
        let consumer = self.consumer.get_info().await?.ack_floor.stream_sequence;
        let source = self.source.get_info().await?;
        // There a message leaves the stream when it is acknowledged, also where the consumer has not caught up in counting.
        let is_queue = source.config.retention == RetentionPolicy::WorkQueue;
        Ok(if is_queue { consumer.max(source.state.first_sequence.saturating_sub(1)) } else { consumer })
    }
}

async fn consumer(settings: &JetStream, source: &Source) -> Result<PullConsumer, BoxError> {
    let config = pull::Config {
        durable_name: Some(settings.consumer.clone()),
        ack_policy: AckPolicy::Explicit,
        ack_wait: settings.ack_wait,
        max_ack_pending: settings.in_flight.get().into(),
        filter_subject: settings.subject.clone(),
        ..pull::Config::default()
    };
    let consumer: PullConsumer = source.get_or_create_consumer(&settings.consumer, config).await?;
    if consumer.cached_info().config.ack_policy != AckPolicy::Explicit {
        return Err("the consumer does not have each message acknowledged".into());
    }
    Ok(consumer)
}

/// Longest message that the server takes, with what it counts around it: none is in the way for ever.
fn longest(context: &Context) -> usize {
    2 * context.client().server_info().max_payload
}

async fn collect(mut fetched: pull::Batch) -> Result<Vec<Message>, BoxError> {
    let mut messages = Vec::new();
    loop {
        match timeout(SILENCE, fetched.next()).await {
            Ok(Some(Ok(message))) => messages.push(message),
            Ok(None) => return Ok(messages),
            // What has come is to be settled; what is wrong will be so the next time.
            Ok(Some(Err(_))) | Err(_) if !messages.is_empty() => return Ok(messages),
            Ok(Some(Err(error))) => return Err(error),
            Err(_) => return Err("the server does not say what there is".into()),
        }
    }
}
