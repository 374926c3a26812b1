//! Redaction: what must not be read is replaced before a record is stored anywhere.
//!
//! A [`Redaction`] says what: names of fields, and, with the feature `patterns`, texts. There are two places for one.
//!
//! | where | who asks | what it replaces |
//! |---|---|---|
//! | in front of the buffer: `redact` of a layer's builder | the recorder, through a [`Redactor`], when a record is put together in the calling thread | never reaches a buffer, a spool or a sink |
//! | in front of some sinks: the processor [`Redact`](crate::processors::Redact) | the pump | never reaches the sinks behind it; others have it |
//!
//! Both replace the same: in messages, fields, errors, and the context of tasks.

mod names;
mod redactor;
mod on_record;
#[cfg(feature = "patterns")]
mod texts;

pub(crate) use on_record::Tasks;
pub use redactor::{Decisions, Hits, Redacted, Redactor};

use crate::error::{Category, Error, Stage};
use crate::secret::Secret;

/// Names of fields that hold secrets in most programs, as [`Redaction::secrets`] denies them.
pub const SECRET_NAMES: [&str; 14] = [
    "*password*",
    "*passwd*",
    "*passphrase*",
    "pwd",
    "*secret*",
    "*token",
    "*authorization*",
    "*api_key*",
    "*api-key*",
    "*apikey*",
    "*access_key*",
    "*private_key*",
    "*cookie*",
    "*credential*",
];

/// Texts that are secrets wherever they stand, as `Redaction::secret_texts` replaces them: bearer tokens, JSON web tokens,
/// access keys of AWS, tokens of GitHub and Slack, and the first line of a private key.
pub const SECRET_TEXTS: [&str; 6] = [
    r"(?i-u:\bbearer [a-z0-9._~+/-]+=*)",
    r"(?-u:\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*)",
    r"(?-u:\b(?:AKIA|ASIA)[0-9A-Z]{16}\b)",
    r"(?-u:\bgh[pousr]_[A-Za-z0-9]{36,})",
    r"(?-u:\bxox[abprs]-[A-Za-z0-9-]{10,})",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
];

/// What is replaced in records before they are stored.
///
/// A rule has a name pattern: plain text in which `*` stands for anything, compared without case. The texts of events and
/// tasks go by the name `message`, what a task failed with by `error`, a value that was bound or a span's field by its own
/// name. An [allowed](Self::allow) name is left as it is, by all rules; of the others the first that fits decides, and what
/// no name decides on is looked through for [patterns](Self::pattern).
///
/// ```
/// use spanlake_core::Redaction;
///
/// let redaction = Redaction::secrets()
///     .allow("csrf_token")
///     .hash("*email*")
///     .truncate("body", 200);
/// # redaction.build().unwrap();
/// ```
///
/// To keep only what is known to be harmless, allow it and deny the rest:
///
/// ```
/// # use spanlake_core::Redaction;
/// let redaction = Redaction::new().allow("message").allow("table").allow("rows").deny("*");
/// # redaction.build().unwrap();
/// ```
///
/// # What it costs
///
/// What the rules say of a callsite's names is found out once for each thread. After that, an event whose fields no rule
/// names costs a look-up. An event with such a field is encoded a second time. Patterns are another matter: each of them
/// goes through each text, in the calling thread; see `docs/performance.md`.
///
/// # What it does not do
///
/// It sees what is recorded, not what programs do: a value under a name that no rule fits, or in a text that no pattern
/// finds, is kept. Names of spans, targets and field names are part of the program and never replaced. A text longer than
/// 65,535 bytes is cut before it is looked through.
#[derive(Clone, Debug, Default)]
#[must_use = "nothing is redacted until a layer is built with it"]
pub struct Redaction {
    rules: Vec<(String, Action)>,
    texts: Vec<Text>,
    hash_key: Option<Secret<[u8; 16]>>,
}

/// What becomes of a value whose name fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Allow,
    Deny,
    Hash,
    Truncate(usize),
}

/// What is replaced wherever it stands in a text.
#[derive(Clone, Debug)]
#[cfg_attr(not(feature = "patterns"), expect(dead_code, reason = "nothing makes one without the feature"))]
pub(crate) enum Text {
    Pattern(String),
    CardNumber,
}

impl Redaction {
    /// No rules.
    pub fn new() -> Self {
        Self::default()
    }

    /// Denies [`SECRET_NAMES`].
    pub fn secrets() -> Self {
        SECRET_NAMES.into_iter().fold(Self::new(), Self::deny)
    }

    /// Leaves values of such names as they are, whatever other rules and patterns say.
    pub fn allow(self, name: impl Into<String>) -> Self {
        self.rule(name, Action::Allow)
    }

    /// Replaces values of such names by [`HIDDEN`](crate::secret::HIDDEN).
    pub fn deny(self, name: impl Into<String>) -> Self {
        self.rule(name, Action::Deny)
    }

    /// Replaces values of such names by a keyed hash (SipHash-2-4, 128 bits): equal values stay equal, and nobody without
    /// the key can try values out. The key is a new one for each [`build`](Self::build), unless there is a
    /// [`hash_key`](Self::hash_key).
    pub fn hash(self, name: impl Into<String>) -> Self {
        self.rule(name, Action::Hash)
    }

    /// The key of hashes, for values that should be found again in the records of other processes. It is a secret itself.
    pub fn hash_key(mut self, key: [u8; 16]) -> Self {
        self.hash_key = Some(Secret::new(key));
        self
    }

    /// Cuts texts of such names to so many bytes, with the mark that says so. Numbers are left as they are.
    pub fn truncate(self, name: impl Into<String>, bytes: usize) -> Self {
        self.rule(name, Action::Truncate(bytes))
    }

    /// Replaces what a regular expression finds in texts: in messages, in values that are text or shown as one, in errors
    /// and their causes. The syntax is that of the crate `regex`, which takes linear time whatever it is given.
    #[cfg(feature = "patterns")]
    pub fn pattern(mut self, pattern: impl Into<String>) -> Self {
        self.texts.push(Text::Pattern(pattern.into()));
        self
    }

    /// Replaces [`SECRET_TEXTS`] wherever they stand.
    #[cfg(feature = "patterns")]
    pub fn secret_texts(self) -> Self {
        SECRET_TEXTS.into_iter().fold(self, Self::pattern)
    }

    /// Replaces numbers of 13 to 19 digits, also in groups, whose last digit is right for a payment card.
    #[cfg(feature = "patterns")]
    pub fn card_numbers(mut self) -> Self {
        self.texts.push(Text::CardNumber);
        self
    }

    /// Whether it has no rules.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.texts.is_empty()
    }

    /// Ready to be asked. Fails at a name that is empty, and at a pattern that is none or matches the empty text.
    pub fn build(self) -> Result<Redactor, Error> {
        Redactor::new(self)
    }

    fn rule(mut self, name: impl Into<String>, action: Action) -> Self {
        self.rules.push((name.into(), action));
        self
    }
}

fn refused(message: &str) -> Error {
    Error::new(Stage::Configuration, "Redaction", Category::Validation, message)
}
