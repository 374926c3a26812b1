//! Renderers: how a record becomes bytes.

use std::num::NonZeroUsize;

use crate::record::Record;

/// Makes bytes of records; a sink that writes text has one.
///
/// It may remember what it rendered before, such as which tasks are open. A record may come twice, when a sink failed and
/// the pump tries again.
///
/// ```
/// use spanlake_core::Record;
/// use spanlake_core::render::Renderer;
/// use spanlake_core::render::escape::Escaped;
///
/// struct Messages;
///
/// impl Renderer for Messages {
///     fn render(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
///         out.extend_from_slice(format!("{}\n", Escaped(&record.message)).as_bytes());
///     }
/// }
/// ```
pub trait Renderer: Send {
    /// Appends whole lines to `out`, line ends included, or nothing. It may neither fail nor change what is in `out`.
    fn render(&mut self, out: &mut Vec<u8>, record: &Record<'_>);

    /// Told at the start by a sink that writes to a terminal.
    fn set_terminal(&mut self) {}

    /// Told before each batch by a sink that writes to a terminal: how many columns that has now.
    fn set_columns(&mut self, columns: NonZeroUsize) {
        let _ = columns;
    }
}

impl<R: Renderer + ?Sized> Renderer for Box<R> {
    fn render(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        (**self).render(out, record);
    }

    fn set_terminal(&mut self) {
        (**self).set_terminal();
    }

    fn set_columns(&mut self, columns: NonZeroUsize) {
        (**self).set_columns(columns);
    }
}
