//! Streams: the same lines of text on standard error, standard output, or any other writer.

use std::fmt;
use std::io::{self, Write};

use spanlake_core::render::{Lifecycle, TextLines};
use spanlake_core::{Batch, Error, LevelFilter, Sink};

/// Default of [`StreamSink::level`].
pub const DEFAULT_STREAM_LEVEL: LevelFilter = LevelFilter::INFO;

/// Writes records as lines of text to a stream, a batch with one call.
///
/// A stream takes nothing back: when it fails within a batch, such as a terminal that goes away, the lines before the
/// fault stay and come again with the next try. A closed pipe is an error like any other.
///
/// | setting | default |
/// |---|---|
/// | [`level`](Self::level) | [`DEFAULT_STREAM_LEVEL`] |
/// | [`lifecycle`](Self::lifecycle) | [`Lifecycle::Plain`] |
///
/// ```
/// use spanlake_core::LevelFilter;
/// use spanlake_lake::StreamSink;
///
/// let console = StreamSink::stderr().level(LevelFilter::WARN);
/// ```
#[must_use = "a sink writes what a pump gives it"]
pub struct StreamSink {
    name: String,
    level: LevelFilter,
    stream: Box<dyn Write + Send>,
    lines: TextLines,
    text: String,
}

impl StreamSink {
    /// Writes to standard error.
    pub fn stderr() -> Self {
        Self::to("stderr", io::stderr())
    }

    /// Writes to standard output.
    pub fn stdout() -> Self {
        Self::to("stdout", io::stdout())
    }

    /// Writes to any writer, which reports call `name`.
    pub fn to(name: impl Into<String>, stream: impl Write + Send + 'static) -> Self {
        Self {
            name: name.into(),
            level: DEFAULT_STREAM_LEVEL,
            stream: Box::new(stream),
            lines: TextLines::default(),
            text: String::new(),
        }
    }

    /// The least severe level it takes.
    pub fn level(mut self, level: LevelFilter) -> Self {
        self.level = level;
        self
    }

    /// How begins and ends of tasks are put into words.
    pub fn lifecycle(mut self, lifecycle: Lifecycle) -> Self {
        self.lines.lifecycle = lifecycle;
        self
    }

    fn error(&self, error: io::Error) -> Error {
        Error::io("StreamSink", "cannot write to the stream", error).with("stream", &self.name)
    }
}

impl Sink for StreamSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn level(&self) -> LevelFilter {
        self.level
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        self.text.clear();
        batch.records().for_each(|record| self.lines.put(&mut self.text, record));
        // Flushed at once: a console that lags behind the program misleads whoever watches both.
        let written = self.stream.write_all(self.text.as_bytes()).and_then(|()| self.stream.flush());
        written.map_err(|error| self.error(error))
    }

    fn flush(&mut self) -> Result<(), Error> {
        self.stream.flush().map_err(|error| self.error(error))
    }
}

impl fmt::Debug for StreamSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamSink").field("name", &self.name).field("level", &self.level).finish_non_exhaustive()
    }
}
