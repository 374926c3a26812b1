//! A configuration: a file, read and found to be right.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::diagnostic::Diagnostics;
use crate::environment;
use crate::fault::Fault;
use crate::hidden::secrets;
use crate::node::{Node, Span, Value};
use crate::read::{Format, MAX_FILE_BYTES, read};
use crate::reader::{Reader, Setting, Told};
use crate::settings::Settings;
use crate::settings::collector::Collector;
use crate::source::{Origin, Sources};
use crate::table::Table;

/// A configuration in which nothing is wrong. Nothing has been opened for it.
///
/// [`Config`] is that of a program, [`CollectorConfig`] that of a collector.
#[derive(Clone, Debug)]
pub struct ConfigOf<S> {
    settings: S,
    values: Vec<Effective>,
    /// Where each of the values stands.
    spans: Vec<(String, Span)>,
    /// Where something stands that nobody is shown.
    hidden: Vec<Span>,
    path: Option<PathBuf>,
    asks_env: bool,
    raw: Node,
    sources: Sources,
}

/// The configuration of a program.
pub type Config = ConfigOf<Settings>;

/// The configuration of a collector.
pub type CollectorConfig = ConfigOf<Collector>;

/// A value that holds, and who said so.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Effective {
    /// The path of keys.
    pub key: String,
    /// The value, as it could be typed; secrets are `***`.
    pub value: String,
    /// Who said so.
    pub origin: Origin,
}

/// The settings of a whole file.
#[expect(private_bounds, reason = "nobody else has any")]
pub trait Document: Whole {}

/// What makes a table the settings of a whole file.
pub(crate) trait Whole: Setting + Table {
    /// What the file is called, in its schema.
    const TITLE: &'static str;

    /// All faults of combinations.
    fn check(&self) -> Vec<Fault>;

    /// A value that another key decides.
    fn inherited(&self, _key: &str, _value: &str) -> Option<Effective> {
        None
    }
}

impl<S: Whole> Document for S {}

