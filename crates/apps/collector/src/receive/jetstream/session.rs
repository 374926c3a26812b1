//! What is done with messages: they are held, claimed, put into the queue, and acknowledged.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{AckKind, Message};
use futures_util::future::try_join_all;
use spanlake_wire::nats::BoxError;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::JetStream;
use super::claims::Owner;
use super::counts::{Counts, End};
use super::hold::{Held, Hold, Place, Settled};
use super::link::Link;
use super::message::{self, Parcel};
use crate::intake::{Incoming, Intake, Reason};
use crate::queue::Refusal;

/// Segments that are held with one sync, in bytes. What decompresses to more is held by and by.
const PORTION_BYTES: u64 = 16 << 20;

/// What a queue counts beside the bytes of a segment, or more.
const AROUND: u64 = 1024;

/// How soon a message comes again, to whoever has room, that was given back.
const COME_BACK: Duration = Duration::from_secs(5);

/// How long is waited before a full queue is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// What goes on from one connection to the next.
pub(super) struct Receiver {
    pub(super) settings: Arc<JetStream>,
    pub(super) intake: Intake,
    pub(super) counts: Arc<Counts>,
    pub(super) hold: Hold,
    /// Every message up to this one is acknowledged, and is nothing that this collector still has to settle.
    pub(super) floor: u64,
}

impl Receiver {
    /// Settles what is held, then takes messages until it is told to end.
    pub(super) async fn run(&mut self, link: &Link, mut closed: watch::Receiver<()>) -> Result<(), BoxError> {
        self.hold.rewind();
        self.floor = 0;
        self.settle(link).await?;
        self.look(link).await?;
        if self.hold.settled.is_empty() {
            link.claims.remove_owed().await?;
        }
        loop {
            // Others may have room.
            let is_full = self.intake.refusal_of(0).is_some();
            let messages = tokio::select! {
                messages = link.fetch(), if !is_full => messages?,
                () = sleep(PAUSE), if is_full => continue,
                _ = closed.changed() => return Ok(()),
            };
            if messages.is_empty() {
                self.look(link).await?;
            } else {
                self.take(link, &messages).await?;
            }
        }
    }

    /// Settles messages and acknowledges them; the server hears meanwhile that it goes on.
    async fn take(&mut self, link: &Link, messages: &[Message]) -> Result<(), BoxError> {
        let mut ticks = interval((link.ack_wait() / 3).max(Duration::from_millis(10)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks.tick().await;
        let work = self.take_all(link, messages);
        tokio::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = ticks.tick() => {
                    // One that is acknowledged already stays so.
                    for message in messages {
                        let _ = message.ack_with(AckKind::Progress).await;
                    }
                }
            }
        }
    }

    async fn take_all(&mut self, link: &Link, messages: &[Message]) -> Result<(), BoxError> {
        let mut left = messages;
        while !left.is_empty() {
            left = self.take_portion(link, left).await?;
        }
        Ok(())
    }

