//! Claims: which collector has which message, as all of them see it.
//!
//! A claim is a message in a stream beside that of the segments, under a subject of its own, that is written only where there is
//! none. Its owner removes it when it has the segment for good and no message up to this one can be delivered any more. Who
//! acknowledges a message for its owner, which may be dead, says so before under another subject: so that the owner, when it comes
//! back, can tell that message from one that others have settled altogether.

use async_nats::jetstream::Context;
use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{PublishAckFuture, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{
    Config, DeleteMessageError, DeleteMessageErrorKind, DiscardPolicy, LastRawMessageErrorKind, Stream,
};
use futures_util::future::try_join_all;
use spanlake_wire::nats::BoxError;

use super::hold::Place;

/// Claims that are on their way at once; the library lets 5,000 messages wait for their answers, and one more only when one is answered.
const CLAIMS: usize = 1000;

/// Removals that are on their way at once.
const REMOVALS: usize = 64;

/// Longest name of an owner that is told; ours have 16.
const MOST_NAME: usize = 64;

pub(super) struct Claims {
    context: Context,
    stream: Stream,
    subject: String,
    identity: String,
}

/// Whose a message is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// Ours; the claim has this number.
    Us(u64),
    /// That of another collector.
    Other(String),
    /// Nobody's any more: it is settled.
    Gone,
}

impl Claims {
    pub(super) async fn open(
        context: &Context,
        stream: &str,
        consumer: &str,
        identity: String,
    ) -> Result<Self, BoxError> {
        let subject = format!("spanlake.claims.{stream}.{consumer}");
        let config = Config {
            name: format!("{stream}_{consumer}_CLAIMS"),
            subjects: vec![format!("{subject}.>")],
            discard: DiscardPolicy::New,
            max_messages_per_subject: 1,
            allow_direct: false,
            ..Config::default()
        };
        let stream = context.get_or_create_stream(config).await?;
        Ok(Self { context: context.clone(), stream, subject, identity })
    }

    /// Claims messages, and says whose each of them is.
    pub(super) async fn claim(&self, places: &[Place]) -> Result<Vec<Owner>, BoxError> {
        let mut owners = Vec::with_capacity(places.len());
        for places in places.chunks(CLAIMS) {
            owners.extend(self.claim_some(places).await?);
        }
        Ok(owners)
    }

    async fn claim_some(&self, places: &[Place]) -> Result<Vec<Owner>, BoxError> {
        let mut sent = Vec::with_capacity(places.len());
        for place in places {
            let claim = PublishMessage::build().payload(self.identity.clone().into()).expected_last_subject_sequence(0);
            sent.push(self.context.send_publish(self.subject_of(place), claim).await?);
        }
        let mut owners = Vec::with_capacity(places.len());
        for (place, sent) in places.iter().zip(sent) {
            owners.push(self.owner(place, sent).await?);
        }
        Ok(owners)
    }

    async fn owner(&self, place: &Place, sent: PublishAckFuture) -> Result<Owner, BoxError> {
        match sent.await {
            Ok(claimed) => return Ok(Owner::Us(claimed.sequence)),
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => {}
            Err(error) => return Err(error.into()),
        }
        Ok(match self.last(&self.subject_of(place)).await? {
            None => Owner::Gone,
            Some((number, owner)) if owner == self.identity => Owner::Us(number),
            // Words of a subject are not empty.
            Some((_, owner)) if owner.is_empty() => Owner::Other("nobody".to_owned()),
            Some((_, owner)) => Owner::Other(owner),
        })
    }

    /// Says that a message is acknowledged for its owner, who owes it to its lake.
    pub(super) async fn owe(&self, place: &Place, owner: &str) -> Result<(), BoxError> {
        let owed = PublishMessage::build();
        self.context.send_publish(self.owed(place, owner), owed).await?.await?;
        Ok(())
    }

    /// Whether others acknowledged a message for us.
    pub(super) async fn is_owed(&self, place: &Place) -> Result<bool, BoxError> {
        Ok(self.last(&self.owed(place, &self.identity)).await?.is_some())
    }

    /// Removes claims of ours.
    pub(super) async fn remove(&self, numbers: Vec<u64>) -> Result<(), BoxError> {
        for numbers in numbers.chunks(REMOVALS) {
            let removals: Vec<_> = numbers.iter().map(|number| self.remove_one(*number)).collect();
            try_join_all(removals).await?;
        }
        Ok(())
    }

    async fn remove_one(&self, number: u64) -> Result<(), BoxError> {
        match self.stream.delete_message(number).await {
            Err(error) if !is_gone(&error) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Removes what was said to be owed by us, when there is nothing of it left.
    pub(super) async fn remove_owed(&self) -> Result<(), BoxError> {
        self.stream.purge().filter(format!("{}.owed.{}.>", self.subject, self.identity)).await?;
        Ok(())
    }

    /// The number and the text of the last message of a subject.
    async fn last(&self, subject: &str) -> Result<Option<(u64, String)>, BoxError> {
        match self.stream.get_last_raw_message_by_subject(subject).await {
            Ok(message) => {
                let text = message.payload.iter().copied().filter(u8::is_ascii_alphanumeric).map(char::from);
                Ok(Some((message.sequence, text.take(MOST_NAME).collect())))
            }
            Err(error) if matches!(error.kind(), LastRawMessageErrorKind::NoMessageFound) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    fn subject_of(&self, place: &Place) -> String {
        format!("{}.claim.{}.{}", self.subject, place.stream.epoch, place.sequence)
    }

    fn owed(&self, place: &Place, owner: &str) -> String {
        format!("{}.owed.{owner}.{}.{}", self.subject, place.stream.epoch, place.sequence)
    }
}

/// Whether what should be removed is not there.
fn is_gone(error: &DeleteMessageError) -> bool {
    let gone = [ErrorCode::STREAM_MESSAGE_DELETE_FAILED, ErrorCode::SEQUENCE_NOT_FOUND, ErrorCode::NO_MESSAGE_FOUND];
    matches!(error.kind(), DeleteMessageErrorKind::JetStream(error) if gone.contains(&error.error_code()))
}
