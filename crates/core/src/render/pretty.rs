//! Lines for people at a terminal.

use std::num::NonZeroUsize;

use super::color::{BOLD, Color, DIM, style_of};
use super::escape::Escaped;
use super::line::{Bytes, Line};
use super::look::Look;
use super::pairs::{Bound, INDENT, Wrap, fields_of, for_people, put_causes, put_pairs, put_values};
use super::renderer::Renderer;
use super::time::format_us;
use super::words::{Lifecycle, is_quiet};
use crate::record::Record;
use crate::value::Field;

/// Renders records as `<timestamp> [<level>] <message> key=value …`, in columns and in colours.
///
/// ```text
/// 2026-11-20T13:14:10.123456Z [info     ] wrote batch                              rows=500 table=orders
/// ```
///
/// The level is padded to 9, the message to 40 where fields follow. Fields are sorted by name. The error chain follows as
/// indented lines.
///
/// | setting | default |
/// |---|---|
/// | [`color`](Self::color) | [`Color::Auto`] |
/// | [`width`](Self::width) | that of the terminal; elsewhere none: a record is one line however long |
/// | [`bound`](Self::bound) | [`Bound::Shown`] |
/// | [`lifecycle`](Self::lifecycle) | [`Lifecycle::Plain`] |
///
/// ```
/// use spanlake_core::render::{Color, Lifecycle, Pretty};
///
/// let console = Pretty::new().color(Color::Always).lifecycle(Lifecycle::Timed);
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a renderer does nothing until a sink has it"]
pub struct Pretty {
    look: Look,
    bound: Bound,
    lifecycle: Lifecycle,
}

const LEVEL_WIDTH: usize = 9;

const MESSAGE_WIDTH: usize = 40;

impl Pretty {
    /// With the defaults above.
    pub fn new() -> Self {
        Self::default()
    }

    /// When there are colours.
    pub fn color(mut self, color: Color) -> Self {
        self.look.set_color(color);
        self
    }

    /// Fields that would take a line beyond so many columns go on further lines, indented. A message or a field that is longer
    /// by itself is left as it is. [`NonZeroUsize::MAX`] keeps a record in one line however long.
    pub fn width(mut self, columns: NonZeroUsize) -> Self {
        self.look.set_width(columns);
        self
    }

    /// Whether lines show what is bound to the task.
    pub fn bound(mut self, bound: Bound) -> Self {
        self.bound = bound;
        self
    }

    /// How begins and ends of tasks are put into words.
    pub fn lifecycle(mut self, lifecycle: Lifecycle) -> Self {
        self.lifecycle = lifecycle;
        self
    }
}

impl Renderer for Pretty {
    fn render(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        if is_quiet(record) {
            return;
        }
        let mut fields = for_people(record, fields_of(record, self.bound));
        fields.sort_by(|one, other| one.name.cmp(&other.name));
        let out = &mut Bytes(out);
        let mut line = Line::new(out, self.look.has_color());
        self.lifecycle.each(record, |words| {
            self.put_line(&mut line, record, words, &fields);
            // What is said twice has its fields once.
            fields.clear();
        });
        put_values(&mut line, record, "");
        put_causes(&mut line, record, INDENT);
    }

    fn set_terminal(&mut self) {
        self.look.set_terminal();
    }

    fn set_columns(&mut self, columns: NonZeroUsize) {
        self.look.set_columns(columns);
    }
}

impl Pretty {
    fn put_line(&self, line: &mut Line<'_, Bytes<'_>>, record: &Record<'_>, words: &str, fields: &[Field<'_>]) {
        line.styled(DIM, format_us(record.ts_us()));
        line.put(" [");
        let level = record.level.as_str().to_ascii_lowercase();
        line.styled(style_of(record.level), format_args!("{level:LEVEL_WIDTH$}"));
        line.put("] ");
        let behind_message = line.column() + MESSAGE_WIDTH;
        line.styled(BOLD, Escaped(words));
        let wrap = self.look.width().map(|width| Wrap { width, indent: INDENT });
        put_pairs(line, fields, behind_message, wrap.as_ref());
        line.end();
    }
}
