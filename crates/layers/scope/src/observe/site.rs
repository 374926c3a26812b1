//! Where in the program objects are observed: the callsites by which `tracing` remembers whether somebody listens.

use std::error::Error;
use std::fmt;

use spanlake_core::Level;
use spanlake_core::observed::{CALL, DEPTH, METHOD, OBJECT, PHASE, TYPE, VALUES};
use spanlake_core::record::level_code;
use tracing::Span;
use tracing::field::Value;
use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};
use tracing_core::callsite::DefaultCallsite;
use tracing_core::{Callsite, Event, dispatcher};

use super::values::Values;

/// A place in the program where objects are observed. [`site!`](crate::site!) makes one.
pub struct Site {
    /// From `TRACE` to `ERROR`.
    events: [&'static DefaultCallsite; 5],
    dump: &'static DefaultCallsite,
    task: &'static DefaultCallsite,
}

/// The fields of a line, and of a record that an object wants written.
pub const EVENT_FIELDS: &[&str] = &["message", OBJECT, METHOD, PHASE, CALL, DEPTH, VALUES];

/// The fields of a dump.
pub const DUMP_FIELDS: &[&str] = &["message", OBJECT, METHOD, PHASE, CALL, TYPE, VALUES];

/// The fields of the span of an object that is a task.
pub const TASK_FIELDS: &[&str] = &["message", crate::NAME];

/// What an event at a site says beside its message.
#[derive(Clone, Copy)]
pub(super) struct Words<'a> {
    pub(super) object: &'a str,
    pub(super) method: &'a str,
    pub(super) phase: &'static str,
    /// Which piece of work it is.
    pub(super) call: u64,
    /// Of a line: how many observed objects it stands in.
    pub(super) depth: Option<u64>,
    /// Of a dump: the object's type.
    pub(super) type_name: Option<&'a str>,
    pub(super) values: Option<&'a Values>,
}

/// The site that all calls of [`observe`](super::observe()) share. It has no file and no line: those of this crate would tell
/// nothing.
#[inline]
pub(super) fn own() -> &'static Site {
    crate::__site!("spanlake::observe", None, None, None)
}

impl Site {
    #[doc(hidden)]
    pub const fn new(
        events: [&'static DefaultCallsite; 5],
        dump: &'static DefaultCallsite,
        task: &'static DefaultCallsite,
    ) -> Self {
        Self { events, dump, task }
    }

    /// Whether somebody listens at `DEBUG`.
    #[inline]
    pub(super) fn is_listened_to(&self) -> bool {
        self.is_enabled(Level::DEBUG)
    }

    /// As the macros of `tracing` find it out: two comparisons, then what the subscriber has said of the callsite.
    #[inline]
    pub(super) fn is_enabled(&self, level: Level) -> bool {
        level <= STATIC_MAX_LEVEL && level <= LevelFilter::current() && is_wanted(self.event(level))
    }

    /// Whether somebody wants values.
    pub(super) fn is_dumped(&self) -> bool {
        Level::TRACE <= STATIC_MAX_LEVEL && Level::TRACE <= LevelFilter::current() && is_wanted(self.dump)
    }

    #[inline]
    fn event(&self, level: Level) -> &'static DefaultCallsite {
        let [trace, debug, info, warn, error] = self.events;
        match level {
            Level::TRACE => trace,
            Level::DEBUG => debug,
            Level::INFO => info,
            Level::WARN => warn,
            Level::ERROR => error,
        }
    }

    /// Dispatches an event to whoever wants it.
    pub(super) fn say(&self, level: Level, message: fmt::Arguments<'_>, words: &Words<'_>) {
        if self.is_enabled(level) {
            dispatch(self.event(level), message, words);
        }
    }

    pub(super) fn dump(&self, message: fmt::Arguments<'_>, words: &Words<'_>) {
        dispatch(self.dump, message, words);
    }

