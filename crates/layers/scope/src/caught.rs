//! Errors with what only those know who have them in their hands.

use std::any::type_name;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::error::Error;
use std::fmt;

use spanlake_core::processors::{ERROR_BACKTRACE, ERROR_TYPE};
use spanlake_core::value::{BodyWriter, Name};
use tracing_core::Field;

use crate::visit;

/// An error that is recorded with its type, and with a backtrace where there is one.
///
/// `tracing` hands errors on as `dyn Error`, which tells a text and a source. What is known where the error was caught goes
/// along with this: a layer of spanlake records the error in its field, here `error`, the type in `error.type`, and the
/// backtrace in `error.backtrace`. The processor [`StructuredErrors`](spanlake_core::processors::StructuredErrors) makes one map
/// of them. To other layers it is the error.
///
/// ```
/// use spanlake_scope::Caught;
/// use std::backtrace::Backtrace;
///
/// # fn load() -> Result<(), std::num::ParseIntError> { "x".parse::<u8>().map(drop) }
/// if let Err(error) = load() {
///     // A backtrace from here on, if the environment asks for them (`RUST_BACKTRACE`).
///     let caught = Caught::new(&error).backtrace(&Backtrace::capture());
///     tracing::error!(error = caught.as_error(), "cannot load");
/// }
/// ```
#[derive(Debug)]
pub struct Caught {
    error: Link,
    type_name: &'static str,
    backtrace: Option<String>,
}

/// An error's text, and that of its cause.
#[derive(Debug)]
struct Link {
    text: String,
    source: Option<Box<Link>>,
}

impl Caught {
    /// Takes down an error and its causes. Formatting them is foreign code, whose panics stay here.
    pub fn new<E: Error + 'static>(error: &E) -> Self {
        let chain = visit::links(error).into_iter().rev();
        let chain = chain.fold(None, |source, text| Some(Link { text, source: source.map(Box::new) }));
        let error = chain.unwrap_or(Link { text: String::new(), source: None });
        Self { error, type_name: type_name::<E>(), backtrace: None }
    }

    /// From where it comes: the error's own backtrace where it has one, or one that is captured here. One that is disabled is
    /// none.
    pub fn backtrace(mut self, backtrace: &Backtrace) -> Self {
        self.backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| backtrace.to_string());
        self
    }

    /// It, as `tracing` takes errors.
    pub fn as_error(&self) -> &(dyn Error + 'static) {
        self
    }

    pub(crate) fn record(&self, field: &Field, body: &mut BodyWriter) {
        body.error(Name::Index(field.index()), &self.error);
        let mut beside = |behind: &str, text: &str| body.text(Name::Text(&format!("{}{behind}", field.name())), text);
        beside(ERROR_TYPE, self.type_name);
        self.backtrace.iter().for_each(|backtrace| beside(ERROR_BACKTRACE, backtrace));
    }
}

impl fmt::Display for Caught {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl Error for Caught {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Error for Link {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
