//! Tasks on spans: readable keys, context and outcomes for every `tracing` span, across threads and processes.
//!
//! # What
//!
//! [`ScopeLayer`] gives each span a **task** with a key such as `e252a11f-d33d-483d-ba08-bc8f642b2f10/1/2`. Any other
//! layer can read it with [`Task::of_span`]; code reads and steers its own task with [`Task::current`]: bind context,
//! say how it ended, export a key for another process. The recording layers of spanlake put the tasks' begins, ends
//! and events down; they make the tasks themselves when there is no `ScopeLayer`, with its defaults.
//!
//! [`mod@observe`] asks objects at work for detail when somebody listens.
//!
//! # Flow
//!
//! `on_new_span` makes the task and keeps it in the span's extensions; `on_enter` and `on_exit` keep this thread's
//! stack of entered tasks, which is where an event finds its own; what was said until `on_close` is the outcome. Of
//! several layers that could do this in a stack, one does it for each span, and the others find it done at little cost.
//!
//! # What can be lost
//!
//! Nothing is stored here but the tasks of open spans, and for each thread the one it left last. A span nested deeper
//! than [`MAX_DEPTH`] shares the task above it. A carrier that does not parse is refused: the task becomes a fresh root,
//! whose context says so under [`REFUSED`].
//!
//! # Features
//!
//! `derive`: `#[derive(Observe)]`. `tokio`: [`spawn_task`] and [`JoinSetExt`].
//!
//! # Example
//!
//! ```
//! use spanlake_scope::{ScopeLayer, Task};
//! use tracing_subscriber::prelude::*;
//!
//! let subscriber = tracing_subscriber::registry().with(ScopeLayer::new());
//! tracing::subscriber::with_default(subscriber, || {
//!     let load = tracing::info_span!("load", table = "orders");
//!     let _entered = load.enter();
//!     let task = Task::current().expect("a span is entered");
//!     task.bind("attempt", 2).expect("a context key other than `key`");
//!     println!("loading as {}", task.key());
//! });
//! ```

pub mod carrier;
mod rules;
mod ending;
mod task;
mod local;
mod verbosity;
mod visit;
mod redact;
mod tracker;
mod layer;
mod recorder;
pub mod observe;
mod command;
mod spawn;
mod timed;
mod caught;
mod panic;

pub use carrier::Carrier;
pub use caught::Caught;
pub use command::CommandExt;
pub use layer::{ScopeLayer, ScopeLayerBuilder};
pub use panic::install_panic_hook;
pub use recorder::Recorder;
pub use rules::Inherit;
pub use spanlake_core::key::MAX_DEPTH;
pub use spawn::{FutureExt, ScopeExt, in_task, spawn_thread};
#[cfg(feature = "tokio")]
pub use spawn::{JoinSetExt, spawn_task};
pub use task::{MAX_BOUND_NAME, Task};
pub use timed::Timed;
pub use verbosity::{Settings, Verbosity, VerbosityFilter};

/// The span field whose text, a task key or a `traceparent`, makes the span continue a task from elsewhere.
pub const CONTINUE: &str = "spanlake.continue";

/// The span field whose text is the name of the span's task, where that shall be another one than the span's.
///
/// ```
/// use spanlake_scope::{ScopeLayer, Task};
/// use tracing_subscriber::prelude::*;
///
/// tracing::subscriber::with_default(tracing_subscriber::registry().with(ScopeLayer::new()), || {
///     let span = tracing::info_span!("import", spanlake.name = "import of orders");
///     assert_eq!(Task::of(&span).expect("a task").name(), "import of orders");
/// });
/// ```
pub const NAME: &str = "spanlake.name";

/// The context key under which a fresh root says why the carrier it should have continued was refused.
pub const REFUSED: &str = "spanlake.refused";

/// For the macro.
#[doc(hidden)]
pub mod __private {
    pub use crate::timed::judge::{ByBox, ByError, ByNothing, ByText, Judged};
    pub use tracing::field::Empty;
    pub use tracing::{Level, span};
}
