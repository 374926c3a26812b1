//! Making room in a full buffer by dropping events that it already holds.

use tracing_core::Level;

use crate::buffer::Inner;
use crate::buffer::shard::ShardState;
use crate::record::level_from_code;
use crate::segment::Segment;
use crate::segment::evict::{Evicted, Wanted, evict};
use crate::segment::page::Page;
use crate::sync::{Arc, Mutex};

/// Beyond what the new record needs, this share of the missing room's segment is freed, so that not every record
/// under overload pays for a search.
const SLACK_BYTES: usize = 32 << 10;

impl Inner {
    /// Drops events whose level is a `victim`, least severe first and oldest first, until `need` bytes fit. Gives
    /// whether there is more room than before, be it that another thread has made it meanwhile.
    pub(crate) fn reclaim(&self, need: usize, victim: impl Fn(Level) -> bool) -> bool {
        let Some(_reclaiming) = self.lock(&self.reclaiming) else {
            return false;
        };
        let (bytes, records) = self.room.missing(need);
        if (bytes, records) == (0, 0) {
            return true;
        }
        let slack = SLACK_BYTES.min(self.room.used() / 16);
        let mut wanted = Wanted { bytes: if bytes == 0 { 0 } else { bytes + slack }, records };
        let before = wanted;
        let shards = self.lock(&self.shards).map_or_else(Vec::new, |shards| shards.clone());
        for levels in self.victim_levels(&victim) {
            for shard in self.by_age(&shards) {
                if wanted.is_met() {
                    return true;
                }
                if let Some(mut state) = self.lock(&shard) {
                    self.reclaim_from(&mut state, &mut wanted, &levels);
                }
            }
        }
        wanted != before
    }

    /// The shards with the oldest record first.
    fn by_age(&self, shards: &[Arc<Mutex<ShardState>>]) -> Vec<Arc<Mutex<ShardState>>> {
        let age = |shard: &Arc<Mutex<ShardState>>| self.lock(shard).map_or(i64::MAX, |state| state.oldest_ns());
        let mut aged: Vec<_> = shards.iter().map(|shard| (age(shard), shard)).collect();
        aged.sort_by_key(|(oldest, _)| *oldest);
        aged.into_iter().map(|(_, shard)| Arc::clone(shard)).collect()
    }

    /// The levels to search, pass by pass: all at once when every level gives way alike, else one after the other.
    fn victim_levels(&self, victim: &impl Fn(Level) -> bool) -> Vec<Vec<Level>> {
        let victims: Vec<Level> = (0..5).map(level_from_code).filter(|level| victim(*level)).collect();
        if victims.len() == 5 { vec![victims] } else { victims.into_iter().map(|level| vec![level]).collect() }
    }

    fn reclaim_from(&self, state: &mut ShardState, wanted: &mut Wanted, levels: &[Level]) {
        for segment in &mut state.sealed {
            self.reclaim_segment(segment, wanted, levels);
        }
        if !wanted.is_met() && holds(state.writer.stats(), levels) {
            if self.spool.is_some() {
                // A file is only ever replaced as a whole, so that a kill in between leaves one or the other.
                state.seal(&self.room, |_| Page::default());
                if let Some(last) = state.sealed.back_mut() {
                    self.reclaim_segment(last, wanted, levels);
                }
                return;
            }
            let mut open = state.writer.borrow_segment();
            self.reclaim_segment(&mut open, wanted, levels);
            state.writer.put_back(open);
        }
    }

    fn reclaim_segment(&self, segment: &mut Segment, wanted: &mut Wanted, levels: &[Level]) {
        if wanted.is_met() || !holds(&segment.stats, levels) {
            return;
        }
        let evicted = self.evict_from(segment, wanted, levels);
        if let Some(loss) = &evicted.loss {
            self.losses.add(loss);
            self.room.release(evicted.bytes, loss.count());
        }
    }
}

impl Inner {
    /// A file is replaced as a whole, so that a kill in between leaves one or the other.
    fn evict_from(&self, segment: &mut Segment, wanted: &mut Wanted, levels: &[Level]) -> Evicted {
        let victim = |level: Level| levels.contains(&level);
        let Some(spool) = self.spool.as_ref().filter(|_| segment.page.is_mapped()) else {
            return evict(segment, wanted, victim);
        };
        let mut smaller = segment.clone();
        let mut evicted = evict(&mut smaller, wanted, victim);
        evicted.bytes += segment.stats.unused as isize;
        let page = std::mem::take(&mut segment.page);
        *segment = Segment { page: spool.replace(page, smaller.bytes()), stats: smaller.stats };
        evicted
    }
}

fn holds(stats: &crate::segment::Stats, levels: &[Level]) -> bool {
    levels.iter().any(|level| stats.event_bytes[usize::from(crate::record::level_code(*level))] > 0)
}

impl ShardState {
    fn oldest_ns(&self) -> i64 {
        let oldest = self.sealed.front().map_or(self.writer.stats(), |segment| &segment.stats);
        if oldest.records == 0 { i64::MAX } else { oldest.first_ns }
    }
}
