//! What is in a file, page by page.

use std::fmt;
use std::ops::Range;

use super::history::{Change, History};

/// The unit in which content reaches the disk.
pub(super) const PAGE_BYTES: usize = 4096;

/// A file's bytes. Those behind its length are on the disk, but nobody can read them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Content {
    bytes: Vec<u8>,
    len: usize,
}

/// A step that reaches the disk on its own: a write is one for its length and one for each page it touches.
#[derive(Clone, PartialEq)]
pub(super) enum ContentChange {
    /// It became longer; until its pages are there as well, what is new reads as zeros.
    Grown(usize),
    /// It became shorter.
    Cut(usize),
    /// A page, or a part of it, was written.
    Page { at: usize, bytes: Vec<u8> },
}

/// A file that is written to.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) history: History<ContentChange>,
    len: usize,
}

/// A file that is mapped, so that nobody sees what is written to it.
#[derive(Debug, Default)]
pub(super) struct Mapped {
    synced: Vec<u8>,
    /// Pages whose sync failed, as they were then: unless they change, no later sync writes them.
    doubtful: Vec<(usize, Vec<u8>)>,
    /// The last that was seen of it, when its name is gone.
    pub(super) last: Option<Vec<u8>>,
}

// === impl Content ===

impl Content {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self { len: bytes.len(), bytes }
    }

    /// What a reader gets.
    pub(super) fn into_bytes(mut self) -> Vec<u8> {
        self.bytes.resize(self.len, 0);
        self.bytes
    }
}

impl Change for ContentChange {
    type On = Content;

    fn apply(&self, on: &mut Content) {
        match self {
            ContentChange::Grown(len) => on.len = on.len.max(*len),
            ContentChange::Cut(len) => {
                on.len = on.len.min(*len);
                on.bytes.truncate(*len);
            }
            ContentChange::Page { at, bytes } => {
                let end = at + bytes.len();
                on.bytes.resize(on.bytes.len().max(end), 0);
                on.bytes[*at..end].copy_from_slice(bytes);
            }
        }
    }
}

impl fmt::Debug for ContentChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ContentChange::Grown(len) => write!(f, "grown to {len}"),
            ContentChange::Cut(len) => write!(f, "cut to {len}"),
            ContentChange::Page { at, bytes } => write!(f, "bytes {at}..{}", at + bytes.len()),
        }
    }
}

// === impl Written ===

impl Written {
    pub(super) fn new(durable: Vec<u8>) -> Self {
        Self { len: durable.len(), history: History::new(Content::new(durable)) }
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let end = self.len + bytes.len();
        self.history.push(ContentChange::Grown(end));
        for page in pages(self.len..end) {
            let bytes = bytes[page.start - self.len..page.end - self.len].to_vec();
            self.history.push(ContentChange::Page { at: page.start, bytes });
        }
        self.len = end;
    }

    pub(super) fn set_len(&mut self, len: usize) {
        let change = if len > self.len { ContentChange::Grown(len) } else { ContentChange::Cut(len) };
        self.history.push(change);
        self.len = len;
    }
}

// === impl Mapped ===

impl Mapped {
    pub(super) fn sync(&mut self, now: &[u8]) {
        let doubtful = std::mem::take(&mut self.doubtful);
        let old = std::mem::replace(&mut self.synced, now.to_vec());
        for (at, then) in doubtful {
            let end = (at + PAGE_BYTES).min(now.len());
            if now.get(at..end).is_some_and(|now| now == then) {
                // Clean in the kernel's eyes, and not on the disk.
                let before = old.get(at..end).map_or_else(|| vec![0; end - at], <[u8]>::to_vec);
                self.synced[at..end].copy_from_slice(&before);
                self.doubtful.push((at, then));
            }
        }
    }

    pub(super) fn fail(&mut self, now: &[u8]) {
        let changed = self.changed_pages(now);
        self.doubtful.extend(changed.into_iter().map(|page| (page.start, now[page].to_vec())));
    }

    /// What a power cut may leave, when it holds `now`: the length, and each page by itself.
    pub(super) fn history(&self, now: &[u8]) -> History<ContentChange> {
        let mut history = History::new(Content::new(self.synced.clone()));
        match now.len() {
            len if len > self.synced.len() => history.push(ContentChange::Grown(len)),
            len if len < self.synced.len() => history.push(ContentChange::Cut(len)),
            _ => {}
        }
        for page in self.changed_pages(now) {
            history.push(ContentChange::Page { at: page.start, bytes: now[page].to_vec() });
        }
        history
    }

    fn changed_pages(&self, now: &[u8]) -> Vec<Range<usize>> {
        let is_changed = |page: &Range<usize>| match self.synced.get(page.clone()) {
            Some(synced) => synced != &now[page.clone()],
            None => now[page.clone()].iter().any(|byte| *byte != 0),
        };
        pages(0..now.len()).filter(is_changed).collect()
    }
}

/// The parts of a range of bytes that lie in one page each.
fn pages(range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
    let first = range.start / PAGE_BYTES;
    let parts = (first..).map(move |page| page * PAGE_BYTES..(page + 1) * PAGE_BYTES);
    let parts = parts.map(move |page| page.start.max(range.start)..page.end.min(range.end));
    parts.take_while(|part| !part.is_empty())
}
