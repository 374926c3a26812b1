//! Tasks around code that has no span of its own.

use std::error::Error;
use std::future::Future;

use tracing::Span;
use tracing::span::EnteredSpan;

use crate::spawn::FutureExt;
use crate::task::Task;
use crate::visit;

/// A task around some code, from [`timed!`](crate::timed) until this is dropped.
///
/// The thread is in the task meanwhile, so what it logs, and the tasks it begins, belong there. A panic that passes through
/// makes the task fail.
#[derive(Debug)]
#[must_use = "the time ends when this is dropped; `let _timed = …` keeps it until the end of the block"]
pub struct Timed {
    entered: EnteredSpan,
}

impl Timed {
    #[doc(hidden)]
    pub fn new(span: Span) -> Self {
        Self { entered: span.entered() }
    }

    /// The task; `None` where nobody listens.
    pub fn task(&self) -> Option<Task> {
        Task::of(&self.entered)
    }

    /// Says that it failed, and why.
    pub fn fail(&self, error: &(dyn Error + 'static)) {
        self.fail_with(visit::links(error));
    }

    /// Runs `work` in it, and ends it.
    pub fn call<T>(self, work: impl FnOnce() -> T) -> T {
        work()
    }

    /// Runs `work` in it, and ends it, as failed when there is an error.
    pub fn try_call<T, E: Error + 'static>(self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let result = work();
        result.as_ref().err().into_iter().for_each(|error| self.fail(error));
        result
    }

    /// Runs a future in it, from its first poll on; the time counts from now. Dropped before it is done, the task ends as
    /// cancelled.
    pub fn run<F: Future>(self, future: F) -> impl Future<Output = F::Output> {
        self.run_judged(future, |_| None)
    }

    /// The same for a future that may fail, as the task then does.
    pub fn try_run<T, E, F>(self, future: F) -> impl Future<Output = Result<T, E>>
    where
        E: Error + 'static,
        F: Future<Output = Result<T, E>>,
    {
        self.run_judged(future, |result| result.as_ref().err().map(|error| visit::links(error)))
    }

    #[doc(hidden)]
    pub fn run_judged<F: Future>(
        self,
        future: F,
        judge: impl FnOnce(&F::Output) -> Option<Vec<String>>,
    ) -> impl Future<Output = F::Output> {
        let span = self.entered.exit();
        let task = Task::of(&span);
        let judged = async move {
            let output = future.await;
            if let Some((task, error)) = task.zip(judge(&output)) {
                task.fail_with(error);
            }
            output
        };
        judged.in_task(span)
    }

    #[doc(hidden)]
    pub fn judged<T>(self, output: T, failure: Option<Vec<String>>) -> T {
        failure.into_iter().for_each(|error| self.fail_with(error));
        output
    }

    fn fail_with(&self, error: Vec<String>) {
        if let Some(task) = self.task() {
            task.fail_with(error);
        }
    }
}

