//! Memory, for tests that look at what was recorded.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;

use spanlake_core::render::{Renderer, TextLines};
use spanlake_core::sync::{Arc, Mutex, lock};
use spanlake_core::{Batch, Error, LevelFilter, OwnedRecord, Sink};

/// Default of [`TestSink::max_bytes`]: 64 MiB.
pub const DEFAULT_TEST_BYTES: NonZeroUsize = NonZeroUsize::new(64 << 20).unwrap();

/// Keeps records, and what a renderer makes of them, behind a [`TestHandle`].
///
/// | setting | default |
/// |---|---|
/// | [`renderer`](Self::renderer) | [`TextLines`]: lines of a system log |
/// | [`level`](Self::level) | `TRACE`: all that the layer passes on |
/// | [`max_bytes`](Self::max_bytes) | [`DEFAULT_TEST_BYTES`]: 64 MiB |
///
/// ```
/// use spanlake_core::{Buffer, BufferOptions, PumpBuilder, Source};
/// use spanlake_lake::TestSink;
/// use std::time::Duration;
///
/// let sink = TestSink::new();
/// let seen = sink.handle();
/// let pump = PumpBuilder::new().sink(sink).spawn(Buffer::new(&BufferOptions::default(), Source::this_process("test")))?;
/// // … what is tested records …
/// pump.flush(Duration::from_secs(5));
/// assert_eq!(seen.text(), "");
/// assert!(seen.records().iter().all(|record| record.message != "it failed"));
/// # Ok::<(), spanlake_core::Error>(())
/// ```
#[must_use = "a sink takes what a pump gives it"]
pub struct TestSink {
    level: LevelFilter,
    renderer: Box<dyn Renderer>,
    max_bytes: usize,
    handle: TestHandle,
}

/// What a [`TestSink`] has; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct TestHandle(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    kept: VecDeque<Kept>,
    bytes: usize,
    dropped: u64,
}

#[derive(Debug)]
struct Kept {
    record: OwnedRecord,
    text: Vec<u8>,
}

// === impl TestSink ===

impl TestSink {
    /// With the defaults above.
    pub fn new() -> Self {
        Self {
            level: LevelFilter::TRACE,
            renderer: Box::new(TextLines::default()),
            max_bytes: DEFAULT_TEST_BYTES.get(),
            handle: TestHandle::default(),
        }
    }

    /// A look at what it has.
    pub fn handle(&self) -> TestHandle {
        self.handle.clone()
    }

    /// The least severe level it takes.
    pub fn level(mut self, level: LevelFilter) -> Self {
        self.level = level;
        self
    }

    /// What is made of records.
    pub fn renderer(mut self, renderer: impl Renderer + 'static) -> Self {
        self.renderer = Box::new(renderer);
        self
    }

    /// How much memory records take, about; beyond it the oldest go, and are counted.
    pub fn max_bytes(mut self, bytes: NonZeroUsize) -> Self {
        self.max_bytes = bytes.get();
        self
    }
}

impl Default for TestSink {
    fn default() -> Self {
        Self::new()
    }
}

impl Sink for TestSink {
    fn name(&self) -> &str {
        "test"
    }

    fn level(&self) -> LevelFilter {
        self.level
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        // Rendered before any of it is kept: a renderer that panics leaves nothing.
        let mut kept = VecDeque::new();
        for record in batch.records() {
            let mut text = Vec::new();
            self.renderer.render(&mut text, record);
            kept.push_back(Kept { record: OwnedRecord::from(record), text });
        }
        lock(&self.handle.0).add(kept, self.max_bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

impl fmt::Debug for TestSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestSink").field("level", &self.level).finish_non_exhaustive()
    }
}

// === impl TestHandle ===

impl TestHandle {
    /// What was rendered, all of it in the order in which it came.
    pub fn text(&self) -> String {
        let seen = lock(&self.0);
        let bytes: Vec<u8> = seen.kept.iter().flat_map(|kept| &kept.text).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The records, in the order in which they came.
    pub fn records(&self) -> Vec<OwnedRecord> {
        lock(&self.0).kept.iter().map(|kept| kept.record.clone()).collect()
    }

    /// How many records went because there was no room.
    pub fn dropped(&self) -> u64 {
        lock(&self.0).dropped
    }

    /// Forgets everything so far.
    pub fn clear(&self) {
        *lock(&self.0) = Seen::default();
    }
}

impl Seen {
    fn add(&mut self, more: VecDeque<Kept>, most: usize) {
        self.bytes += more.iter().map(Kept::bytes).sum::<usize>();
        self.kept.extend(more);
        while self.bytes > most
            && let Some(oldest) = self.kept.pop_front()
        {
            self.bytes -= oldest.bytes();
            self.dropped += 1;
        }
    }
}

impl Kept {
    fn bytes(&self) -> usize {
        let OwnedRecord { message, context, fields, target, .. } = &self.record;
        size_of::<Self>() + self.text.len() + message.len() + context.len() + fields.len() + target.len()
    }
}