impl<S: Document> ConfigOf<S> {
    /// Reads a file in the format that its extension stands for. It opens nothing else, and does not look at the
    /// environment.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, Diagnostics> {
        let path = path.as_ref();
        let Some(format) = Format::of(path) else {
            let unknown = Diagnostics::unreadable(path, "cannot tell the format of the file");
            return Err(unknown.expecting("a name that ends in `.yaml`, `.yml`, `.toml` or `.json`"));
        };
        let text = text_of(path)?;
        let mut config = Self::from_text(&text, format, path)?;
        config.path = Some(path.to_owned());
        Ok(config)
    }

    /// Reads a text that messages call `name`.
    ///
    /// ```
    /// use spanlake_config::{Config, Format};
    ///
    /// let wrong = Config::from_text("queue:\n  capasity: 10 MiB\n", Format::Yaml, "spanlake.yaml").unwrap_err();
    /// assert_eq!(wrong.iter().next().unwrap().hint.as_deref(), Some("did you mean `capacity`?"));
    /// ```
    pub fn from_text(text: &str, format: Format, name: impl AsRef<Path>) -> Result<Self, Diagnostics> {
        // What editors of Windows put in front.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let sources = Sources::new(name.as_ref(), text.to_owned());
        let (raw, faults) = read(text, format);
        Self::of(raw, faults, sources, None)
    }

    /// The same with what the environment says, which comes before the file: `SPANLAKE_QUEUE__CAPACITY` for
    /// `queue.capacity`, a value of YAML. A variable that begins so and means nothing is a fault.
    pub fn with_env(self) -> Result<Self, Diagnostics> {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let config = self.with_variables(std::env::vars_os().filter_map(text))?;
        Ok(Self { asks_env: true, ..config })
    }

    /// The same with variables that come from elsewhere.
    pub fn with_variables(self, variables: impl Iterator<Item = (String, String)>) -> Result<Self, Diagnostics> {
        let Self { mut raw, mut sources, path, .. } = self;
        let faults = environment::apply(&mut raw, &mut sources, variables);
        Self::of(raw, faults, sources, path)
    }

    fn of(raw: Node, mut faults: Vec<Fault>, sources: Sources, path: Option<PathBuf>) -> Result<Self, Diagnostics> {
        // What follows a fault of the format may be half of something, and would be told as wrong as well.
        if faults.iter().any(|fault| fault.is_fatal) {
            return Err(Diagnostics::of(faults, &sources, &[]));
        }
        let mut reader = Reader::default();
        let settings = S::read(&raw, &mut reader);
        let Reader { faults: wrong, told, mut hidden, .. } = reader;
        hidden.extend(secrets(&raw));
        faults.extend(wrong);
        let combinations = settings.as_ref().map(S::check).unwrap_or_default();
        let is_new = |fault: &Fault| !faults.iter().any(|other| lies_in(&other.key, &fault.key));
        let combinations: Vec<_> = combinations.into_iter().filter(is_new).collect();
        faults.extend(combinations);
        match settings {
            Some(settings) if faults.is_empty() => {
                let spans = told.iter().map(|told| (told.key.clone(), told.span)).collect();
                let values = effective(told, &settings, &sources);
                Ok(Self { settings, values, spans, hidden, path, asks_env: false, raw, sources })
            }
            _ => Err(Diagnostics::of(faults, &sources, &hidden)),
        }
    }

    /// The same file as it is now, with what the environment says if this one asked for it. What was not read from a file
    /// is what it was.
    pub fn read_again(&self) -> Result<Self, Diagnostics>
    where
        S: Clone,
    {
        let Some(path) = &self.path else {
            return Ok(self.clone());
        };
        let config = Self::from_file(path)?;
        if self.asks_env { config.with_env() } else { Ok(config) }
    }

    /// What it means.
    pub fn settings(&self) -> &S {
        &self.settings
    }

    /// Every value that holds, in the order of the documentation, defaults with them.
    pub fn values(&self) -> &[Effective] {
        &self.values
    }

    /// Whether somebody set a key, or one below it.
    pub fn is_set(&self, key: &str) -> bool {
        let set = self.values.iter().filter(|value| lies_in(&value.key, key));
        set.clone().any(|value| matches!(value.origin, Origin::File { .. } | Origin::Environment { .. }))
    }

    /// Diagnostics of what only others know to be wrong, such as a setting that this program was built without: keys, what
    /// is wrong with each, and what was expected.
    pub fn refuse(&self, wrong: impl IntoIterator<Item = (String, String, String)>) -> Result<(), Diagnostics> {
        let fault = |(key, message, expected): (String, String, String)| {
            Fault::new(self.span_of(&key), message).key(key).expected(expected)
        };
        let faults: Vec<_> = wrong.into_iter().map(fault).collect();
        if faults.is_empty() { Ok(()) } else { Err(Diagnostics::of(faults, &self.sources, &self.hidden)) }
    }

    /// Where the value of a key stands, or the first below it.
    fn span_of(&self, key: &str) -> Span {
        let spans = self.spans.iter().filter(|(other, _)| lies_in(other, key)).map(|(_, span)| *span);
        spans.min().unwrap_or(Span::DEFAULT)
    }

    /// The file it was read from.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Whether nothing was typed.
    pub fn is_empty(&self) -> bool {
        match &self.raw.value {
            Value::Null => true,
            Value::Map(entries) => entries.is_empty(),
            _ => false,
        }
    }
}

/// Whether a key is another one, or lies in it: what is wrong with a part makes the whole look wrong too.
fn lies_in(key: &str, whole: &str) -> bool {
    key.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn text_of(path: &Path) -> Result<String, Diagnostics> {
    let unreadable = |error: std::io::Error| Diagnostics::unreadable(path, format!("cannot read the file: {error}"));
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > MAX_FILE_BYTES {
        let too_long = Diagnostics::unreadable(path, "the file is too long");
        return Err(too_long.expecting(format!("at most {MAX_FILE_BYTES} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Diagnostics::unreadable(path, format!("byte {at} is no UTF-8")).expecting("text in UTF-8")
    })
}

/// What was told on the way, with levels of sinks that others decide.
fn effective<S: Document>(told: Vec<Told>, settings: &S, sources: &Sources) -> Vec<Effective> {
    let mut values = Vec::new();
    for Told { key, value, span } in told {
        let origin = sources.origin(span);
        let effective = settings.inherited(&key, &value).unwrap_or(Effective { key, value, origin });
        values.push(effective);
    }
    values
}
