//! Observed objects: logging that asks an object for detail only when somebody listens.
//!
//! A type says with [`Observe`] what it can tell; [`observe`] runs a part of its work and asks it before and after.
//! With nobody listening at `DEBUG` that is one check, the same as that of a disabled event, and nothing of the object
//! is touched. At `DEBUG` there is a line at either end, and what the object wants to say; at `TRACE` also its values,
//! inputs before and outputs after, typed in the lake and laid out in text.
//!
//! ```
//! use spanlake_scope::observe::{Observe, Observer, Phase, observe};
//! use tracing::Level;
//!
//! struct Pump {
//!     speed: f64,
//!     flow: f64,
//! }
//!
//! impl Observe for Pump {
//!     fn observe(&self, phase: Phase, _method: &str, out: &mut Observer) {
//!         match phase {
//!             Phase::Enter => out.group("shaft").value("speed", &self.speed),
//!             Phase::Exit => out.group("outlet").value("flow", &self.flow),
//!         };
//!         if self.flow < 0.0 {
//!             out.record(Level::WARN, "it runs backwards").field("flow", &self.flow);
//!         }
//!     }
//! }
//!
//! let mut pump = Pump { speed: 50.0, flow: 0.0 };
//! let flow = observe(&mut pump, "run_once", |pump| {
//!     pump.flow = 0.02 * pump.speed;
//!     pump.flow
//! });
//! assert_eq!(flow, 1.0);
//! ```
//!
//! # Who listens
//!
//! What `tracing` says of the level: a `LevelFilter` in front of the stack, as `spanlake::init` has it, or filters of all
//! its layers. A layer that compares levels itself, such as a bare `CaptureLayer`, hides nothing from an observed object.
//!
//! # What is inside
//!
//! Records below `INFO` say in which objects they stand ([`observed::WITHIN`]) and at what time of theirs
//! ([`observed::TIME`]), whoever made them; [`ContextFilter`] and [`TimeFilter`] go by that. It holds for the thread, for
//! a future in its polls, and goes along with [`in_task`](crate::in_task) and its like.
//!
//! [`observed::WITHIN`]: spanlake_core::observed::WITHIN
//! [`observed::TIME`]: spanlake_core::observed::TIME

mod value;
mod values;
mod observer;
mod site;
mod faults;
pub(crate) mod frame;
mod observation;
mod filter;

use std::borrow::Cow;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

pub use faults::{Faults, faults};
pub use filter::{ContextFilter, TimeFilter};
pub use frame::set_time;
pub use observer::{Entry, Group, Observer};
pub use site::Site;
#[cfg(feature = "derive")]
pub use spanlake_observe_derive::Observe;
#[cfg(feature = "derive")]
#[doc(hidden)]
pub use spanlake_observe_derive::ObserveThroughFacade;
pub use value::{AsValue, Shown};
pub use values::Values;

use observation::Observation;

use crate::spawn::CancelGuard;

/// What the macros need.
#[doc(hidden)]
pub mod __private {
    pub use super::site::{DUMP_FIELDS, EVENT_FIELDS, TASK_FIELDS};
    pub use super::value::time_of;
    pub use spanlake_core::secret::HIDDEN;
    pub use tracing_core::metadata::Kind;
    pub use tracing_core::{self, Level};
}

/// When an object is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Before its work.
    Enter,
    /// After it, also where it failed.
    Exit,
}

/// An object that tells of itself when it is asked.
///
/// All of it is foreign code that runs on the program's thread: where it panics, the object is silent, the work goes on
/// and [`faults`] counts it. What is logged meanwhile is logged as ever; an object that is observed meanwhile is not
/// asked.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no object that can be observed",
    note = "`#[derive(Observe)]` makes it one"
)]
pub trait Observe {
    /// Says what there is to say. Asked once at either end, however many layers and sinks listen.
    fn observe(&self, phase: Phase, method: &str, out: &mut Observer);

    /// The object's name, by which filters know it: that of its type unless it has one of its own.
    fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.type_name())
    }

    /// The name of its type, without the path.
    fn type_name(&self) -> &str {
        short_name(std::any::type_name::<Self>())
    }

    /// What its clock says, if it has one, such as the time of a simulation.
    fn time(&self) -> Option<f64> {
        None
    }

    /// Whether its work is a task: a span at `DEBUG`, named after the object. Else there are records only.
    fn is_task(&self) -> bool {
        false
    }
}

