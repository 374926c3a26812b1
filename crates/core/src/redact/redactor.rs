//! A redaction that is ready to be asked, and its counts.

use std::hash::Hasher;

use siphasher::sip128::{Hasher128, SipHasher24};

use crate::error::Error;
use crate::observed;
use crate::processors::{ERROR_BACKTRACE, ERROR_TYPE};
use crate::redact::names::fits;
#[cfg(feature = "patterns")]
use crate::redact::texts::Finder;
use crate::redact::{Action, Redaction, Text, refused};
use crate::secret::{HIDDEN, Secret};
use crate::segment::Message;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::value::{BodyWriter, Field, Name, Value, cut_text, floor_char_boundary, read_named};

/// Replaces what a [`Redaction`] names; a cheap handle to it.
///
/// A recorder asks it for what it says of a callsite's names with [`decide`](Self::decide), keeps that, and shows it
/// every text and every body of fields before they are written.
#[derive(Clone, Debug)]
pub struct Redactor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    number: u64,
    allowed: Vec<String>,
    rules: Vec<(String, Action)>,
    #[cfg(feature = "patterns")]
    finders: Vec<Finder>,
    hash_key: Secret<[u8; 16]>,
    /// What each rule is called, those of texts behind those of names, and how often it replaced something.
    counts: Vec<(String, AtomicU64)>,
}

/// How often a rule replaced something.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Redacted {
    /// The rule: what it does, and the name or the pattern it goes by.
    pub rule: String,
    /// How many values; for a pattern, how many places in texts. A value of a task's context counts once, however often
    /// it is written.
    pub count: u64,
}

/// What is said of one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Allow,
    /// The rule at this position.
    Rule(usize),
    /// Nothing; its texts are looked through.
    Open,
}

/// What a [`Redactor`] says of a callsite: of its field names, of its message, and of errors.
#[derive(Clone, Debug)]
pub struct Decisions {
    fields: Box<[Verdict]>,
    message: Verdict,
    error: Verdict,
    concerns_fields: bool,
    /// Whether records bring names that no callsite knows: those of an observed object's values, behind their groups.
    brings_names: bool,
}

/// How often the rules fit while something was put together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hits(Vec<(usize, u64)>);

/// What the names of fields begin with that spanlake adds itself; they say what was done to a record, and stay.
const OWN_NAMES: &str = "spanlake.";

static NEXT_NUMBER: AtomicNumber = AtomicNumber::new(1);

/// A counter for the whole process, which no model has several of.
type AtomicNumber = std::sync::atomic::AtomicU64;

// === impl Redactor ===

impl Redactor {
    pub(super) fn new(redaction: Redaction) -> Result<Self, Error> {
        if redaction.rules.iter().any(|(name, _)| name.is_empty()) {
            return Err(refused("a rule has an empty name"));
        }
        #[cfg(feature = "patterns")]
        let finders = redaction.texts.iter().map(Finder::new).collect::<Result<_, _>>()?;
        let inner = Inner::new(redaction);
        #[cfg(feature = "patterns")]
        let inner = Inner { finders, ..inner };
        Ok(Self(Arc::new(inner)))
    }

    /// Of a redaction by names alone, none of which is empty: nothing can be wrong with it.
    pub(crate) fn by_names(redaction: Redaction) -> Self {
        Self(Arc::new(Inner::new(redaction)))
    }

    /// A number that no other redactor of this process has or had.
    #[inline]
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// Whether it has no other handle, so that nobody else will ask it.
    pub fn is_last(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }

