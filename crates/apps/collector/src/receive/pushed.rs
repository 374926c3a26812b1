//! Segments that are pushed over ZeroMQ, many records a message.

use spanlake_wire::batch::Batch;
use spanlake_wire::exchange::{Head, TOPIC};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::zeromq::PAUSE;
use crate::intake::{Incoming, Intake, Reason};
use crate::queue::Refusal;

/// Messages that wait while others are kept.
pub(super) const WAITING: usize = 8;

/// Whether a message has segments.
pub(super) fn has_segments(frames: &[Vec<u8>]) -> bool {
    frames.first().is_some_and(|topic| topic == TOPIC)
}

/// The segments of a message, which has at most so many bytes when it is decompressed.
pub(super) fn read(frames: &[Vec<u8>], most_bytes: usize) -> Result<Incoming, Reason> {
    let [_, head, body] = frames else {
        return Err(Reason::Malformed);
    };
    let head = std::str::from_utf8(head).ok().and_then(Head::read).ok_or(Reason::Malformed)?;
    let batch = Batch::read(body, most_bytes).map_err(|error| Reason::of_batch(&error))?;
    let Head { mut stream, sequence, service } = head;
    // Nobody is asked for a token here: whoever sends must not pass for one who was.
    stream.sender.insert_str(0, "zeromq ");
    let segments = batch.entries().map(|entry| (entry.number, entry.segment.to_vec())).collect();
    Ok(Incoming { stream: Some(stream), sequence, service, segments })
}

/// Keeps what comes, what has come of one stream with one sync. Where the queue is full it waits, and with it those who send.
pub(super) async fn keep(intake: Intake, mut receiver: mpsc::Receiver<Incoming>) {
    let mut next = None;
    loop {
        let first = if next.is_some() { next.take() } else { receiver.recv().await };
        let Some(mut incoming) = first else { return };
        while next.is_none()
            && let Ok(more) = receiver.try_recv()
        {
            next = join(&mut incoming, more, intake.most_at_a_time() / 2);
        }
        while let Err(refusal) = intake.accept(incoming.clone()).await {
            match refusal {
                // Nobody else waits for room to remember its numbers: what comes again is there twice.
                Refusal::TooManyGaps => incoming.stream = None,
                refusal if refusal.is_retryable() => sleep(PAUSE).await,
                _ => break,
            }
        }
    }
}

/// Adds what came next, or gives it back where it is somebody else's or too much.
fn join(incoming: &mut Incoming, more: Incoming, most_bytes: u64) -> Option<Incoming> {
    let is_one = (&more.stream, &more.service) == (&incoming.stream, &incoming.service);
    if !is_one || bytes(incoming) + bytes(&more) > most_bytes {
        return Some(more);
    }
    // What is below the later one is not settled before this is kept.
    incoming.sequence = incoming.sequence.min(more.sequence);
    incoming.segments.extend(more.segments);
    None
}

fn bytes(incoming: &Incoming) -> u64 {
    incoming.segments.iter().map(|(_, segment)| segment.len() as u64).sum()
}

#[cfg(test)]
mod tests {
    use spanlake_wire::exchange::Stream;

    use super::*;

    fn incoming(sender: &str, number: u64) -> Incoming {
        let stream = Stream { sender: sender.to_owned(), epoch: 7 };
        Incoming {
            stream: Some(stream),
            sequence: number,
            service: "orders".into(),
            segments: vec![(number, vec![0; 10])],
        }
    }

    #[test]
    fn what_follows_is_kept_with_what_came_before_unless_it_is_too_much_or_of_somebody_else() {
        let mut first = incoming("a", 1);
        assert!(join(&mut first, incoming("a", 2), 20).is_none());
        let numbers: Vec<u64> = first.segments.iter().map(|(number, _)| *number).collect();
        assert_eq!((first.sequence, numbers), (1, vec![1, 2]), "the first is not settled by the second");
        assert_eq!(join(&mut first, incoming("a", 3), 20).map(|next| next.sequence), Some(3), "there is no room");
        assert!(join(&mut first, incoming("b", 1), 1000).is_some());
        let mut other = incoming("a", 3);
        other.service = "billing".to_owned();
        assert!(join(&mut first, other, 1000).is_some());
    }
}
