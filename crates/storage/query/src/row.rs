//! A record on its way from a file: its columns borrowed from the line or batch, until a filter lets it pass.

use std::borrow::Cow;

use spanlake_core::{Kind, Level, Outcome, OwnedRecord, RecordKey};

/// A record whose columns borrow from where it was read.
#[derive(Debug)]
pub(crate) struct Row<'a> {
    pub(crate) ts_us: i64,
    pub(crate) level: Level,
    pub(crate) kind: Kind,
    pub(crate) key: Option<RecordKey>,
    pub(crate) task: Option<Cow<'a, str>>,
    pub(crate) message: Option<Cow<'a, str>>,
    pub(crate) target: Option<Cow<'a, str>>,
    pub(crate) module: Option<Cow<'a, str>>,
    pub(crate) file: Option<Cow<'a, str>>,
    pub(crate) line: Option<i64>,
    pub(crate) thread: Option<Cow<'a, str>>,
    pub(crate) pid: Option<i64>,
    pub(crate) host: Option<Cow<'a, str>>,
    pub(crate) service: Option<Cow<'a, str>>,
    pub(crate) dataflow_id: Option<Cow<'a, str>>,
    pub(crate) context: Option<&'a str>,
    pub(crate) fields: Option<&'a str>,
    pub(crate) duration_us: Option<i64>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) error: Option<Cow<'a, str>>,
}

/// What a filter looks at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns<'a> {
    pub(crate) ts_us: i64,
    pub(crate) level: Level,
    pub(crate) kind: Kind,
    pub(crate) key: Option<&'a RecordKey>,
    pub(crate) message: &'a str,
    pub(crate) target: &'a str,
    pub(crate) context: &'a str,
    pub(crate) fields: &'a str,
    pub(crate) error: &'a str,
}

/// What stands for no context and no fields.
const NOTHING: &str = "{}";

impl Row<'_> {
    pub(crate) fn columns(&self) -> Columns<'_> {
        Columns {
            ts_us: self.ts_us,
            level: self.level,
            kind: self.kind,
            key: self.key.as_ref(),
            message: self.message.as_deref().unwrap_or_default(),
            target: self.target.as_deref().unwrap_or_default(),
            context: self.context.unwrap_or(NOTHING),
            fields: self.fields.unwrap_or(NOTHING),
            error: self.error.as_deref().unwrap_or_default(),
        }
    }

    pub(crate) fn into_record(self) -> OwnedRecord {
        let owned = |text: Option<Cow<'_, str>>| text.map(Cow::into_owned);
        OwnedRecord {
            ts_us: self.ts_us,
            level: self.level,
            kind: self.kind,
            key: self.key,
            task: owned(self.task),
            message: owned(self.message).unwrap_or_default(),
            target: owned(self.target).unwrap_or_default(),
            module: owned(self.module),
            file: owned(self.file),
            line: self.line.and_then(|line| u32::try_from(line).ok()),
            thread: owned(self.thread),
            pid: self.pid.and_then(|pid| u32::try_from(pid).ok()).unwrap_or_default(),
            host: owned(self.host).unwrap_or_default(),
            service: owned(self.service),
            dataflow_id: owned(self.dataflow_id),
            context: self.context.unwrap_or(NOTHING).to_owned(),
            fields: self.fields.unwrap_or(NOTHING).to_owned(),
            duration_us: self.duration_us,
            outcome: self.outcome,
            error: owned(self.error),
        }
    }
}

impl<'a> From<&'a OwnedRecord> for Columns<'a> {
    fn from(record: &'a OwnedRecord) -> Self {
        Self {
            ts_us: record.ts_us,
            level: record.level,
            kind: record.kind,
            key: record.key.as_ref(),
            message: &record.message,
            target: &record.target,
            context: &record.context,
            fields: &record.fields,
            error: record.error.as_deref().unwrap_or_default(),
        }
    }
}

// === words of the lake, as other programs may write them ===

/// A level in any case; the names that other systems use are taken for the nearest one.
pub(crate) fn parse_level(text: &str) -> Option<Level> {
    let is = |word: &str| text.eq_ignore_ascii_case(word);
    let levels = [Level::INFO, Level::DEBUG, Level::TRACE, Level::WARN, Level::ERROR];
    let own = levels.into_iter().find(|level| is(level.as_str()));
    own.or_else(|| is("warning").then_some(Level::WARN))
        .or_else(|| (is("critical") || is("fatal")).then_some(Level::ERROR))
}

/// A kind; one that is not known, or none, is an event, so that the record stays visible.
pub(crate) fn parse_kind(text: Option<&str>) -> Kind {
    text.and_then(|text| text.parse().ok()).unwrap_or(Kind::Event)
}
