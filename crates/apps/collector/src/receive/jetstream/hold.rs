//! What was fetched and is not settled: a small queue, synced before a message is claimed.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use spanlake_core::{Error, disk};
use spanlake_wire::exchange::Stream;
use spanlake_wire::nats::BoxError;
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use crate::queue::{Delivery, Options, Queue, Reader, Refusal, Stored};

/// Most bytes on the disk. What is held waits there until every message before it is acknowledged.
const MOST_BYTES: NonZeroU64 = NonZeroU64::new(1 << 30).unwrap();

/// How often what is settled is let go for good.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);

/// Who reads it.
const READER: &str = "settle";

/// A message's place: the stream, which is another one when it was deleted and made anew, and the message's number in it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) stream: Stream,
    pub(super) sequence: u64,
}

/// A segment that is held.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) index: u64,
    pub(super) place: Place,
    pub(super) service: String,
    pub(super) segment: Vec<u8>,
}

/// One that is settled, and waits for those before it.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) index: u64,
    pub(super) place: Place,
    /// Our claim, to be removed.
    pub(super) claim: Option<u64>,
}

#[derive(Debug)]
pub(super) struct Hold {
    queue: Arc<Queue>,
    reader: Option<Reader>,
    /// In the order in which they are held.
    pub(super) settled: VecDeque<Settled>,
    checkpoint_at: Instant,
}

impl Hold {
    pub(super) fn open(folder: &Path) -> Result<Self, Error> {
        // Before anything is held, the collector's own queue is asked how full the disk may be.
        let options = Options::new(folder, MOST_BYTES).most_disk_percent(100);
        let (queue, _) = Queue::open(options, disk::real(), &[READER])?;
        let reader = queue.reader(READER);
        Ok(Self { queue: Arc::new(queue), reader, settled: VecDeque::new(), checkpoint_at: Instant::now() })
    }

    /// What tells this collector from all others, as long as it has its folder.
    pub(super) fn identity(&self) -> String {
        format!("{:016x}", self.queue.identity())
    }

    /// How many bytes may be held at a time.
    pub(super) fn most_at_a_time(&self) -> u64 {
        self.queue.most_at_a_time()
    }

    /// Holds a segment; tells when it is synced. Every message up to `floor` is settled, and none of them is held again.
    pub(super) fn put(
        &self,
        place: Place,
        floor: u64,
        service: String,
        segment: Vec<u8>,
    ) -> oneshot::Receiver<Result<Stored, Refusal>> {
        let (tell, told) = oneshot::channel();
        let entries = vec![(Some(place.sequence), segment)];
        let delivery = Delivery { stream: Some(place.stream), floor: floor.saturating_add(1), service, entries };
        self.queue.offer(delivery, move |stored| drop(tell.send(stored)));
        told
    }

    /// Begins anew with everything that is not let go.
    pub(super) fn rewind(&mut self) {
        self.settled.clear();
        self.reader = self.queue.reader(READER);
    }

    /// The next of those that are held; none when there are no more.
    pub(super) async fn next(&mut self) -> Result<Vec<Held>, BoxError> {
        let mut reader = self.reader.take().ok_or("the queue of what is held is closed")?;
        let (reader, items) = spawn_blocking(move || {
            let items = reader.next(Instant::now());
            (reader, items)
        })
        .await?;
        self.reader = Some(reader);
        let held = |entry: crate::queue::Entry<'_>| {
            let place = Place { stream: entry.owned_stream()?, sequence: entry.number? };
            Some(Held { index: entry.index, place, service: entry.service.to_owned(), segment: entry.segment.to_vec() })
        };
        Ok(items?.map(|items| items.iter().filter_map(held).collect()).unwrap_or_default())
    }

    /// Lets go of everything up to this index.
    pub(super) async fn let_go(&mut self, index: u64) -> Result<(), BoxError> {
        self.reader.iter().for_each(|reader| reader.confirm(index, Vec::new()));
        if self.checkpoint_at.elapsed() >= CHECKPOINT_EVERY {
            self.checkpoint_at = Instant::now();
            let queue = Arc::clone(&self.queue);
            spawn_blocking(move || queue.checkpoint()).await??;
        }
        Ok(())
    }
}