    /// A span for the work of an object, as a task of its name.
    pub(super) fn task(&self, name: &str, message: fmt::Arguments<'_>) -> Span {
        if !is_wanted(self.task) {
            return Span::none();
        }
        let metadata = self.task.metadata();
        let fields = metadata.fields();
        let mut names = fields.iter();
        let (Some(text), Some(named)) = (names.next(), names.next()) else { return Span::none() };
        Span::new(metadata, &fields.value_set(&[(&text, Some(&message as &dyn Value)), (&named, Some(&name))]))
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let debug = self.events[usize::from(level_code(Level::DEBUG))].metadata();
        f.debug_struct("Site").field("target", &debug.target()).field("line", &debug.line()).finish_non_exhaustive()
    }
}

#[inline]
fn is_wanted(callsite: &'static DefaultCallsite) -> bool {
    let interest = callsite.interest();
    !interest.is_never() && (interest.is_always() || dispatcher::get_default(|to| to.enabled(callsite.metadata())))
}

fn dispatch(callsite: &'static DefaultCallsite, message: fmt::Arguments<'_>, words: &Words<'_>) {
    let metadata = callsite.metadata();
    let fields = metadata.fields();
    let values = words.values.map(|values| values as &(dyn Error + 'static));
    let mut names = fields.iter();
    let mut next = || names.next();
    // Both kinds of event have seven fields, the sixth being the depth of one and the type of the other.
    let (Some(text), Some(object), Some(method), Some(phase), Some(call), Some(sixth), Some(carrier)) =
        (next(), next(), next(), next(), next(), next(), next())
    else {
        return;
    };
    let depth = words.depth.as_ref().map(|depth| depth as &dyn Value);
    let type_name = words.type_name.as_ref().map(|name| name as &dyn Value);
    Event::dispatch(
        metadata,
        &fields.value_set(&[
            (&text, Some(&message as &dyn Value)),
            (&object, Some(&words.object)),
            (&method, Some(&words.method)),
            (&phase, Some(&words.phase)),
            (&call, Some(&words.call)),
            (&sixth, type_name.or(depth)),
            (&carrier, values.as_ref().map(|values| values as &dyn Value)),
        ]),
    );
}

/// A [`Site`](crate::observe::Site) for [`observe_at`](crate::observe::observe_at), with the target, file and line of the
/// place where it stands, or with another target: `site!(target: "solver")`.
#[macro_export]
macro_rules! site {
    () => {
        $crate::site!(target: ::core::module_path!())
    };
    (target: $target:expr) => {
        $crate::__site!($target, Some(::core::file!()), Some(::core::line!()), Some(::core::module_path!()))
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __site {
    ($target:expr, $($place:expr),*) => {{
        use $crate::observe::__private::{DUMP_FIELDS, EVENT_FIELDS, Kind, Level, TASK_FIELDS};
        static SITE: $crate::observe::Site = $crate::observe::Site::new(
            [
                $crate::__callsite!($target, Level::TRACE, Kind::EVENT, EVENT_FIELDS, $($place),*),
                $crate::__callsite!($target, Level::DEBUG, Kind::EVENT, EVENT_FIELDS, $($place),*),
                $crate::__callsite!($target, Level::INFO, Kind::EVENT, EVENT_FIELDS, $($place),*),
                $crate::__callsite!($target, Level::WARN, Kind::EVENT, EVENT_FIELDS, $($place),*),
                $crate::__callsite!($target, Level::ERROR, Kind::EVENT, EVENT_FIELDS, $($place),*),
            ],
            $crate::__callsite!($target, Level::TRACE, Kind::EVENT, DUMP_FIELDS, $($place),*),
            $crate::__callsite!($target, Level::DEBUG, Kind::SPAN, TASK_FIELDS, $($place),*),
        );
        &SITE
    }};
}

#[doc(hidden)]
#[macro_export]
macro_rules! __callsite {
    ($target:expr, $level:expr, $kind:expr, $fields:expr, $file:expr, $line:expr, $module:expr) => {{
        use $crate::observe::__private::tracing_core::{Metadata, callsite, field};
        static CALLSITE: callsite::DefaultCallsite = callsite::DefaultCallsite::new(&METADATA);
        static METADATA: Metadata<'static> = Metadata::new(
            "observe",
            $target,
            $level,
            $file,
            $line,
            $module,
            field::FieldSet::new($fields, callsite::Identifier(&CALLSITE)),
            $kind,
        );
        &CALLSITE
    }};
}
