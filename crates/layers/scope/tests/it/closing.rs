//! What a layer of other people's making reads of a task in its `on_close`, wherever it stands.

use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use spanlake_core::key::MAX_DEPTH;
use spanlake_core::{LevelFilter, Outcome};
use spanlake_scope::{FutureExt, ScopeLayer, Task, in_task};
use tracing::{Dispatch, Span, Subscriber, debug_span, dispatcher, info, info_span, instrument};
use tracing_core::span::Id;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, registry};

use crate::support::{tape, tape_with};

/// Writes down, for each span that closes, `<name> <outcome>` of the task made for it, with `: <error>` behind it.
#[derive(Clone, Debug, Default)]
struct Closings(Arc<Mutex<Vec<String>>>);

impl<S> Layer<S> for Closings
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        let span = ctx.span(&id).expect("a span that closes is there");
        let Some(task) = Task::made_for(&span) else {
            return;
        };
        let error = task.error().join(" < ");
        let error = if error.is_empty() { error } else { format!(": {error}") };
        self.0.lock().expect("no panic").push(format!("{} {}{error}", task.name(), task.outcome()));
    }
}

/// Runs `work` in stacks where the layer stands before and behind the one that follows the tasks, whichever that is, and
/// checks each time what it wrote down.
fn assert_closes(expected: &[&str], work: impl Fn()) {
    let check = |stack: &str, closings: Closings, dispatch: Dispatch| {
        dispatcher::with_default(&dispatch, &work);
        assert_eq!(*closings.0.lock().expect("no panic"), expected, "{stack}");
    };
    let closings = Closings::default;
    let (it, scope) = (closings(), ScopeLayer::new);
    check("before a scope layer", it.clone(), registry().with(it).with(scope()).into());
    let it = closings();
    check("behind a scope layer", it.clone(), registry().with(scope()).with(it).into());
    let ((recording, _tape), it) = (tape(), closings());
    check("before a recording layer", it.clone(), registry().with(it).with(recording).into());
    let ((recording, _tape), it) = (tape(), closings());
    check("behind a recording layer", it.clone(), registry().with(recording).with(it).into());
    let ((recording, _tape), it) = (tape(), closings());
    check("between the two", it.clone(), registry().with(scope()).with(it).with(recording).into());
    let ((recording, _tape), it) = (tape(), closings());
    check("before both", it.clone(), registry().with(it).with(recording).with(scope()).into());
    let ((recording, _tape), it) = (tape(), closings());
    check("behind an optional one", it.clone(), registry().with(Some(recording)).with(it).into());
    let ((verbose, _tape), it) = (tape(), closings());
    let blind = tape_with(LevelFilter::TRACE, Default::default()).0.with_filter(filter_fn(|_| false));
    check("where the first sees nothing", it.clone(), registry().with(blind).with(it).with(verbose).into());
}

fn panics(work: impl FnOnce()) {
    catch_unwind(AssertUnwindSafe(work)).expect_err("it panics");
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(future)
}

fn current() -> Task {
    Task::current().expect("a span is entered")
}

fn broken() -> spanlake_core::Error {
    use spanlake_core::{Category, Error, Stage};
    let cause = std::io::Error::other("the disk is gone");
    Error::new(Stage::Handler, "Load", Category::Io, "cannot load").caused_by(cause)
}

#[instrument(err)]
fn fails() -> Result<(), spanlake_core::Error> {
    Err(broken())
}

#[instrument(err)]
async fn fails_later() -> Result<(), std::io::Error> {
    tokio::task::yield_now().await;
    Err(std::io::Error::other("later"))
}

#[test]
fn task_of_which_nothing_was_said_has_succeeded() {
    assert_closes(&["inner succeeded", "outer succeeded"], || {
        info_span!("outer").in_scope(|| debug_span!("inner").in_scope(|| info!("inside")));
    });
}

#[test]
fn span_that_was_never_entered_has_succeeded() {
    assert_closes(&["idle succeeded"], || drop(info_span!("idle")));
}

