//! Taking tasks to other threads and into futures: each helper runs its work as the task of the given span.
//!
//! A span that is created here, on the side that spawns, is a subtask of the task that spawns. The observed objects that
//! the spawning side is in go along.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::thread;

use spanlake_core::sync::Arc;
use tracing::{Instrument, Span};

use crate::observe::frame::{self, Frame};
use crate::task::Task;

/// Runs futures as tasks.
pub trait FutureExt: Future + Sized {
    /// Runs this future as the task of `span`. Unlike `tracing::Instrument`, it knows when the future is dropped before
    /// it is done: the task then ends as `cancelled`.
    fn in_task(self, span: Span) -> impl Future<Output = Self::Output> {
        let guard = CancelGuard::of(Task::of(&span));
        let inside = frame::current();
        async move {
            let guard = guard;
            let mut work = pin!(self);
            let output = poll_fn(|cx| frame::within(inside.as_ref(), || work.as_mut().poll(cx))).await;
            guard.completed();
            output
        }
        .instrument(span)
    }
}

impl<F: Future> FutureExt for F {}

/// Runs scoped threads as tasks.
pub trait ScopeExt<'scope> {
    /// Spawns a scoped thread that runs `work` as the task of `span`.
    fn spawn_task<T: Send + 'scope>(
        &'scope self,
        span: Span,
        work: impl FnOnce() -> T + Send + 'scope,
    ) -> thread::ScopedJoinHandle<'scope, T>;
}

impl<'scope> ScopeExt<'scope> for thread::Scope<'scope, '_> {
    fn spawn_task<T: Send + 'scope>(
        &'scope self,
        span: Span,
        work: impl FnOnce() -> T + Send + 'scope,
    ) -> thread::ScopedJoinHandle<'scope, T> {
        self.spawn(in_task(span, work))
    }
}

/// Spawns a thread that runs `work` as the task of `span`.
pub fn spawn_thread<T: Send + 'static>(span: Span, work: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    thread::spawn(in_task(span, work))
}

/// `work` as the task of `span`, for any pool that takes closures: `rayon::spawn(in_task(span, work))`. Dropped without
/// being called, the task ends as `cancelled`.
pub fn in_task<T>(span: Span, work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let dispatch = tracing::dispatcher::get_default(Clone::clone);
    let held = Held { guard: CancelGuard::of(Task::of(&span)), span, inside: frame::current() };
    move || {
        // Moved as a whole: a closure that is never called must drop the guard before the span.
        let held = held;
        // The span lives in this thread's subscriber, which the other thread may not have as its default.
        tracing::dispatcher::with_default(&dispatch, || {
            let output = held.span.in_scope(|| frame::within(held.inside.as_ref(), work));
            held.guard.completed();
            drop(held.span);
            output
        })
    }
}

/// A span on its way to another thread. The order of the fields is that in which they are dropped.
struct Held {
    guard: CancelGuard,
    span: Span,
    inside: Option<Arc<Frame>>,
}

/// Spawns a Tokio task that runs `future` as the task of `span`. Aborted, or dropped with its runtime, the task ends
/// as `cancelled`.
#[cfg(feature = "tokio")]
pub fn spawn_task<F>(span: Span, future: F) -> tokio::task::JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(with_dispatch(future.in_task(span)))
}

/// Spawns tasks into a `JoinSet`.
#[cfg(feature = "tokio")]
pub trait JoinSetExt<T> {
    /// Spawns `future` as the task of `span`.
    fn spawn_task<F>(&mut self, span: Span, future: F) -> tokio::task::AbortHandle
    where
        F: Future<Output = T> + Send + 'static;
}

#[cfg(feature = "tokio")]
impl<T: Send + 'static> JoinSetExt<T> for tokio::task::JoinSet<T> {
    fn spawn_task<F>(&mut self, span: Span, future: F) -> tokio::task::AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
    {
        self.spawn(with_dispatch(future.in_task(span)))
    }
}

/// A future that sees, on whatever thread polls it, the subscriber that spawned it.
#[cfg(feature = "tokio")]
fn with_dispatch<F: Future>(future: F) -> impl Future<Output = F::Output> {
    use tracing::instrument::WithSubscriber;
    future.with_current_subscriber()
}

/// Marks its task as cancelled unless the work was completed. Where the work panics, the span has noticed already that
/// the task failed, which outweighs this.
pub(crate) struct CancelGuard(Option<Task>);

impl CancelGuard {
    pub(crate) fn of(task: Option<Task>) -> Self {
        Self(task)
    }

    pub(crate) fn completed(mut self) {
        self.0 = None;
    }
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.cancel();
        }
    }
}
