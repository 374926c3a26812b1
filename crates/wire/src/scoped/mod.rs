//! Scoped-task JSON over ZeroMQ: Python's log records with the key of a task, two frames each.
//!
//! Frame 0 is the topic, three letters: the system, `T`, `S` or `P` ([`System`]); the kind, `L` for a log record or `P` for a
//! measurement; the encoding, `J` for JSON or `P` for pickle, which is refused before anything of it is looked at. Frame 1 is
//! an object with the attributes of a Python log record. `context` in it is `null`, or an object with the record's `key` and
//! the values bound to its task.

mod write;
mod entries;
mod read;

pub use read::Reader;
pub use write::Writer;

/// The system that a program is part of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum System {
    /// Tests.
    Test,
    /// What comes before production.
    Staging,
    /// The real thing.
    #[default]
    Production,
}

impl System {
    /// All of them.
    pub const ALL: [System; 3] = [System::Test, System::Staging, System::Production];

    /// The first letter of the topic.
    pub fn letter(self) -> u8 {
        match self {
            System::Test => b'T',
            System::Staging => b'S',
            System::Production => b'P',
        }
    }

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            System::Test => "test",
            System::Staging => "staging",
            System::Production => "production",
        }
    }
}

/// The field that a record is given, with the system of its topic.
pub const SYSTEM: &str = "system";

/// Attributes of a Python log record; extras are what has another name.
const ATTRIBUTES: [&str; 25] = [
    "args",
    "asctime",
    "context",
    "created",
    "exc_info",
    "exc_text",
    "filename",
    "funcName",
    "hostname",
    "levelname",
    "levelno",
    "lineno",
    "message",
    "module",
    "msecs",
    "msg",
    "name",
    "pathname",
    "process",
    "processName",
    "relativeCreated",
    "stack_info",
    "taskName",
    "thread",
    "threadName",
];

/// The name in `context` that is no value of the task.
const KEY: &str = "key";
