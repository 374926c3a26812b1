//! How lines look at a terminal: whether they have colours, and how wide they may get.

use std::num::NonZeroUsize;

use super::color::Color;

/// What renderers for people at a terminal have in common.
#[derive(Clone, Debug, Default)]
pub(super) struct Look {
    color: Color,
    has_color: bool,
    /// As the program chose.
    width: Option<NonZeroUsize>,
    /// As the terminal has it.
    columns: Option<NonZeroUsize>,
}

impl Look {
    pub(super) fn has_color(&self) -> bool {
        self.has_color
    }

    pub(super) fn width(&self) -> Option<usize> {
        self.width.or(self.columns).map(NonZeroUsize::get)
    }

    pub(super) fn set_color(&mut self, color: Color) {
        (self.color, self.has_color) = (color, color.at_first());
    }

    pub(super) fn set_width(&mut self, columns: NonZeroUsize) {
        self.width = Some(columns);
    }

    pub(super) fn set_terminal(&mut self) {
        self.has_color = self.color.on_terminal();
    }

    pub(super) fn set_columns(&mut self, columns: NonZeroUsize) {
        self.columns = Some(columns);
    }
}
