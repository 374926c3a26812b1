//! Levels as other systems name and number them.

use spanlake_core::value::Value;
use spanlake_core::{Level, Record};

/// The field that makes a record of level `ERROR` a critical one.
pub const CRITICAL: &str = "critical";

/// The field that keeps a record from being sent, when it is `false`.
pub const TRANSMIT: &str = "transmit";

/// A level of the systems that count in tens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// 10; what has no name that is known as well.
    Debug,
    /// 20.
    Info,
    /// 30.
    Warning,
    /// 40.
    Error,
    /// 50.
    Critical,
}

impl Severity {
    /// All of them, the least severe first.
    pub const ALL: [Severity; 5] =
        [Severity::Debug, Severity::Info, Severity::Warning, Severity::Error, Severity::Critical];

    /// That of a record: `ERROR` is critical where the field [`CRITICAL`] is `true`; there is nothing below debug.
    pub fn of(record: &Record<'_>) -> Self {
        match record.level {
            Level::TRACE | Level::DEBUG => Severity::Debug,
            Level::INFO => Severity::Info,
            Level::WARN => Severity::Warning,
            Level::ERROR if record.fields.get(CRITICAL) == Some(Value::Bool(true)) => Severity::Critical,
            Level::ERROR => Severity::Error,
        }
    }

    /// By name, in whatever case: `warn` and `fatal` too. What has no name that is known is debug.
    pub fn named(name: &str) -> Self {
        let is = |word: &str| name.eq_ignore_ascii_case(word);
        let known = Self::ALL.into_iter().find(|severity| is(severity.name()));
        known.unwrap_or_else(|| match () {
            () if is("warn") => Severity::Warning,
            () if is("fatal") => Severity::Critical,
            () => Severity::Debug,
        })
    }

    /// By number; what lies between two is the lesser.
    pub fn numbered(number: i64) -> Self {
        let reached = Self::ALL.into_iter().rfind(|severity| i64::from(severity.number()) <= number);
        reached.unwrap_or(Severity::Debug)
    }

    /// The name, in lower case.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Debug => "debug",
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
            Severity::Critical => "critical",
        }
    }

    /// The name, in upper case.
    pub fn name_upper(self) -> &'static str {
        match self {
            Severity::Debug => "DEBUG",
            Severity::Info => "INFO",
            Severity::Warning => "WARNING",
            Severity::Error => "ERROR",
            Severity::Critical => "CRITICAL",
        }
    }

    /// The number.
    pub fn number(self) -> u8 {
        match self {
            Severity::Debug => 10,
            Severity::Info => 20,
            Severity::Warning => 30,
            Severity::Error => 40,
            Severity::Critical => 50,
        }
    }

    /// The level of a record that says so.
    pub fn level(self) -> Level {
        match self {
            Severity::Debug => Level::DEBUG,
            Severity::Info => Level::INFO,
            Severity::Warning => Level::WARN,
            Severity::Error | Severity::Critical => Level::ERROR,
        }
    }
}

/// Whether a record says that it is not to be sent: by its field [`TRANSMIT`], else by that of its task's context.
pub fn stays_here(record: &Record<'_>) -> bool {
    let bound = || {
        let context = &record.task.as_deref()?.context;
        context.iter().rfind(|field| field.name == TRANSMIT).map(|field| field.value.clone())
    };
    record.fields.get(TRANSMIT).or_else(bound) == Some(Value::Bool(false))
}