    /// Takes the first messages, as many as may be in memory; gives the others.
    async fn take_portion<'m>(&mut self, link: &Link, messages: &'m [Message]) -> Result<&'m [Message], BoxError> {
        let (mut parcels, mut bytes, mut left) = (Vec::new(), 0, messages);
        let most = self.intake.most_at_a_time().min(self.hold.most_at_a_time());
        while let Some((message, others)) = left.split_first().filter(|_| bytes < PORTION_BYTES.min(most / 4)) {
            left = others;
            match message::read(message, self.settings.segment_bytes) {
                Ok(parcel) if size(&parcel.service, &parcel.segment) > most => {
                    self.terminate(message, Reason::TooLarge).await?
                }
                Ok(parcel) => {
                    bytes += size(&parcel.service, &parcel.segment);
                    parcels.push((message, parcel));
                }
                Err(reason) => self.terminate(message, reason).await?,
            }
        }
        let mut refusal = self.intake.refusal_of(bytes.min(most));
        while matches!(refusal, Some(Refusal::Busy)) {
            sleep(PAUSE).await;
            refusal = self.intake.refusal_of(bytes.min(most));
        }
        if let Some(refusal) = refusal {
            self.intake.refuse(Reason::of(&refusal));
            let messages: Vec<&Message> = parcels.iter().map(|(message, _)| *message).collect();
            self.give_back(&messages).await?;
            return Ok(left);
        }
        let (held, refused) = self.hold(link, parcels).await;
        self.settle(link).await?;
        let acknowledged: Vec<_> = held.iter().map(|message| message.double_ack()).collect();
        try_join_all(acknowledged).await?;
        self.give_back(&refused).await?;
        self.clear(link).await?;
        Ok(left)
    }

    /// Holds what was read; gives the messages that are held, and those for which there was no room.
    async fn hold<'m>(&self, link: &Link, parcels: Vec<(&'m Message, Parcel)>) -> (Vec<&'m Message>, Vec<&'m Message>) {
        let (mut told, mut held, mut refused) = (Vec::new(), Vec::new(), Vec::new());
        for (message, Parcel { sequence, service, segment }) in parcels {
            let place = Place { stream: link.stream.clone(), sequence };
            told.push((message, self.hold.put(place, self.floor, service, segment)));
        }
        for (message, told) in told {
            match told.await {
                Ok(Ok(stored)) => {
                    self.counts.add(End::Repeated, usize::from(stored.repeated > 0));
                    held.push(message);
                }
                _ => refused.push(message),
            }
        }
        (held, refused)
    }

    async fn terminate(&self, message: &Message, reason: Reason) -> Result<(), BoxError> {
        self.intake.refuse(reason);
        self.counts.add(End::Terminated, 1);
        message.double_ack_with(AckKind::Term).await
    }

    async fn give_back(&self, messages: &[&Message]) -> Result<(), BoxError> {
        for message in messages {
            self.counts.add(End::GivenBack, 1);
            message.ack_with(AckKind::Nak(Some(COME_BACK))).await?;
        }
        Ok(())
    }

    /// Settles everything that is held: puts what is ours into the queue, and drops what is not.
    async fn settle(&mut self, link: &Link) -> Result<(), BoxError> {
        let mut floor = None;
        loop {
            let held = self.hold.next().await?;
            if held.is_empty() {
                break;
            }
            floor = Some(self.settle_some(link, held).await?);
        }
        // Nothing is left to be settled: what was acknowledged before never concerns this collector again.
        self.floor = floor.unwrap_or(self.floor).max(self.floor);
        Ok(())
    }

    async fn settle_some(&mut self, link: &Link, held: Vec<Held>) -> Result<u64, BoxError> {
        let places: Vec<Place> = held.iter().map(|held| held.place.clone()).collect();
        let owners = link.claims.claim(&places).await?;
        // Behind the claims: one that was made while its message was not yet acknowledged is nobody else's.
        let floor = link.acknowledged().await?;
        let mut ours = Vec::new();
        for (held, owner) in held.into_iter().zip(owners) {
            let is_open = held.place.stream != link.stream || held.place.sequence > floor;
            let is_ours = match &owner {
                Owner::Us(_) => is_open || link.claims.is_owed(&held.place).await?,
                Owner::Other(owner) => {
                    if is_open {
                        link.claims.owe(&held.place, owner).await?;
                    }
                    false
                }
                Owner::Gone => false,
            };
            let claim = if let Owner::Us(number) = owner { Some(number) } else { None };
            self.hold.settled.push_back(Settled { index: held.index, place: held.place.clone(), claim });
            if is_ours {
                ours.push(held);
            } else {
                self.counts.add(End::Elsewhere, 1);
            }
        }
        self.store(link, ours).await?;
        Ok(floor)
    }

    /// Puts segments into the queue; waits where it is full, for they are ours now.
    async fn store(&mut self, link: &Link, held: Vec<Held>) -> Result<(), BoxError> {
        let (mut left, most) = (held.as_slice(), self.intake.most_at_a_time());
        while let Some(first) = left.first() {
            let mut room = most;
            let fits = |held: &&Held| {
                let is_alike = held.service == first.service && held.place.stream == first.place.stream;
                let is_first = std::ptr::eq(*held, first);
                room = room.saturating_sub(size(&held.service, &held.segment));
                is_first || (is_alike && room > 0)
            };
            let (alike, others) = left.split_at(left.iter().take_while(fits).count());
            while !self.put(link, alike).await? {
                sleep(PAUSE).await;
            }
            self.counts.add(End::Stored, alike.len());
            left = others;
        }
        Ok(())
    }

    /// Puts segments of one service into the queue; whether it took them.
    async fn put(&self, link: &Link, held: &[Held]) -> Result<bool, BoxError> {
        let Some(Held { place, service, .. }) = held.first() else {
            return Ok(true);
        };
        let sequence = if place.stream == link.stream { self.floor.saturating_add(1) } else { 0 };
        let segments = held.iter().map(|held| (held.place.sequence, held.segment.clone())).collect();
        let incoming = Incoming { stream: Some(place.stream.clone()), sequence, service: service.clone(), segments };
        match self.intake.accept(incoming).await {
            Ok(_) => Ok(true),
            Err(refusal) if refusal.is_retryable() => Ok(false),
            Err(refusal) => Err(refusal.into()),
        }
    }

    /// Where nothing comes, what is settled may still wait to be let go.
    async fn look(&mut self, link: &Link) -> Result<(), BoxError> {
        if !self.hold.settled.is_empty() {
            self.floor = link.acknowledged().await?.max(self.floor);
            self.clear(link).await?;
        }
        Ok(())
    }

    /// Removes claims of ours on messages that nobody is given any more, and lets go of what was held of them.
    async fn clear(&mut self, link: &Link) -> Result<(), BoxError> {
        let is_done = |settled: &Settled| settled.place.stream != link.stream || settled.place.sequence <= self.floor;
        let done = self.hold.settled.iter().take_while(|settled| is_done(settled)).count();
        let Some(last) = done.checked_sub(1).and_then(|last| self.hold.settled.get(last)) else {
            return Ok(());
        };
        let index = last.index;
        let claims = self.hold.settled.iter().take(done).filter_map(|settled| settled.claim).collect();
        link.claims.remove(claims).await?;
        self.hold.settled.drain(..done);
        self.hold.let_go(index).await
    }
}

/// What a queue counts for a segment, or a little more.
fn size(service: &str, segment: &[u8]) -> u64 {
    (service.len() + segment.len()) as u64 + AROUND
}
