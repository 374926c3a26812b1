//! A test's handle on what it recorded.

use std::fmt;

use spanlake_capture::CaptureHandle;
use spanlake_core::{Kind, Level, Losses, Outcome, OwnedRecord, Secret, TaskKey, Value};
use tracing::Span;
use tracing::span::EnteredSpan;

use crate::global::PATIENCE;
use crate::secrets::Watched;
use crate::store::kept;
use crate::text::{object, render};

/// What a test records, from [`capture`](crate::capture) until this is dropped.
///
/// Everything it is asked for has what was recorded before the question, on whichever thread. When the test fails, what it
/// recorded is printed.
#[derive(Debug)]
#[must_use = "the test's task ends when this is dropped"]
pub struct Capture {
    root: TaskKey,
    handle: CaptureHandle,
    strays_before: usize,
    losses_before: Losses,
    watched: Watched,
    entered: EnteredSpan,
}

/// One of a test's tasks.
#[derive(Clone, Debug)]
pub struct CapturedTask {
    key: TaskKey,
    name: String,
    records: Vec<OwnedRecord>,
}

// === impl Capture ===

impl Capture {
    pub(crate) fn new(span: Span, root: TaskKey, handle: CaptureHandle, strays_before: usize) -> Self {
        let losses_before = handle.report().losses;
        Self { root, handle, strays_before, losses_before, watched: Watched::default(), entered: span.entered() }
    }

    /// The key of the test's root task, which those of its records have in them.
    pub fn key(&self) -> &TaskKey {
        &self.root
    }

    /// The span of the test's root task, for what runs where the test's thread is not.
    pub fn span(&self) -> &Span {
        &self.entered
    }

    /// What was recorded so far, without the test's own begin: in the order of each thread, between threads by time.
    pub fn records(&self) -> Vec<OwnedRecord> {
        self.flush();
        let mut records = kept().records(&self.root);
        records.retain(|record| record.kind != Kind::Begin || !self.is_own(record));
        records
    }

    /// What was recorded outside any task since the capture began, by this test or by any other: it cannot be told whose it
    /// is. A program whose work is all in tasks has none.
    pub fn strays(&self) -> Vec<OwnedRecord> {
        self.flush();
        let mut strays = kept().strays_after(self.strays_before);
        strays.retain(|record| record.kind != Kind::Loss);
        strays
    }

    /// How many records the process has lost since the capture began. There should be none.
    pub fn losses(&self) -> u64 {
        self.flush();
        self.handle.report().losses.total() - self.losses_before.total()
    }

    /// Whether a record's text has `text` in it.
    pub fn contains(&self, text: &str) -> bool {
        contains(&self.records(), text)
    }

    /// Whether a record has this value in a field, its own or one of its task's context.
    pub fn contains_field(&self, name: &str, value: impl Into<Value<'static>>) -> bool {
        contains_field(&self.records(), name, &value.into())
    }

    /// The first task of this name.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[track_caller]
    pub fn task(&self, name: &str) -> CapturedTask {
        let first = self.tasks(name).into_iter().next();
        first.unwrap_or_else(|| panic!("there is no task `{name}` in\n{}", self.text()))
    }

    /// All tasks of this name, by their keys.
    pub fn tasks(&self, name: &str) -> Vec<CapturedTask> {
        let records = self.records();
        let named = records.iter().filter(|record| record.task.as_deref() == Some(name) && !self.is_own(record));
        let mut keys: Vec<TaskKey> = named.filter_map(|record| Some(record.key.as_ref()?.task.clone())).collect();
        keys.sort();
        keys.dedup();
        keys.into_iter().map(|key| CapturedTask::new(key, name, &records)).collect()
    }

    /// What was recorded as text that is the same each time, for snapshots: task by task, without times, durations and
    /// keys.
    pub fn text(&self) -> String {
        self.flush();
        render(&kept().records(&self.root), &self.root)
    }

    /// Registers a secret for [`assert_no_secrets`](Self::assert_no_secrets).
    pub fn watch<T: fmt::Display>(&mut self, secret: &Secret<T>) {
        self.watched.add(secret.expose().to_string());
    }

    fn is_own(&self, record: &OwnedRecord) -> bool {
        record.key.as_ref().is_some_and(|key| key.task == self.root)
    }

    #[track_caller]
    fn flush(&self) {
        let report = self.handle.flush(PATIENCE);
        assert!(!report.timed_out, "the records did not come in time: {report}");
    }
}

// === assertions ===

impl Capture {
    /// A record's text must have `text` in it.
    #[track_caller]
    pub fn assert_contains(&self, text: &str) {
        assert!(self.contains(text), "no record says `{text}` in\n{}", self.text());
    }

