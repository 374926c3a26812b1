//! The memory that a segment is written into.

use std::path::Path;

use crate::disk::Mapping;

/// A piece of memory that fills from the front: of the heap, where it grows, or a mapped file, which does not.
#[derive(Debug, Default)]
pub(crate) struct Page {
    memory: Memory,
    len: usize,
    /// Whether something did not fit.
    overflowed: bool,
}

#[derive(Debug)]
enum Memory {
    /// As long as its capacity; what lies behind the page's end has no meaning.
    Heap(Vec<u8>),
    Mapped(Mapping),
}

/// What a page of the heap starts with, at least.
const LEAST_HEAP: usize = 1 << 10;

impl Page {
    /// A page of the heap with this much room for a start. The operating system gives memory as it is written to.
    pub(crate) fn heap(bytes: usize) -> Self {
        Self { memory: Memory::Heap(vec![0; bytes]), ..Self::default() }
    }

    /// A page that is a file.
    pub(crate) fn mapped(mapping: Mapping) -> Self {
        Self { memory: Memory::Mapped(mapping), ..Self::default() }
    }

    /// A page that is a file which has another name than when it was mapped, and this much in it.
    pub(crate) fn renamed(mut mapping: Mapping, path: &Path, len: usize) -> Self {
        mapping.rename(path);
        Self { memory: Memory::Mapped(mapping), len, overflowed: false }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// How much it can hold without growing.
    pub(crate) fn capacity(&self) -> usize {
        self.memory.bytes().len()
    }

    /// How much of a file is behind what is written; a page of the heap has nothing to spare.
    pub(crate) fn unused(&self) -> usize {
        if self.is_mapped() { self.capacity() - self.len } else { 0 }
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.memory.bytes().get(..self.len).unwrap_or_default()
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.memory.bytes_mut().get_mut(..self.len).unwrap_or_default()
    }

    #[inline]
    pub(crate) fn is_mapped(&self) -> bool {
        matches!(self.memory, Memory::Mapped(_))
    }

    /// The file that it is.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.memory {
            Memory::Mapped(mapping) => Some(mapping.path()),
            Memory::Heap(_) => None,
        }
    }

    /// Room behind what is written; a part of it is written to and then taken in by [`Page::extend`]. `None` when a file
    /// has not that much left; it counts as full from then on, until something is cut.
    #[inline]
    pub(crate) fn room(&mut self, bytes: usize) -> Option<&mut [u8]> {
        let end = self.len + bytes;
        if end > self.memory.bytes().len() {
            self.grow(end);
        }
        self.memory.bytes_mut().get_mut(self.len..end)
    }

    /// Takes in what was written to the room.
    #[inline]
    pub(crate) fn extend(&mut self, bytes: usize) {
        self.len += bytes;
    }

    /// Whether something did not fit.
    #[inline]
    pub(crate) fn has_overflowed(&self) -> bool {
        self.overflowed
    }

    /// Forgets what is behind `len`, and that something did not fit.
    pub(crate) fn cut(&mut self, len: usize) {
        self.len = self.len.min(len);
        self.overflowed = false;
    }

    #[cold]
    fn grow(&mut self, end: usize) {
        match &mut self.memory {
            Memory::Heap(bytes) => bytes.resize(end.next_power_of_two().max(LEAST_HEAP), 0),
            Memory::Mapped(mapping) => {
                // Full, so that nothing shorter is written behind it: a reader of the file would miss what came before.
                self.len = mapping.len();
                self.overflowed = true;
            }
        }
    }
}

impl Clone for Page {
    /// On the heap.
    fn clone(&self) -> Self {
        self.bytes().to_vec().into()
    }
}

impl From<Vec<u8>> for Page {
    fn from(bytes: Vec<u8>) -> Self {
        Self { len: bytes.len(), memory: Memory::Heap(bytes), overflowed: false }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::Heap(Vec::new())
    }
}

impl Memory {
    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Heap(bytes) => bytes,
            Self::Mapped(mapping) => mapping,
        }
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::Heap(bytes) => bytes,
            Self::Mapped(mapping) => mapping,
        }
    }
}