    /// What it says of a callsite with fields of these names.
    pub fn decide<'a>(&self, names: impl Iterator<Item = &'a str>) -> Decisions {
        let mut brings_names = false;
        // An error may bring fields that stand beside it.
        let beside = |name: &str| [ERROR_TYPE, ERROR_BACKTRACE].iter().any(|end| self.denies(&format!("{name}{end}")));
        let names = names.inspect(|name| brings_names |= *name == observed::VALUES || beside(name));
        let fields: Box<[Verdict]> = names.map(|name| self.verdict(name)).collect();
        let concerns_fields = brings_names || fields.iter().any(|verdict| matches!(verdict, Verdict::Rule(_)));
        let (message, error) = (self.verdict("message"), self.verdict("error"));
        Decisions { fields, message, error, concerns_fields, brings_names }
    }

    fn denies(&self, name: &str) -> bool {
        matches!(self.verdict(name), Verdict::Rule(_))
    }

    /// Whether texts are looked through.
    #[inline]
    fn has_finders(&self) -> bool {
        #[cfg(feature = "patterns")]
        return !self.0.finders.is_empty();
        #[cfg(not(feature = "patterns"))]
        false
    }

    /// Replaces what must not be read in the text of an event or a task.
    #[inline]
    pub fn message(&self, decisions: &Decisions, message: &mut Message, hits: &mut Hits) {
        let is_free = decisions.message == Verdict::Allow || decisions.message == Verdict::Open && !self.has_finders();
        if !is_free && !message.is_empty() {
            self.redact_message(decisions, message, hits);
        }
    }

    fn redact_message(&self, decisions: &Decisions, message: &mut Message, hits: &mut Hits) {
        let text = self.message_text(decisions, &message.marked_text(), hits);
        if let Some(text) = text {
            message.set(&text);
        }
    }

    /// Replaces what must not be read in an error and its causes.
    pub fn error(&self, decisions: &Decisions, links: &mut [String], hits: &mut Hits) {
        for link in links {
            if let Some(text) = self.error_text(decisions, link, hits) {
                *link = text;
            }
        }
    }

    /// What is written instead of a message; `None` for the message itself.
    pub(super) fn message_text(&self, decisions: &Decisions, text: &str, hits: &mut Hits) -> Option<String> {
        self.text(decisions.message, text, hits)
    }

    /// What is written instead of a link of an error; `None` for the link itself.
    pub(super) fn error_text(&self, decisions: &Decisions, text: &str, hits: &mut Hits) -> Option<String> {
        self.text(decisions.error, text, hits)
    }

    /// What is written instead of the value of this name; `None` for the value itself.
    pub(super) fn named(&self, name: &str, value: &Value<'_>, hits: &mut Hits) -> Option<Value<'static>> {
        self.value(self.verdict(name), value, hits)
    }

    /// A callsite's fields with everything replaced that must not be read; `None` when they can stay as they are.
    #[inline]
    pub fn fields(&self, decisions: &Decisions, body: &[u8], hits: &mut Hits) -> Option<BodyWriter> {
        let is_free = !decisions.concerns_fields && !self.has_finders();
        if is_free { None } else { self.context(decisions, body, hits) }
    }

    /// The same for fields some of whose names no callsite knows, as those that a program binds to a task.
    pub fn context(&self, decisions: &Decisions, body: &[u8], hits: &mut Hits) -> Option<BodyWriter> {
        let mut concerned = false;
        read_named(body, |name, value| {
            concerned |= match self.verdict_on(decisions, name) {
                Verdict::Allow => false,
                Verdict::Rule(_) => true,
                Verdict::Open => self.has_finders() && has_text(&value),
            };
        });
        if concerned { self.redact_fields(decisions, body, hits) } else { None }
    }

    /// A text, whatever its name, with everything replaced that patterns find; `None` when they find nothing. Counts nothing.
    pub fn replaced(&self, text: &str) -> Option<String> {
        self.find(text, &mut Hits::default())
    }

    /// Counts what was replaced.
    pub fn count(&self, hits: &Hits) {
        for (rule, count) in &hits.0 {
            if let Some((_, counter)) = self.0.counts.get(*rule) {
                counter.fetch_add(*count, Ordering::Relaxed);
            }
        }
    }

    /// How often each rule has replaced something so far, those that never did too.
    pub fn counts(&self) -> Vec<Redacted> {
        let read =
            |(rule, count): &(String, AtomicU64)| Redacted { rule: rule.clone(), count: count.load(Ordering::Relaxed) };
        self.0.counts.iter().map(read).collect()
    }

    fn verdict_on(&self, decisions: &Decisions, name: Name<'_>) -> Verdict {
        match name {
            Name::Index(index) => decisions.fields.get(index).copied().unwrap_or(Verdict::Open),
            Name::Text(text) => match self.verdict(text) {
                Verdict::Open if decisions.brings_names => self.verdict_on_parts(text),
                verdict => verdict,
            },
        }
    }

    /// Of the name of an observed object's value, behind its groups. A rule for `pwd` is meant for `login.pwd` as well, and one
    /// for `login` for all that is in it.
    fn verdict_on_parts(&self, name: &str) -> Verdict {
        let mut verdicts = name.rsplit('.').map(|part| self.verdict(part));
        verdicts.find(|verdict| *verdict != Verdict::Open).unwrap_or(Verdict::Open)
    }

    fn verdict(&self, name: &str) -> Verdict {
        if name.starts_with(OWN_NAMES) || name.starts_with(observed::PREFIX) {
            return Verdict::Open;
        }
        if self.0.allowed.iter().any(|allowed| fits(allowed, name)) {
            return Verdict::Allow;
        }
        let rule = self.0.rules.iter().position(|(rule, _)| fits(rule, name));
        rule.map_or(Verdict::Open, Verdict::Rule)
    }

    fn redact_fields(&self, decisions: &Decisions, body: &[u8], hits: &mut Hits) -> Option<BodyWriter> {
        let mut fields = Vec::new();
        let mut changed = false;
        read_named(body, |name, value| {
            let redacted = self.value(self.verdict_on(decisions, name), &value, hits);
            changed |= redacted.is_some();
            fields.push((name, redacted.unwrap_or(value)));
        });
        changed.then(|| {
            let mut body = BodyWriter::default();
            fields.iter().for_each(|(name, value)| body.value(*name, value));
            body.finish();
            body
        })
    }

    /// What is written instead of a value; `None` for the value itself.
    fn value(&self, verdict: Verdict, value: &Value<'_>, hits: &mut Hits) -> Option<Value<'static>> {
        match (verdict, value) {
            (Verdict::Rule(rule), value) if self.action(rule).hides() => {
                self.text(verdict, &value.to_string(), hits).map(|text| Value::Text(text.into()))
            }
            (_, Value::Text(text)) => self.text(verdict, text, hits).map(|text| Value::Text(text.into())),
            (_, Value::Error(links)) => {
                let redacted: Vec<_> = links.iter().map(|link| self.text(verdict, link, hits)).collect();
                let links =
                    redacted.iter().zip(links).map(|(new, old)| new.as_deref().unwrap_or(old).to_owned().into());
                redacted.iter().any(Option::is_some).then(|| Value::Error(links.collect()))
            }
            (Verdict::Allow, _) => None,
            (_, Value::Map(fields)) => {
                let redacted: Vec<_> = fields.iter().map(|field| self.named(&field.name, &field.value, hits)).collect();
                let is_any = redacted.iter().any(Option::is_some);
                let fields = redacted.into_iter().zip(fields).map(|(new, old)| match new {
                    Some(value) => Field { name: old.name.clone().into_owned().into(), value },
                    None => old.clone().into_owned(),
                });
                is_any.then(|| Value::Map(fields.collect()))
            }
            (_, Value::List(values)) => {
                let redacted: Vec<_> = values.iter().map(|value| self.value(verdict, value, hits)).collect();
                let is_any = redacted.iter().any(Option::is_some);
                let values = redacted.into_iter().zip(values);
                let values = values.map(|(new, old)| new.unwrap_or_else(|| old.clone().into_owned()));
                is_any.then(|| Value::List(values.collect()))
            }
            _ => None,
        }
    }

    /// What is written instead of a text; `None` for the text itself.
    fn text(&self, verdict: Verdict, text: &str, hits: &mut Hits) -> Option<String> {
        match verdict {
            Verdict::Allow => None,
            Verdict::Open => self.find(text, hits),
            Verdict::Rule(rule) => {
                let text = match self.action(rule) {
                    Action::Allow => None,
                    Action::Deny => Some(HIDDEN.to_owned()),
                    Action::Hash => Some(self.hash(text)),
                    Action::Truncate(bytes) => truncated(text, bytes),
                };
                if text.is_some() {
                    hits.add(rule, 1);
                }
                text
            }
        }
    }

    fn action(&self, rule: usize) -> Action {
        self.0.rules.get(rule).map_or(Action::Allow, |(_, action)| *action)
    }

    #[cfg(feature = "patterns")]
    fn find(&self, text: &str, hits: &mut Hits) -> Option<String> {
        let mut replaced: Option<String> = None;
        for (at, finder) in self.0.finders.iter().enumerate() {
            if let Some((text, count)) = finder.replace(replaced.as_deref().unwrap_or(text)) {
                hits.add(self.0.rules.len() + at, count);
                replaced = Some(text);
            }
        }
        replaced
    }

    #[cfg(not(feature = "patterns"))]
    fn find(&self, _text: &str, _hits: &mut Hits) -> Option<String> {
        None
    }

    fn hash(&self, text: &str) -> String {
        let mut hasher = SipHasher24::new_with_key(self.0.hash_key.expose());
        hasher.write(text.as_bytes());
        format!("hash:{:032x}", hasher.finish128().as_u128())
    }
}

// === impl Inner ===

impl Inner {
    /// Without its finders.
    fn new(redaction: Redaction) -> Self {
        let Redaction { rules, texts, hash_key } = redaction;
        let (allowed, rules): (Vec<_>, Vec<_>) = rules.into_iter().partition(|(_, action)| *action == Action::Allow);
        let titles = rules.iter().map(|(name, action)| action.title(name)).chain(texts.iter().map(Text::title));
        Self {
            number: NEXT_NUMBER.fetch_add(1, Ordering::Relaxed),
            allowed: allowed.into_iter().map(|(name, _)| name).collect(),
            counts: titles.map(|title| (title, AtomicU64::new(0))).collect(),
            rules,
            #[cfg(feature = "patterns")]
            finders: Vec::new(),
            hash_key: hash_key.unwrap_or_else(|| Secret::new(uuid::Uuid::new_v4().into_bytes())),
        }
    }
}

// === impl Hits ===

impl Hits {
    /// Whether no rule fitted.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, rule: usize, count: u64) {
        match self.0.iter_mut().find(|(known, _)| *known == rule) {
            Some((_, counted)) => *counted += count,
            None => self.0.push((rule, count)),
        }
    }

    /// What there is beyond `before`, which becomes what there is.
    pub fn beyond(&self, before: &mut Self) -> Self {
        let mut more = Self::default();
        for (rule, count) in &self.0 {
            let counted = before.0.iter().find(|(known, _)| known == rule).map_or(0, |(_, count)| *count);
            if let Some(new) = count.checked_sub(counted).filter(|new| *new > 0) {
                more.add(*rule, new);
                before.add(*rule, new);
            }
        }
        more
    }
}

