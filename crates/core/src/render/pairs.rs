//! Fields as people read them: `name=value`.

use std::borrow::Cow;
use std::fmt::{self, Display, Write};

use super::color::{CYAN, RED};
use super::dump::each_line;
use super::escape::Escaped;
use super::line::{Line, columns};
use crate::observed;
use crate::record::{Kind, Record, merge_context};
use crate::value::{Field, Value};

/// Whether a line shows what is bound to the record's task beside the record's own fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bound {
    /// It does; of a name that both have, the record's own is shown.
    #[default]
    Shown,
    /// It does not.
    Hidden,
}

/// How a further line of a record begins, where nothing else stands there.
pub(super) const INDENT: &str = "    ";

/// What a line may not be longer than, and how the next one begins.
pub(super) struct Wrap<'a> {
    pub(super) width: usize,
    pub(super) indent: &'a str,
}

/// The text behind `=`, in quotes where it would not be one word.
pub(super) struct Text<'a>(pub(super) &'a Value<'a>);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: Cow<'_, str> = match self.0 {
            Value::Text(text) => Cow::Borrowed(text),
            // The others follow as lines of their own.
            Value::Error(chain) => chain.first().map_or(Cow::Borrowed(""), |link| Cow::Borrowed(link)),
            value => Cow::Owned(value.to_string()),
        };
        if text.is_empty() || text.contains([' ', '"', '=']) {
            return write!(f, "\"{}\"", Escaped(&text.replace('"', "\\\"")));
        }
        Escaped(&text).fmt(f)
    }
}

/// The fields that a line shows; a statement of loss says its own in its message.
pub(super) fn fields_of<'a>(record: &Record<'a>, bound: Bound) -> Vec<Field<'a>> {
    if record.kind == Kind::Loss {
        return Vec::new();
    }
    let context = record.task.as_deref().filter(|_| bound == Bound::Shown).map_or(&[][..], |task| &task.context);
    merge_context(context, &record.fields.to_vec())
}

/// Of these fields, what a line for people shows: not what tells of observed objects, as the message says the same, nor
/// their values, which follow in lines of their own.
pub(super) fn for_people<'a>(record: &Record<'_>, mut fields: Vec<Field<'a>>) -> Vec<Field<'a>> {
    let is_dump = observed::is_dump(record);
    fields.retain(|field| !is_dump && !field.name.starts_with(observed::PREFIX));
    fields
}

/// Puts fields behind each other, on further lines where a line would get too long.
pub(super) fn put_pairs<W: Write>(line: &mut Line<'_, W>, fields: &[Field<'_>], from: usize, wrap: Option<&Wrap<'_>>) {
    for (at, field) in fields.iter().enumerate() {
        let (name, text) = (Escaped(&field.name).to_string(), Text(&field.value).to_string());
        let start = if at == 0 { line.column().max(from) } else { line.column() };
        let end = start + columns(&name) + columns(&text) + 2;
        match wrap.filter(|wrap| end > wrap.width && line.column() > columns(wrap.indent)) {
            Some(wrap) => {
                line.end();
                line.indent(wrap.indent);
            }
            None => {
                line.pad_to(start);
                line.put(' ');
            }
        }
        line.styled(CYAN, name);
        line.put(format_args!("={text}"));
    }
}

/// Appends the values of an observed object, a line for each and for each group.
pub(super) fn put_values<W: Write>(line: &mut Line<'_, W>, record: &Record<'_>, indent: &str) {
    if observed::is_dump(record) {
        each_line(&record.fields, |value| {
            line.indent(indent);
            line.put(value);
            line.end();
        });
    }
}

/// Appends error chains, a line for each link: of the end's error, and of fields that hold one.
pub(super) fn put_causes<W: Write>(line: &mut Line<'_, W>, record: &Record<'_>, indent: &str) {
    let mut put = |before: &str, link: &str| {
        line.indent(indent);
        line.styled(RED, format_args!("{before}{}", Escaped(link)));
        line.end();
    };
    for (at, link) in record.end().iter().flat_map(|end| &end.error).enumerate() {
        put(if at == 0 { "error: " } else { "caused by: " }, link);
    }
    record.fields.for_each(|_, value| {
        if let Value::Error(chain) = value {
            chain.iter().skip(1).for_each(|link| put("caused by: ", link));
        }
    });
}
