//! Texts of a file that is not written yet, end to end in one piece of memory, by number.

use hashbrown::HashTable;
use xxhash_rust::xxh3::xxh3_64;

/// Texts by number.
#[derive(Debug, Default)]
pub(super) struct Texts {
    text: String,
    ends: Vec<usize>,
}

/// Texts that many rows share, each kept once.
#[derive(Debug, Default)]
pub(super) struct Words {
    texts: Texts,
    /// Hashes and numbers.
    known: HashTable<(u64, u32)>,
}

/// Texts that mostly differ from row to row. Only a text that its callsite had the last time as well is not kept again:
/// that is what a message without values comes to, and it costs no hash.
#[derive(Debug, Default)]
pub(super) struct Lines {
    texts: Texts,
    /// The last line of each callsite.
    last: Vec<Option<u32>>,
}

/// What a word takes beside its text.
const WORD_BYTES: usize = size_of::<usize>() + 2 * size_of::<(u64, u32)>();

// === impl Texts ===

impl Texts {
    /// The text that has a number.
    #[inline]
    fn get(&self, number: u32) -> &str {
        let at = number as usize;
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(at).copied().unwrap_or(start);
        self.text.get(start..end).unwrap_or("")
    }

    fn push(&mut self, text: &str) -> u32 {
        let number = self.ends.len() as u32;
        self.text.push_str(text);
        self.ends.push(self.text.len());
        number
    }

    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }
}

// === impl Words ===

impl Words {
    /// The number of a text.
    pub(super) fn number(&mut self, text: &str) -> u32 {
        let hash = xxh3_64(text.as_bytes());
        let texts = &mut self.texts;
        if let Some((_, number)) = self.known.find(hash, |(_, number)| texts.get(*number) == text) {
            return *number;
        }
        let number = texts.push(text);
        self.known.insert_unique(hash, (hash, number), |(hash, _)| *hash);
        number
    }

    pub(super) fn number_unless_empty(&mut self, text: &str) -> Option<u32> {
        if text.is_empty() { None } else { Some(self.number(text)) }
    }

    pub(super) fn get(&self, number: u32) -> &str {
        self.texts.get(number)
    }

    pub(super) fn len(&self) -> usize {
        self.texts.ends.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.texts.text.len() + self.len() * WORD_BYTES
    }

    pub(super) fn clear(&mut self) {
        self.texts.clear();
        self.known.clear();
    }
}

// === impl Lines ===

impl Lines {
    /// The number of a record's text.
    #[inline]
    pub(super) fn number(&mut self, callsite: u32, text: &str) -> u32 {
        let at = callsite as usize;
        if at >= self.last.len() {
            self.last.resize(at + 1, None);
        }
        let last = &mut self.last[at];
        match *last {
            Some(number) if self.texts.get(number) == text => number,
            _ => *last.insert(self.texts.push(text)),
        }
    }

    pub(super) fn get(&self, number: u32) -> &str {
        self.texts.get(number)
    }

    pub(super) fn len(&self) -> usize {
        self.texts.ends.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.texts.text.len() + self.len() * size_of::<usize>()
    }

    pub(super) fn clear(&mut self) {
        self.texts.clear();
        self.last.clear();
    }
}
