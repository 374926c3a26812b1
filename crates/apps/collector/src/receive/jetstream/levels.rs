//! Tells the levels that services are asked for, by subjects whose last message stays.

use std::sync::Arc;

use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, LastRawMessageErrorKind, Stream};
use async_nats::jetstream::{self, Context};
use spanlake_wire::asked::Asked;
use spanlake_wire::nats::BoxError;
use spanlake_wire::subject;
use tokio::time::sleep;

use super::{Counts, JetStream, LONGEST_PAUSE};
use crate::control::Control;

/// Tells everything that changes, and at the start what is in force. It never ends.
pub(super) async fn tell(settings: Arc<JetStream>, control: Arc<Control>, counts: Arc<Counts>) {
    if !settings.tells_levels {
        return std::future::pending().await;
    }
    loop {
        if let Err(error) = follow(&settings, &control).await {
            counts.fail(&*error);
        }
        sleep(LONGEST_PAUSE).await;
    }
}

async fn follow(settings: &JetStream, control: &Control) -> Result<(), BoxError> {
    let mut changes = control.changes();
    let context = jetstream::new(settings.access.connect().await?);
    let config = Config {
        name: subject::VERBOSITY_STREAM.to_owned(),
        subjects: vec![format!("{}.>", subject::VERBOSITY)],
        max_messages_per_subject: 1,
        allow_direct: true,
        ..Config::default()
    };
    let stream = context.get_or_create_stream(config).await?;
    let mut told = 0;
    loop {
        let newest = *changes.borrow_and_update();
        for (service, asked) in control.since(told) {
            while !tell_one(&context, &stream, &service, &asked).await? {}
        }
        told = newest;
        changes.changed().await?;
    }
}

/// Tells what one service is asked for, unless something newer is told; whether that is settled.
async fn tell_one(context: &Context, stream: &Stream, service: &str, asked: &Asked) -> Result<bool, BoxError> {
    let subject = subject::of_service(subject::VERBOSITY, service);
    let (number, version) = match stream.get_last_raw_message_by_subject(&subject).await {
        Ok(last) => {
            let told = serde_json::from_slice::<Asked>(&last.payload);
            (last.sequence, told.map_or(0, |told| told.version))
        }
        Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => (0, 0),
        Err(error) => return Err(error.into()),
    };
    if version >= asked.version {
        return Ok(true);
    }
    let message = PublishMessage::build().payload(serde_json::to_vec(asked)?.into());
    match context.send_publish(subject, message.expected_last_subject_sequence(number)).await?.await {
        Ok(_) => Ok(true),
        // Another collector was quicker.
        Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(false),
        Err(error) => Err(error.into()),
    }
}
