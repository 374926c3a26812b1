//! One piece of an object's work under observation: asked before, and when this is dropped, asked after.

use std::sync::atomic::{AtomicU64, Ordering};

use spanlake_core::Level;
use spanlake_core::observed::{ENTER, EXIT};
use spanlake_core::sync::Arc;
use tracing::Span;

use super::faults::{asking, is_nested};
use super::frame::Frame;
use super::observer::Observer;
use super::site::{Site, Words};
use super::{Observe, Phase};
use crate::task::Task;

/// An object at work. However the work ends, dropping this asks the object what came of it.
pub(super) struct Observation<'m, O: Observe> {
    object: O,
    scope: Scope<'m>,
}

static NEXT_CALL: AtomicU64 = AtomicU64::new(1);

/// The name of an object that panicked when it was asked for it.
const NAMELESS: &str = "(nameless)";

/// Where the work stands.
pub(super) struct Scope<'m> {
    site: &'static Site,
    method: &'m str,
    /// Nothing where an object is observed by one that is being asked.
    inside: Option<Inside>,
}

struct Inside {
    /// Which piece of work it is, of all in this process.
    call: u64,
    name: Arc<str>,
    frame: Arc<Frame>,
    span: Span,
}

// === impl Observation ===

impl<'m, O: Observe> Observation<'m, O> {
    /// Asks the object, before its work.
    pub(super) fn begin(site: &'static Site, object: O, method: &'m str) -> Self {
        let inside = if is_nested() { None } else { Some(Inside::of(&object, site, method)) };
        let observation = Self { object, scope: Scope { site, method, inside } };
        observation.ask(Phase::Enter);
        observation
    }

    /// The two parts that the work needs at once.
    pub(super) fn parts(&mut self) -> (&Scope<'m>, &mut O) {
        (&self.scope, &mut self.object)
    }

    fn ask(&self, phase: Phase) {
        let Scope { site, method, inside: Some(inside) } = &self.scope else {
            return;
        };
        self.scope.within(|| {
            let mut out = Observer::new(site, phase);
            let answer = asking(|| {
                if let (Phase::Exit, Some(time)) = (phase, self.object.time()) {
                    inside.frame.set_time(time);
                }
                self.object.observe(phase, method, &mut out);
            });
            let type_name = || asking(|| self.object.type_name().to_owned()).unwrap_or_default();
            inside.write(site, method, phase, &out, type_name);
            if answer.is_none() {
                inside.tell_panic(site, method, phase);
            }
        });
    }
}

impl<O: Observe> Drop for Observation<'_, O> {
    fn drop(&mut self) {
        self.ask(Phase::Exit);
    }
}

// === impl Scope ===

impl Scope<'_> {
    /// The task that the work is, if it is one.
    pub(super) fn task(&self) -> Option<Task> {
        Task::of(&self.inside.as_ref()?.span)
    }

    /// Runs a part of the work, inside the object and inside its task.
    pub(super) fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        match &self.inside {
            Some(inside) => inside.frame.within(|| inside.span.in_scope(work)),
            None => work(),
        }
    }
}

// === impl Inside ===

impl Inside {
    fn of(object: &impl Observe, site: &'static Site, method: &str) -> Self {
        let name = asking(|| Arc::from(&*object.name())).unwrap_or_else(|| Arc::from(NAMELESS));
        let frame = Frame::begin(&name, asking(|| object.time()).flatten());
        let is_task = asking(|| object.is_task()).unwrap_or(false);
        let task = || site.task(&name, format_args!("{name}{}", Suffix(method)));
        let span = if is_task { frame.within(task) } else { Span::none() };
        Self { call: NEXT_CALL.fetch_add(1, Ordering::Relaxed), name, frame, span }
    }

    /// The line first when the object enters and last when it exits, so that all it says stands between.
    fn write(&self, site: &Site, method: &str, phase: Phase, out: &Observer, type_name: impl FnOnce() -> String) {
        if phase == Phase::Enter {
            self.put_line(site, method, phase, out);
        }
        for said in &out.records {
            let words = Words { values: Some(&said.fields), ..self.words(method, phase) };
            site.say(said.level, format_args!("{}", said.message), &words);
        }
        if !out.values.is_empty() {
            let kind = if phase == Phase::Enter { "Inputs" } else { "Outputs" };
            let type_name = type_name();
            let words = Words { type_name: Some(&type_name), values: Some(&out.values), ..self.words(method, phase) };
            site.dump(format_args!("#### {} - {type_name} - {kind}", self.name), &words);
        }
        if phase == Phase::Exit {
            self.put_line(site, method, phase, out);
        }
    }

    fn put_line(&self, site: &Site, method: &str, phase: Phase, out: &Observer) {
        if !out.is_skipped {
            let verb = if phase == Phase::Enter { "Entering" } else { "Exiting" };
            let words = Words { depth: Some(self.frame.depth()), ..self.words(method, phase) };
            site.say(Level::DEBUG, format_args!("{verb} {}{}", self.name, Suffix(method)), &words);
        }
    }

    fn tell_panic(&self, site: &Site, method: &str, phase: Phase) {
        let words = self.words(method, phase);
        site.say(Level::WARN, format_args!("{}{} panicked while it was observed", self.name, Suffix(method)), &words);
    }

    fn words<'a>(&'a self, method: &'a str, phase: Phase) -> Words<'a> {
        let phase = if phase == Phase::Enter { ENTER } else { EXIT };
        Words { object: &self.name, method, phase, call: self.call, depth: None, type_name: None, values: None }
    }
}

/// What a line says behind the object's name.
struct Suffix<'a>(&'a str);

impl std::fmt::Display for Suffix<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " - {}", self.0) }
    }
}