// === impl Action ===

impl Action {
    /// Whether nothing is left of the value, so that it does not matter what it is.
    fn hides(self) -> bool {
        matches!(self, Action::Deny | Action::Hash)
    }

    fn title(self, name: &str) -> String {
        match self {
            Action::Allow => format!("allow {name}"),
            Action::Deny => format!("deny {name}"),
            Action::Hash => format!("hash {name}"),
            Action::Truncate(bytes) => format!("truncate {name} to {bytes} bytes"),
        }
    }
}

impl Text {
    fn title(&self) -> String {
        match self {
            Text::Pattern(pattern) => format!("pattern {pattern}"),
            Text::CardNumber => "card numbers".to_owned(),
        }
    }
}

/// Whether there is text in a value that patterns may find something in.
fn has_text(value: &Value<'_>) -> bool {
    match value {
        Value::Text(_) | Value::Error(_) => true,
        Value::List(values) => values.iter().any(has_text),
        Value::Map(fields) => fields.iter().any(|field| has_text(&field.value)),
        _ => false,
    }
}

fn truncated(text: &str, bytes: usize) -> Option<String> {
    let kept = (text.len() > bytes).then(|| &text[..floor_char_boundary(text, bytes)])?;
    Some(cut_text(kept, text.len() as u64).into_owned())
}