    /// A record must have this value in a field, its own or one of its task's context.
    #[track_caller]
    pub fn assert_field(&self, name: &str, value: impl Into<Value<'static>>) {
        let value = value.into();
        assert!(contains_field(&self.records(), name, &value), "no record has {name}={value} in\n{}", self.text());
    }

    /// Records must say these texts, in this order; others may be between them.
    #[track_caller]
    pub fn assert_order(&self, texts: &[&str]) {
        let records = self.records();
        let mut rest = records.iter();
        let missing = texts.iter().find(|text| !rest.any(|record| record.message.contains(**text)));
        if let Some(text) = missing {
            panic!("`{text}` does not come where it should, of {texts:?}, in\n{}", self.text());
        }
    }

    /// No record may be at ERROR, and no task have failed.
    #[track_caller]
    pub fn assert_no_errors(&self) {
        let records = self.records();
        let bad = |record: &&OwnedRecord| record.level == Level::ERROR || record.outcome == Some(Outcome::Failed);
        if let Some(bad) = records.iter().find(bad) {
            panic!("`{}` in\n{}", bad.message, self.text());
        }
    }

    /// No record of the test, nor any outside a task, may have something in it that was [watched](Self::watch) or that looks
    /// like a secret: [`SECRET_TEXTS`](spanlake_core::redact::SECRET_TEXTS). What is found is not shown.
    #[track_caller]
    pub fn assert_no_secrets(&self) {
        let (records, strays) = (self.records(), self.strays());
        let found = records.iter().chain(&strays).find_map(|record| self.watched.find_in(record));
        assert!(found.is_none(), "{}", found.unwrap_or_default());
    }

    /// The same for a text that a sink has written, such as the content of a file.
    #[track_caller]
    pub fn assert_no_secrets_in(&self, text: &str) {
        for (at, line) in text.lines().enumerate() {
            let found = self.watched.find(line);
            assert!(found.is_none(), "line {} has {}", at + 1, found.unwrap_or_default());
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if std::thread::panicking() && !self.handle.flush(PATIENCE).timed_out {
            let text = render(&kept().records(&self.root), &self.root);
            // Not what may be the very secret that was found.
            let hidden = text.lines().any(|line| self.watched.find(line).is_some());
            eprintln!(
                "recorded by the test:\n{}",
                if hidden { "(not shown, for it has a secret in it)" } else { &text }
            );
        }
        kept().end(&self.root);
    }
}

// === impl CapturedTask ===

impl CapturedTask {
    fn new(key: TaskKey, name: &str, records: &[OwnedRecord]) -> Self {
        let of = |record: &&OwnedRecord| record.key.as_ref().is_some_and(|other| key.contains(&other.task));
        let records = records.iter().filter(of).cloned().collect();
        Self { key, name: name.to_owned(), records }
    }

    /// Its key.
    pub fn key(&self) -> &TaskKey {
        &self.key
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What was recorded in it and in its subtasks.
    pub fn records(&self) -> &[OwnedRecord] {
        &self.records
    }

    /// How it ended; `None` while it runs.
    pub fn outcome(&self) -> Option<Outcome> {
        self.end()?.outcome
    }

    /// Why it failed, with the causes.
    pub fn error(&self) -> Option<&str> {
        self.end()?.error.as_deref()
    }

    /// Whether a record in it says `text`.
    pub fn contains(&self, text: &str) -> bool {
        contains(&self.records, text)
    }

    /// Whether a record in it has this value in a field, its own or one of the task's context.
    pub fn contains_field(&self, name: &str, value: impl Into<Value<'static>>) -> bool {
        contains_field(&self.records, name, &value.into())
    }

    fn end(&self) -> Option<&OwnedRecord> {
        let is_own = |record: &&OwnedRecord| record.key.as_ref().is_some_and(|key| key.task == self.key);
        self.records.iter().filter(is_own).find(|record| record.kind == Kind::End)
    }
}

fn contains(records: &[OwnedRecord], text: &str) -> bool {
    records.iter().any(|record| record.message.contains(text))
}

fn contains_field(records: &[OwnedRecord], name: &str, value: &Value<'_>) -> bool {
    let value = json(value);
    let has = |json: &str| object(json).get(name) == Some(&value);
    records.iter().any(|record| has(&record.fields) || has(&record.context))
}

/// A value as the record's JSON has it.
fn json(value: &Value<'_>) -> serde_json::Value {
    match value {
        Value::Bool(value) => (*value).into(),
        // What is not negative is read back as unsigned.
        Value::I64(value) => u64::try_from(*value).map_or_else(|_| (*value).into(), Into::into),
        Value::U64(value) => (*value).into(),
        Value::F64(value) => (*value).into(),
        value => value.to_string().into(),
    }
}