/// Runs `body`, the work of an object that `method` names, and asks the object before and after it.
///
/// The object is `self` or any other reference; `body` gets it back. All calls share the target `spanlake::observe`;
/// [`observe!`](crate::observe!) has that of its module.
#[inline]
pub fn observe<O: Observe, R>(object: O, method: &str, body: impl FnOnce(&mut O) -> R) -> R {
    observe_at(site::own(), object, method, body)
}

/// The same for work that waits. What is polled is inside the object, and what the thread does between polls is not; a
/// future that is dropped before its end asks the object when it is, and an object that is a task ends as `cancelled`.
#[inline]
pub async fn observe_async<O: Observe, R>(object: O, method: &str, body: impl AsyncFnOnce(&mut O) -> R) -> R {
    observe_async_at(site::own(), object, method, body).await
}

/// [`observe`] at a site of its own, which [`site!`](crate::site!) makes.
#[inline]
pub fn observe_at<O: Observe, R>(
    site: &'static Site,
    mut object: O,
    method: &str,
    body: impl FnOnce(&mut O) -> R,
) -> R {
    if site.is_listened_to() {
        return observe_listened_to(site, object, method, body);
    }
    body(&mut object)
}

/// Apart, so that what nobody listens to is as short as can be.
#[cold]
#[inline(never)]
fn observe_listened_to<O: Observe, R>(
    site: &'static Site,
    object: O,
    method: &str,
    body: impl FnOnce(&mut O) -> R,
) -> R {
    let mut observation = Observation::begin(site, object, method);
    let (scope, object) = observation.parts();
    scope.within(|| body(object))
}

/// [`observe_async`] at a site of its own, which [`site!`](crate::site!) makes.
pub async fn observe_async_at<O: Observe, R>(
    site: &'static Site,
    mut object: O,
    method: &str,
    body: impl AsyncFnOnce(&mut O) -> R,
) -> R {
    if !site.is_listened_to() {
        return body(&mut object).await;
    }
    let mut observation = Observation::begin(site, object, method);
    let (scope, object) = observation.parts();
    // Dropped before the observation, so that the task is marked when it ends.
    let guard = CancelGuard::of(scope.task());
    let mut work = pin!(body(object));
    let output = std::future::poll_fn(|cx| scope.within(|| work.as_mut().poll(cx))).await;
    guard.completed();
    output
}

/// [`observe`](crate::observe::observe()) with the target, file and line of the place where it stands, so that levels can be
/// set by module.
///
/// ```
/// use spanlake_scope::observe::{Observe, Observer, Phase};
///
/// struct Tank;
///
/// impl Observe for Tank {
///     fn observe(&self, _: Phase, _: &str, _: &mut Observer) {}
/// }
///
/// assert_eq!(spanlake_scope::observe!(&Tank, "fill", |_| 7), 7);
/// ```
#[macro_export]
macro_rules! observe {
    ($object:expr, $method:expr, $body:expr $(,)?) => {
        $crate::observe::observe_at($crate::site!(), $object, $method, $body)
    };
}

/// [`observe_async`](crate::observe::observe_async()) with the target, file and line of the place where it stands.
#[macro_export]
macro_rules! observe_async {
    ($object:expr, $method:expr, $body:expr $(,)?) => {
        $crate::observe::observe_async_at($crate::site!(), $object, $method, $body)
    };
}

/// The name of a type without paths, and without what it is made of.
fn short_name(path: &str) -> &str {
    let name = path.split('<').next().unwrap_or(path);
    // By one character, as that is found a good deal faster than two.
    name.rsplit(':').next().unwrap_or(name)
}

macro_rules! observe_through {
    ($($pointer:ty),*) => {
        $(impl<T: Observe + ?Sized> Observe for $pointer {
            fn observe(&self, phase: Phase, method: &str, out: &mut Observer) {
                (**self).observe(phase, method, out);
            }

            fn name(&self) -> Cow<'_, str> {
                (**self).name()
            }

            fn type_name(&self) -> &str {
                (**self).type_name()
            }

            fn time(&self) -> Option<f64> {
                (**self).time()
            }

            fn is_task(&self) -> bool {
                (**self).is_task()
            }
        })*
    };
}

observe_through!(&T, &mut T, Box<T>, Rc<T>, Arc<T>);
