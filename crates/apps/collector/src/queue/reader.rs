//! A plugin's way through the queue.

use std::io::{self, ErrorKind};
use std::ops::Range;
use std::time::Instant;

use spanlake_core::Error;
use spanlake_core::sync::Arc;

use crate::queue::checkpoint::Progress;
use crate::queue::entry::{Entry, HEAD_BYTES, HEADER_BYTES, Read, Scan};
use crate::queue::shared::{Shared, State, Stretch};

/// How much is read at a time, unless one entry has more.
const READ_BYTES: u64 = 1 << 20;

/// A plugin's way through the queue: it gets every entry, in order, from the first that it has not confirmed.
///
/// A new reader of the same plugin begins there again. What two of them get at the same time is the same.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    plugin: String,
    /// The index of the next entry to hand out.
    next: u64,
    /// The file with it, and where it stands there.
    place: Option<(u64, u64)>,
}

/// Entries that were read together, at least one.
#[derive(Debug)]
pub struct Items {
    bytes: Vec<u8>,
    entries: Vec<Range<usize>>,
    last: u64,
}

/// What was read of a file.
#[derive(Default)]
struct Part {
    bytes: Vec<u8>,
    entries: Vec<Range<usize>>,
    /// One more than the last index.
    next: u64,
    /// Behind the last entry.
    end: usize,
    /// How long the part would have to be for the next entry, when none was whole.
    needs: usize,
    is_damaged: bool,
}

