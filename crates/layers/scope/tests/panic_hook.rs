//! What the panic hook adds to the ends of tasks that panic. A binary of its own: a panic hook is the whole process's.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use spanlake_core::clock::Clock;
use spanlake_core::{Buffer, BufferOptions, LevelFilter, Source};
use spanlake_scope::{Recorder, install_panic_hook};
use tracing::info_span;
use tracing_core::span::{Attributes, Id};
use tracing_core::{Dispatch, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

struct Recording(Recorder);

impl<S> Layer<S> for Recording
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        self.0.on_register_dispatch(dispatch);
    }

    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        self.0.on_new_span(attrs, id, &ctx);
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        self.0.on_enter(id, &ctx);
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        self.0.on_exit(id);
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        self.0.on_close(&id, &ctx);
    }
}

/// The errors of the tasks that ended while `work` ran.
fn errors(work: impl FnOnce()) -> Vec<String> {
    let buffer = Buffer::new(&BufferOptions::default(), Source::this_process("test"));
    let recording = Recording(Recorder::new(buffer.clone(), LevelFilter::TRACE, Clock::new()));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(recording), work);
    let segments = buffer.drain();
    let decoded = segments[0].decode().expect("a segment");
    decoded.records().filter_map(|record| record.end()?.error_text()).collect()
}

#[test]
fn ends_say_what_the_panic_said_and_where_and_the_earlier_hook_still_runs() {
    static EARLIER: AtomicUsize = AtomicUsize::new(0);
    std::panic::set_hook(Box::new(|_| {
        EARLIER.fetch_add(1, Ordering::Relaxed);
    }));
    install_panic_hook();
    install_panic_hook();

    let said = errors(|| {
        let panics = || info_span!("task").in_scope(|| panic!("row {} is bad", 7));
        catch_unwind(AssertUnwindSafe(panics)).expect_err("it panics");
    });
    assert_eq!(said.len(), 1);
    assert!(said[0].starts_with("panicked: row 7 is bad ("), "{}", said[0]);
    assert!(said[0].contains("tests/panic_hook.rs:"), "{}", said[0]);

    let said = errors(|| {
        let passes_on = || info_span!("task").in_scope(|| std::panic::resume_unwind(Box::new("another")));
        catch_unwind(AssertUnwindSafe(passes_on)).expect_err("it goes on panicking");
    });
    assert_eq!(said, ["panicked"], "the words of a panic that is over are not blamed for another");

    let said = errors(|| {
        let panics = || info_span!("task").in_scope(|| std::panic::panic_any(7));
        catch_unwind(AssertUnwindSafe(panics)).expect_err("it panics");
    });
    assert!(said[0].starts_with("panicked: no message ("), "{}", said[0]);
    assert_eq!(EARLIER.load(Ordering::Relaxed), 2, "once a panic");
}
