//! JetStream: the segments of a stream, which several collectors share by one durable consumer.
//!
//! # Flow
//!
//! A message is fetched, and its segment *held*, synced in a small queue of the receiver's own. Then it is *claimed*: one message in
//! a stream of claims, which only the first of all collectors can write. Who has the claim puts the segment into the collector's
//! queue, and only then is the message acknowledged. Where somebody else has it, what was held is dropped. A start begins with
//! what is still held, so that a collector that was killed goes on where it was, and asks the claims what became of it meanwhile.
//!
//! # What can be lost
//!
//! Nothing; why, and what may be there twice, is in `docs/decisions/0025-jetstream.md`.

mod counts;
mod hold;
mod claims;
mod message;
mod link;
mod session;
mod levels;

pub(crate) use counts::Counts;

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use spanlake_core::{Category, Error, Stage};
use spanlake_wire::nats::Access;
use spanlake_wire::subject;
use tokio::sync::watch;
use tokio::time::sleep;

use super::Receiving;
use crate::control::Control;
use crate::intake::Intake;
use hold::Hold;
use link::Link;
use session::Receiver;

const SERVICE: &str = "JetStream";

/// The first pause after something failed; each is twice as long as the one before.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);

/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A durable pull consumer of a stream with segments. All collectors that name the same stream and consumer share its messages.
#[derive(Clone, Debug)]
pub struct JetStream {
    access: Access,
    stream: String,
    consumer: String,
    /// Which messages of the stream; all of them unless a subject is named.
    pub subject: String,
    /// Most messages that are fetched at once.
    pub batch: NonZeroU32,
    /// Most bytes of messages that are fetched at once, if they are more than one.
    pub batch_bytes: usize,
    /// Longest segment when it is decompressed.
    pub segment_bytes: usize,
    /// How long the server waits for an acknowledgement before it gives a message to another collector; when the consumer is made.
    pub ack_wait: Duration,
    /// Most messages of the consumer that wait for one, of all collectors together; when the consumer is made.
    pub in_flight: NonZeroU32,
    /// Whether levels that services are asked for are told to senders by the same server.
    pub tells_levels: bool,
}

impl JetStream {
    /// The consumer of this name in this stream.
    ///
    /// | setting | default |
    /// |---|---|
    /// | `subject` | `spanlake.segments.>` |
    /// | `batch`, `batch_bytes` | 128 messages, 8 MiB |
    /// | `segment_bytes` | 64 MiB |
    /// | `ack_wait` | 30 s |
    /// | `in_flight` | 4096 |
    /// | `tells_levels` | on |
    pub fn new(url: impl Into<String>, stream: impl Into<String>, consumer: impl Into<String>) -> Self {
        Self {
            access: Access::new(SERVICE, url),
            stream: stream.into(),
            consumer: consumer.into(),
            subject: format!("{}.>", subject::SEGMENTS),
            batch: NonZeroU32::new(128).unwrap_or(NonZeroU32::MIN),
            batch_bytes: 8 << 20,
            segment_bytes: 64 << 20,
            ack_wait: Duration::from_secs(30),
            in_flight: NonZeroU32::new(4096).unwrap_or(NonZeroU32::MIN),
            tells_levels: true,
        }
    }

    /// What opens the server.
    pub fn access(&mut self) -> &mut Access {
        &mut self.access
    }

    /// Begins to receive. `folder` is the receiver's own.
    fn begin(
        self,
        name: &str,
        folder: &Path,
        intake: Intake,
        control: Arc<Control>,
    ) -> Result<(Receiving, Arc<Counts>), Error> {
        self.check(name)?;
        let hold = Hold::open(folder)?;
        let counts = Arc::new(Counts::of(name));
        let (open, closed) = watch::channel(());
        let settings = Arc::new(self);
        let receiver =
            Receiver { settings: Arc::clone(&settings), intake, counts: Arc::clone(&counts), hold, floor: 0 };
        let levels = levels::tell(settings, control, Arc::clone(&counts));
        let keeper = tokio::spawn(async move {
            tokio::select! {
                // It ends when it is told to, and in the middle of nothing.
                () = receive(receiver, closed) => {}
                () = levels => {}
            }
        });
        Ok((Receiving { open, keeper, address: None, standing: None }, counts))
    }

    /// Fails where it makes no sense, or a file that is named cannot be read. It asks no server.
    pub(crate) fn check(&self, name: &str) -> Result<(), Error> {
        let invalid = |why: &str| Error::new(Stage::Configuration, SERVICE, Category::Validation, why);
        self.access.check()?;
        let is_name = |name: &str| {
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        if ![name, &self.stream, &self.consumer].into_iter().all(is_name) {
            return Err(invalid("names of a receiver, a stream and a consumer are of letters, digits, `-` and `_`"));
        }
        Ok(())
    }
}

/// Begins to receive, each in a folder of its own below the queue's.
pub(crate) fn begin(
    asked: Vec<(String, JetStream)>,
    folder: &Path,
    intake: &Intake,
    control: &Arc<Control>,
    receiving: &mut Vec<Receiving>,
) -> Result<Vec<Arc<Counts>>, Error> {
    let mut all = Vec::new();
    for (name, jetstream) in asked {
        let folder = folder.join("jetstream").join(&name);
        let (begun, counts) = jetstream.begin(&name, &folder, intake.clone(), Arc::clone(control))?;
        receiving.push(begun);
        all.push(counts);
    }
    Ok(all)
}

/// Connections, one after the other: each ends when something fails, and the next begins with what is held.
async fn receive(mut receiver: Receiver, closed: watch::Receiver<()>) {
    let mut pause = SHORTEST_PAUSE;
    let mut ends = closed.clone();
    loop {
        let begun = Link::begin(&receiver.settings, receiver.hold.identity()).await;
        let ended = match begun {
            Ok(link) => {
                pause = SHORTEST_PAUSE;
                receiver.run(&link, closed.clone()).await
            }
            Err(error) => Err(error),
        };
        match ended {
            Ok(()) => return,
            Err(error) => receiver.counts.fail(&*error),
        }
        tokio::select! {
            () = sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
            _ = ends.changed() => return,
        }
    }
}