// === impl Reader ===

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, plugin: &str) -> Option<Self> {
        let next = shared.state().plugins.get(plugin)?.next;
        Some(Self { shared, plugin: plugin.to_owned(), next, place: None })
    }

    /// The next entries; `None` when there are none until `deadline`, or none any more because the queue is closed.
    ///
    /// An error is the disk's, and the next call tries again. Entries that cannot be read are passed over and counted.
    pub fn next(&mut self, deadline: Instant) -> Result<Option<Items>, Error> {
        loop {
            let next = self.next;
            let Some(file) = self.shared.wait_for(deadline, |state| file_with(state, next)).flatten() else {
                return Ok(None);
            };
            match self.read(&file) {
                Ok(Some(items)) => return Ok(Some(items)),
                Ok(None) => {}
                // All plugins are past it, this one too: another reader of it confirmed.
                Err(error) if error.kind() == ErrorKind::NotFound && self.catch_up() => {}
                Err(error) => {
                    self.shared.failed(&error);
                    let error = Error::io("Queue", "cannot read a file of the queue", error);
                    return Err(error.with("file", file.path.display()));
                }
            }
        }
    }

    /// Says that the plugin has everything up to this index for good, and what it wants to know after a restart. It is known
    /// after a restart from the next checkpoint on.
    pub fn confirm(&self, index: u64, note: Vec<u8>) {
        let mut state = self.shared.state();
        let most = state.next;
        if let Some(progress) = state.plugins.get_mut(&self.plugin) {
            *progress = Progress { next: progress.next.max(index.saturating_add(1).min(most)), note };
        }
    }

    /// Says what the plugin wants to know after a restart, and nothing about how far it is.
    pub fn keep(&self, note: Vec<u8>) {
        if let Some(progress) = self.shared.state().plugins.get_mut(&self.plugin) {
            progress.note = note;
        }
    }

    /// What the plugin last said it wants to know.
    pub fn note(&self) -> Vec<u8> {
        self.shared.state().plugins.get(&self.plugin).map(|progress| progress.note.clone()).unwrap_or_default()
    }

    /// The index of the first entry that the plugin has not confirmed.
    pub fn confirmed(&self) -> u64 {
        self.shared.state().plugins.get(&self.plugin).map_or(0, |progress| progress.next)
    }

    /// Whether nothing more will come, but for what is in the queue.
    pub fn has_ended(&self) -> bool {
        self.shared.state().has_ended
    }

    /// Goes on behind what is confirmed; whether that is further than before.
    fn catch_up(&mut self) -> bool {
        let confirmed = self.confirmed();
        let is_behind = self.next < confirmed;
        self.next = self.next.max(confirmed);
        is_behind
    }

    /// `None` when it is to be looked for the file again.
    fn read(&mut self, file: &Stretch) -> io::Result<Option<Items>> {
        // Entries before it may be missing.
        self.next = self.next.max(file.first);
        let known = self.place.filter(|(number, _)| *number == file.number);
        let at = known.map_or(HEADER_BYTES as u64, |(_, at)| at);
        let mut part = self.part(file, at, READ_BYTES.min(file.bytes.saturating_sub(at)))?;
        // Not where all that is whole was handed out before: the next reading goes on behind that.
        if part.end == 0 && !part.is_damaged {
            part = self.part(file, at, part.needs as u64)?;
        }
        if part.is_damaged && part.entries.is_empty() {
            return self.pass_over(file, at);
        }
        self.place = Some((file.number, at + part.end as u64));
        Ok(self.hand_out(part))
    }

    fn part(&self, file: &Stretch, at: u64, most: u64) -> io::Result<Part> {
        let most = most.min(file.bytes.saturating_sub(at));
        let bytes = self.shared.disk.read_part(&file.path, at, usize::try_from(most).unwrap_or(usize::MAX))?;
        let mut part = Part { next: self.next, ..Part::default() };
        loop {
            match Entry::read(bytes.get(part.end..).unwrap_or_default(), file.seed) {
                Read::Whole(entry, len) => {
                    part.add(entry.index, part.end..part.end + len);
                    part.end += len;
                }
                Read::Cut(len) => part.needs = len,
                Read::CutHead => part.needs = HEAD_BYTES,
                Read::Damaged => part.is_damaged = true,
            }
            if part.needs > 0 || part.is_damaged {
                break;
            }
        }
        let behind = file.bytes.saturating_sub(at + part.end as u64);
        // The file goes on for less than that, or ends before it should: its bytes have changed since they were written.
        let has_less = part.needs as u64 > behind || (bytes.len() as u64) < most;
        part.is_damaged |= part.end == 0 && has_less;
        part.bytes = bytes;
        Ok(part)
    }

    /// Hands out what can be read behind something that cannot.
    fn pass_over(&mut self, file: &Stretch, at: u64) -> io::Result<Option<Items>> {
        let mut bytes = vec![0; HEADER_BYTES];
        bytes.extend(self.shared.disk.read_part(
            &file.path,
            at,
            usize::try_from(file.bytes - at).unwrap_or(usize::MAX),
        )?);
        let mut part = Part { next: self.next, ..Part::default() };
        let mut behind = (file.end, file.bytes);
        for (place, entry) in Scan::new(&bytes, file.seed, file.first) {
            let first = part.entries.first().map_or(place.start, |first| first.start);
            if !part.entries.is_empty() && place.end - first > READ_BYTES as usize {
                // What follows comes with the next reading, which begins there.
                behind = (part.next, at + (part.end - HEADER_BYTES) as u64);
                break;
            }
            part.end = place.end;
            part.add(entry.index, place);
        }
        bytes.truncate(part.end);
        part.bytes = bytes;
        let read = part.entries.len() as u64;
        part.next = behind.0;
        self.shared.state().counts.damaged += (part.next - self.next).saturating_sub(read);
        self.place = Some((file.number, behind.1));
        Ok(self.hand_out(part))
    }

    fn hand_out(&mut self, part: Part) -> Option<Items> {
        self.next = part.next;
        let last = part.next.checked_sub(1).filter(|_| !part.entries.is_empty())?;
        Some(Items { bytes: part.bytes, entries: part.entries, last })
    }
}

/// The file with an entry, or with the next one behind it; `Some(None)` when none will come.
fn file_with(state: &State, next: u64) -> Option<Option<Stretch>> {
    let found = state.files.partition_point(|file| file.end <= next);
    match state.files.get(found) {
        Some(file) => Some(Some(file.clone())),
        None => state.has_ended.then_some(None),
    }
}

// === impl Part ===

impl Part {
    /// Adds an entry, unless it was handed out before.
    fn add(&mut self, index: u64, place: Range<usize>) {
        if index >= self.next {
            self.next = index + 1;
            self.entries.push(place);
        }
    }
}

// === impl Items ===

impl Items {
    /// The entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        self.entries.iter().filter_map(|place| Entry::again(self.bytes.get(place.clone())?))
    }

    /// How many there are.
    #[expect(clippy::len_without_is_empty, reason = "there is at least one")]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// What to confirm when all of them are where they belong.
    pub fn last(&self) -> u64 {
        self.last
    }
}
