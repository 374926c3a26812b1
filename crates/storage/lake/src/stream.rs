//! Streams: lines of text on standard error, standard output, or any other writer.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::num::NonZeroUsize;

use spanlake_core::render::{Lifecycle, Renderer, TextLines};
use spanlake_core::{Batch, Error, LevelFilter, Sink};
use terminal_size::{Height, Width, terminal_size_of};

/// Default of [`StreamSink::level`].
pub const DEFAULT_STREAM_LEVEL: LevelFilter = LevelFilter::INFO;

/// Writes records to a stream as a renderer makes them, a batch with one call.
///
/// A stream takes nothing back: when it fails within a batch, such as a terminal that goes away, the lines before the
/// fault stay and come again with the next try. A closed pipe is an error like any other.
///
/// | setting | default |
/// |---|---|
/// | [`level`](Self::level) | [`DEFAULT_STREAM_LEVEL`] |
/// | [`renderer`](Self::renderer) | [`TextLines`]: lines of a system log |
///
/// ```
/// use spanlake_core::LevelFilter;
/// use spanlake_core::render::Pretty;
/// use spanlake_lake::StreamSink;
///
/// let console = StreamSink::stderr().level(LevelFilter::WARN).renderer(Pretty::new());
/// ```
#[must_use = "a sink writes what a pump gives it"]
pub struct StreamSink {
    name: String,
    level: LevelFilter,
    stream: Box<dyn Write + Send>,
    /// How wide the terminal is; `None` where the stream is none.
    columns: Option<Columns>,
    renderer: Box<dyn Renderer>,
    text: Vec<u8>,
}

/// Asks a terminal how wide it is now.
type Columns = fn() -> Option<NonZeroUsize>;

/// Room for text that is kept after a batch.
const TEXT_KEPT_BYTES: usize = 1 << 20;

impl StreamSink {
    /// Writes to standard error.
    pub fn stderr() -> Self {
        let columns: Columns = || columns(terminal_size_of(io::stderr()));
        Self { columns: io::stderr().is_terminal().then_some(columns), ..Self::to("stderr", io::stderr()) }
    }

    /// Writes to standard output.
    pub fn stdout() -> Self {
        let columns: Columns = || columns(terminal_size_of(io::stdout()));
        Self { columns: io::stdout().is_terminal().then_some(columns), ..Self::to("stdout", io::stdout()) }
    }

    /// Writes to any writer, which reports call `name`. It is not taken for a terminal: colours come on with
    /// [`Color::Always`](spanlake_core::render::Color::Always) only.
    pub fn to(name: impl Into<String>, stream: impl Write + Send + 'static) -> Self {
        Self {
            name: name.into(),
            level: DEFAULT_STREAM_LEVEL,
            stream: Box::new(stream),
            columns: None,
            renderer: Box::new(TextLines::default()),
            text: Vec::new(),
        }
    }

    /// The least severe level it takes.
    pub fn level(mut self, level: LevelFilter) -> Self {
        self.level = level;
        self
    }

    /// What is made of records. Where the stream is a terminal, it is told so, and before each batch how wide that is.
    pub fn renderer(mut self, mut renderer: impl Renderer + 'static) -> Self {
        if self.columns.is_some() {
            renderer.set_terminal();
        }
        self.renderer = Box::new(renderer);
        self
    }

    /// Lines of a system log that put begins and ends of tasks into these words, in place of another renderer.
    pub fn lifecycle(self, lifecycle: Lifecycle) -> Self {
        self.renderer(TextLines { lifecycle })
    }

    fn error(&self, error: io::Error) -> Error {
        Error::io("StreamSink", "cannot write to the stream", error).with("stream", &self.name)
    }
}

fn columns(size: Option<(Width, Height)>) -> Option<NonZeroUsize> {
    size.and_then(|(Width(columns), _)| NonZeroUsize::new(columns.into()))
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
        self.text.shrink_to(TEXT_KEPT_BYTES);
        let columns = self.columns.and_then(|columns| columns());
        columns.into_iter().for_each(|columns| self.renderer.set_columns(columns));
        batch.records().for_each(|record| self.renderer.render(&mut self.text, record));
        // Flushed at once: a console that lags behind the program misleads whoever watches both.
        let written = self.stream.write_all(&self.text).and_then(|()| self.stream.flush());
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