/// Times a piece of code that has no span: a task around it, with a begin, an end, a duration and an outcome.
///
/// Lines for people show it as `Begin: Database migration`, `End (0.50): Database migration`, and `Error in Database migration`
/// before the end when it failed, whatever they do with other tasks. In the lake it is a task as any other.
///
/// The name is a literal. Behind it may stand a level, `INFO` if there is none, and fields as those of
/// [`tracing::span!`](https://docs.rs/tracing/latest/tracing/macro.span.html).
///
/// # A guard
///
/// The task ends when the guard is dropped.
///
/// ```
/// use spanlake_scope::timed;
///
/// fn migrate(table: &str) {
///     let _timed = timed!("Database migration", table, attempt = 1);
///     tracing::info!("adding a column");
/// }
/// # migrate("users");
/// ```
///
/// # A block
///
/// Behind a semicolon stands a block, whose value the macro has. It is a function of its own: `return` and `?` leave the block,
/// not what it stands in. When its value is an `Err`, the task fails.
///
/// ```
/// use spanlake_scope::timed;
///
/// let rows = timed!("Count", table = "users"; { 2 + 2 });
/// let read: Result<u16, std::num::ParseIntError> = timed!("Read the port", Level::DEBUG; { "eighty".parse::<u16>() });
/// assert!(rows == 4 && read.is_err());
/// ```
///
/// # Futures
///
/// A guard must not be held over an `await`. An `async` block becomes a future that is in the task while it is polled; any
/// other future is taken along by [`run`](Timed::run) and [`try_run`](Timed::try_run).
///
/// ```
/// use spanlake_scope::timed;
///
/// # async fn connect() -> std::io::Result<()> { Ok(()) }
/// # async fn example() -> std::io::Result<()> {
/// timed!("Connect", host = "db"; async { connect().await }).await?;
/// timed!("Connect", host = "db").try_run(connect()).await?;
/// # Ok(())
/// # }
/// ```
///
/// # What counts as an error
///
/// Any `Err` whose type implements `Error`, is a boxed error, or can be displayed, such as a `String` or an `anyhow::Error`. Of the
/// latter only the text is kept, where of errors the causes are too.
#[macro_export]
macro_rules! timed {
    (@span $level:ident $name:literal [$($fields:tt)*]) => {
        $crate::Timed::new($crate::__private::span!(
            $crate::__private::Level::$level,
            $name,
            spanlake.timed = $crate::__private::Empty,
            $($fields)*
        ))
    };
    (@to $level:ident $name:literal $fields:tt) => {
        $crate::timed!(@span $level $name $fields)
    };
    (@to $level:ident $name:literal $fields:tt ; async move $work:block) => {
        $crate::timed!(@future $level $name $fields async move $work)
    };
    (@to $level:ident $name:literal $fields:tt ; async $work:block) => {
        $crate::timed!(@future $level $name $fields async $work)
    };
    (@to $level:ident $name:literal $fields:tt ; $work:block) => {{
        let timed = $crate::timed!(@span $level $name $fields);
        let output = (|| $work)();
        let failure = {
            #[allow(unused_imports, reason = "each output needs one of them")]
            use $crate::__private::{ByBox, ByError, ByNothing, ByText};
            (&&&&$crate::__private::Judged(&output)).failure()
        };
        timed.judged(output, failure)
    }};
    // Fields are taken over one by one, up to the semicolon that ends them.
    (@to $level:ident $name:literal [$($fields:tt)*] $next:tt $($rest:tt)*) => {
        $crate::timed!(@to $level $name [$($fields)* $next] $($rest)*)
    };
    (@future $level:ident $name:literal $fields:tt $future:expr) => {
        $crate::timed!(@span $level $name $fields).run_judged($future, |output| {
            #[allow(unused_imports, reason = "each output needs one of them")]
            use $crate::__private::{ByBox, ByError, ByNothing, ByText};
            (&&&&$crate::__private::Judged(output)).failure()
        })
    };
    ($name:literal, Level::$level:ident, $($rest:tt)*) => {
        $crate::timed!(@to $level $name [] $($rest)*)
    };
    ($name:literal, Level::$level:ident $($rest:tt)*) => {
        $crate::timed!(@to $level $name [] $($rest)*)
    };
    ($name:literal, $($rest:tt)*) => {
        $crate::timed!(@to INFO $name [] $($rest)*)
    };
    ($name:literal $($rest:tt)*) => {
        $crate::timed!(@to INFO $name [] $($rest)*)
    };
}

/// What becomes of an output: of the traits below the compiler takes the first that fits, because it takes away one
/// reference before it looks at the next.
pub(crate) mod judge {
    use std::error::Error;
    use std::fmt::Display;

    use crate::visit;

    /// An output to be judged.
    #[derive(Debug)]
    pub struct Judged<'a, T>(pub &'a T);

    /// An error with its causes.
    pub trait ByError {
        /// Why it failed, if it did.
        fn failure(&self) -> Option<Vec<String>>;
    }

    /// A boxed error, which is none itself.
    pub trait ByBox {
        /// Why it failed, if it did.
        fn failure(&self) -> Option<Vec<String>>;
    }

    /// What can be shown.
    pub trait ByText {
        /// Why it failed, if it did.
        fn failure(&self) -> Option<Vec<String>>;
    }

    /// Anything else, which does not fail.
    pub trait ByNothing {
        /// Nothing.
        fn failure(&self) -> Option<Vec<String>>;
    }

    impl<T, E: Error + 'static> ByError for &&&Judged<'_, Result<T, E>> {
        fn failure(&self) -> Option<Vec<String>> {
            self.0.as_ref().err().map(|error| visit::links(error))
        }
    }

    impl<T> ByBox for &&Judged<'_, Result<T, Box<dyn Error>>> {
        fn failure(&self) -> Option<Vec<String>> {
            self.0.as_ref().err().map(|error| visit::links(&**error))
        }
    }

    impl<T> ByBox for &&Judged<'_, Result<T, Box<dyn Error + Send + Sync>>> {
        fn failure(&self) -> Option<Vec<String>> {
            self.0.as_ref().err().map(|error| visit::links(&**error))
        }
    }

    impl<T, E: Display> ByText for &Judged<'_, Result<T, E>> {
        fn failure(&self) -> Option<Vec<String>> {
            self.0.as_ref().err().map(|error| vec![visit::text(error)])
        }
    }

    impl<T> ByNothing for Judged<'_, T> {
        fn failure(&self) -> Option<Vec<String>> {
            None
        }
    }
}
