//! The error of every in-process spanlake crate: opaque, with a code for machines and a message for people.

use std::error::Error as StdError;
use std::fmt;

/// Which part of the way of a record failed; the first word of [`Error::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// A builder or a file of settings.
    Configuration,
    /// Something that is opened or spawned from settings.
    Factory,
    /// The recording half, the buffer or the pump.
    Dispatch,
    /// A sink, or a reader of what sinks wrote.
    Handler,
    /// A processor.
    Processor,
    /// None of these.
    Unknown,
}

/// What kind of thing went wrong; the third word of [`Error::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Category {
    /// A setting is wrong or missing.
    Configuration,
    /// A record could not be rendered.
    Formatting,
    /// A record had nowhere to go.
    Routing,
    /// Input broke a rule: a key, a pattern, a format.
    Validation,
    /// The operating system or a peer said no.
    Io,
    /// A defect, such as a panicking sink.
    Unexpected,
    /// None of these.
    Unknown,
}

/// How bad it is; the fourth word of [`Error::code`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Severity {
    /// Nothing was lost.
    Warning,
    /// Some records did not arrive where they should.
    Error,
    /// This part does not work any more.
    Critical,
}

/// An error of a spanlake crate.
///
/// `Display` gives this level only; print the chain with [`std::error::Error::source`] or [`Error::chain`].
///
/// ```
/// use spanlake_core::{Category, Error, Stage};
///
/// let error = Error::new(Stage::Handler, "FileSink", Category::Io, "cannot open the file").with("path", "lake/a.jsonl");
/// assert_eq!(error.code().to_string(), "HANDLER::FileSink::IO::ERROR");
/// assert_eq!(error.to_string(), "cannot open the file (path: lake/a.jsonl)");
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    code: Code,
    message: String,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// `STAGE::Service::CATEGORY::SEVERITY`, with `::RECOVERABLE` behind it where a retry can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// The part that failed.
    pub stage: Stage,
    /// The Rust type that failed, such as `ParquetSink`.
    pub service: &'static str,
    /// What kind of thing went wrong.
    pub category: Category,
    /// How bad it is.
    pub severity: Severity,
    /// Whether trying again can help.
    pub recoverable: bool,
}

// === impl Error ===

impl Error {
    /// An error of severity `ERROR`, not recoverable. `message` is a lowercase fragment without a full stop.
    pub fn new(stage: Stage, service: &'static str, category: Category, message: impl Into<String>) -> Self {
        let code = Code { stage, service, category, severity: Severity::Error, recoverable: false };
        Self(Box::new(Inner { code, message: message.into(), context: Vec::new(), source: None }))
    }

    /// An I/O failure of a sink or reader: `HANDLER::<service>::IO::ERROR`, recoverable when the kind says so.
    pub fn io(service: &'static str, message: impl Into<String>, source: std::io::Error) -> Self {
        let recoverable = retry_can_help(&source);
        let error = Self::new(Stage::Handler, service, Category::Io, message).caused_by(source);
        if recoverable { error.recoverable() } else { error }
    }

    /// Adds what is needed to find the place: a path, a sink, a key.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((name, value.to_string()));
        self
    }

    /// Sets the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Sets the severity.
    #[must_use]
    pub fn severity(mut self, severity: Severity) -> Self {
        self.0.code.severity = severity;
        self
    }

    /// Says that trying again can help.
    #[must_use]
    pub fn recoverable(mut self) -> Self {
        self.0.code.recoverable = true;
        self
    }

    /// The code for machines.
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// Whether trying again can help.
    pub fn is_recoverable(&self) -> bool {
        self.0.code.recoverable
    }

    /// Whether a setting is at fault.
    pub fn is_configuration(&self) -> bool {
        self.0.code.category == Category::Configuration
    }

    /// Whether the operating system or a peer said no.
    pub fn is_io(&self) -> bool {
        self.0.code.category == Category::Io
    }

    /// Whether input broke a rule.
    pub fn is_validation(&self) -> bool {
        self.0.code.category == Category::Validation
    }

    /// What is known about the place: names and values in the order they were added.
    pub fn context(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.0.context.iter().map(|(name, value)| (*name, value.as_str()))
    }

    /// The whole chain in one line, `this: cause: cause`. A cause that the one above it repeats at its end, as errors of other libraries
    /// do, is there once.
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut next = self.source();
        while let Some(error) = next {
            let cause = error.to_string();
            if !text.ends_with(&cause) {
                text.push_str(": ");
                text.push_str(&cause);
            }
            next = error.source();
        }
        text
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for (at, (name, value)) in self.0.context.iter().enumerate() {
            let before = if at == 0 { " (" } else { ", " };
            write!(f, "{before}{name}: {value}")?;
        }
        if self.0.context.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code(), self.chain())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

// === impl Code ===

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stage, category, severity) = (word(self.stage), word(self.category), word(self.severity));
        write!(f, "{stage}::{}::{category}::{severity}", self.service)?;
        if self.recoverable { f.write_str("::RECOVERABLE") } else { Ok(()) }
    }
}

// === helpers ===

/// The variant's name in capitals, which is its word in a code.
fn word(variant: impl fmt::Debug) -> String {
    format!("{variant:?}").to_ascii_uppercase()
}

fn retry_can_help(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as Kind;
    // Somebody closes files sooner or later. There is no kind for it.
    let are_too_many_open = error.raw_os_error().is_some_and(|error| TOO_MANY_OPEN.contains(&error));
    let can_help = matches!(
        error.kind(),
        Kind::Interrupted
            | Kind::WouldBlock
            | Kind::TimedOut
            | Kind::StorageFull
            | Kind::QuotaExceeded
            | Kind::BrokenPipe
    );
    can_help || are_too_many_open
}

/// The operating system's numbers for files of which the process, or the machine, has too many open.
#[cfg(unix)]
const TOO_MANY_OPEN: [i32; 2] = [rustix::io::Errno::MFILE.raw_os_error(), rustix::io::Errno::NFILE.raw_os_error()];

#[cfg(not(unix))]
const TOO_MANY_OPEN: [i32; 0] = [];
