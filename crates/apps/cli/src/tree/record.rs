//! The lines of a record and of an error, the same in a tree and in what comes after it.

use spanlake_core::{Kind, Level, OwnedRecord, TaskKey};
use spanlake_query::TreeRecord;

use crate::line::{BAD, BOLD, DIM, LOST, Line, PLAIN, level_style};
use crate::pairs::put_fields;
use crate::words;

/// How wide time and level are.
const TIME_AND_LEVEL: usize = "13:14:10.123 ERROR ".len();

/// What an event or a loss says.
pub(super) struct Said<'a> {
    ts_us: i64,
    level: Level,
    is_loss: bool,
    message: &'a str,
    fields: &'a str,
    file: Option<&'a str>,
    line: Option<u32>,
}

impl Said<'_> {
    /// The same, where its fields are shown otherwise.
    pub(super) fn without_fields(self) -> Self {
        Self { fields: "{}", ..self }
    }
}

/// Puts time, level, message and fields, and where in the program it was, if something went wrong there.
pub(super) fn put_said(line: &mut Line, said: &Said<'_>, strokes: &str) {
    line.put(DIM, words::time_of_day(said.ts_us)).put(PLAIN, " ");
    if said.is_loss {
        // Its numbers are in its message.
        line.put(LOST, " LOSS ").hang(message_indent(strokes)).data(LOST, said.message);
        return;
    }
    line.put(level_style(said.level), format_args!("{:>5}", said.level));
    if words::is_grave(said.level) {
        line.hang(message_indent(strokes));
    }
    if said.message.is_empty() {
        put_fields(line, said.fields);
    } else {
        line.put(PLAIN, " ").data(if said.level == Level::ERROR { BOLD } else { PLAIN }, said.message);
        put_apart(line, |line| put_fields(line, said.fields));
    }
    if words::is_grave(said.level) {
        put_location(line, said.file, said.line);
    }
}

/// What stands below time and level of a record whose message goes on.
fn message_indent(strokes: &str) -> String {
    format!("{strokes}{:TIME_AND_LEVEL$}", "")
}

/// The lines of an error and its causes, each behind `strokes`; the first one says where it was.
pub(crate) fn error_lines(strokes: &str, error: &str, file: Option<&str>, number: Option<u32>) -> Vec<Line> {
    let causes = words::causes(error).into_iter().enumerate();
    let line = |(at, cause)| {
        let mut line = Line::new();
        line.put(DIM, strokes).put(BAD, if at == 0 { "error: " } else { "       " });
        line.hang(format!("{strokes}         ")).data(if at == 0 { BOLD } else { PLAIN }, cause);
        if at == 0 {
            put_location(&mut line, file, number);
        }
        line
    };
    causes.map(line).collect()
}

/// Puts the numbers below the root, which tell a task from its siblings.
pub(super) fn put_path(line: &mut Line, key: &TaskKey) {
    line.put(DIM, " ");
    for number in key.path() {
        line.put(DIM, format_args!("/{number}"));
    }
}

/// Puts something with more space before it than within it, if it puts anything.
pub(super) fn put_apart(line: &mut Line, put: impl FnOnce(&mut Line)) {
    let mut apart = Line::new();
    put(&mut apart);
    if !apart.is_empty() {
        line.put(PLAIN, " ").append(apart);
    }
}

fn put_location(line: &mut Line, file: Option<&str>, number: Option<u32>) {
    let Some(file) = file else { return };
    line.put(DIM, "  at ").data(DIM, file);
    if let Some(number) = number {
        line.put(DIM, format_args!(":{number}"));
    }
}

impl<'a> From<TreeRecord<'a>> for Said<'a> {
    fn from(record: TreeRecord<'a>) -> Self {
        Self {
            ts_us: record.ts_us(),
            level: record.level(),
            is_loss: record.is_loss(),
            message: record.message(),
            fields: record.fields(),
            file: record.file(),
            line: record.line(),
        }
    }
}

impl<'a> From<&'a OwnedRecord> for Said<'a> {
    fn from(record: &'a OwnedRecord) -> Self {
        Self {
            ts_us: record.ts_us,
            level: record.level,
            is_loss: record.kind == Kind::Loss,
            message: &record.message,
            fields: &record.fields,
            file: record.file.as_deref(),
            line: record.line,
        }
    }
}