#[test]
fn words_of_the_program_are_known() {
    let expected =
        ["well succeeded", "badly failed: cannot load < the disk is gone", "given up cancelled", "both failed: first"];
    assert_closes(&expected, || {
        info_span!("well").in_scope(|| current().success("done"));
        info_span!("badly").in_scope(|| current().fail(&broken()));
        info_span!("given up").in_scope(|| current().cancel());
        info_span!("both").in_scope(|| {
            current().fail(&std::io::Error::other("first"));
            current().fail(&std::io::Error::other("second"));
            current().cancel();
            current().success("not at all");
        });
    });
}

#[test]
fn reported_error_is_known() {
    assert_closes(&["fails failed: cannot load", "fails_later failed: later"], || {
        fails().expect_err("as told");
        block_on(fails_later()).expect_err("as told");
    });
}

#[test]
fn panic_is_known() {
    let expected = ["inner failed: panicked", "outer failed: panicked", "catches succeeded", "kept failed: panicked"];
    assert_closes(&expected, || {
        info_span!("catches").in_scope(|| {
            panics(|| {
                let _outer = info_span!("outer").entered();
                info_span!("inner").in_scope(|| panic!("through both"));
            });
        });
        // Closed long after the panic.
        let kept = info_span!("kept");
        panics(|| kept.in_scope(|| panic!("once")));
        kept.in_scope(|| info!("going on"));
    });
}

#[test]
fn dropped_work_is_known() {
    assert_closes(&["polled cancelled", "never polled cancelled", "never called cancelled", "done succeeded"], || {
        block_on(async {
            let polled = pending::<()>().in_task(info_span!("polled"));
            tokio::time::timeout(Duration::from_millis(1), polled).await.expect_err("the time runs out");
        });
        drop(pending::<()>().in_task(info_span!("never polled")));
        drop(in_task(info_span!("never called"), || ()));
        block_on(async {}.in_task(info_span!("done")));
    });
}

#[test]
fn what_happened_on_another_thread_is_known() {
    assert_closes(&["elsewhere failed: panicked", "closed elsewhere failed: there"], || {
        std::thread::spawn(in_task(info_span!("elsewhere"), || panic!("as told"))).join().expect_err("it panics");
        let span = info_span!("closed elsewhere");
        span.in_scope(|| current().fail(&std::io::Error::other("there")));
        std::thread::spawn(move || drop(span)).join().expect("no panic");
    });
}

#[test]
fn parent_whose_children_outlive_its_handle_is_known() {
    assert_closes(&["child cancelled", "parent failed: early"], || {
        let parent = info_span!("parent");
        parent.in_scope(|| current().fail(&std::io::Error::other("early")));
        let child = info_span!(parent: &parent, "child");
        drop(parent);
        child.in_scope(|| current().cancel());
    });
}

#[test]
fn span_that_shares_the_task_above_ends_none() {
    fn nest(depth: usize) {
        if depth > 0 {
            info_span!("deep").in_scope(|| nest(depth - 1));
        }
    }
    assert_closes(&["deep succeeded"; MAX_DEPTH + 1], || nest(MAX_DEPTH + 5));
}

#[test]
fn outcome_is_what_is_known_by_now() {
    tracing::subscriber::with_default(registry().with(ScopeLayer::new()), || {
        let span = info_span!("task");
        let task = Task::of(&span).expect("a task");
        assert_eq!((task.outcome(), task.error()), (Outcome::Succeeded, vec![]));
        task.cancel();
        assert_eq!((task.outcome(), task.error()), (Outcome::Cancelled, vec![]));
        task.fail(&broken());
        let links = ["cannot load".to_owned(), "the disk is gone".to_owned()];
        assert_eq!((task.outcome(), task.error()), (Outcome::Failed, links.to_vec()));
        drop(span);
        assert_eq!((task.outcome(), task.error()), (Outcome::Failed, links.to_vec()), "also when its span is gone");
        assert!(Task::of(&Span::none()).is_none());
    });
}
