//! Trap 1: a layer that logs while it holds the extensions of a span. A binary of its own: only under the global
//! subscriber does `tracing` let a layer's own events through.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use spanlake_capture::CaptureLayer;
use spanlake_scope::ScopeLayer;
use tracing::{Event, Subscriber, error, info, info_span};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

/// As one did that exported to a library which logs.
#[derive(Default)]
struct Careless {
    busy: AtomicBool,
}

impl<S> Layer<S> for Careless
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_event(&self, _: &Event<'_>, ctx: Context<'_, S>) {
        if self.busy.swap(true, Ordering::Relaxed) {
            return;
        }
        if let Some(span) = ctx.lookup_current() {
            let _held = span.extensions_mut();
            info!("logged while holding the extensions");
            error!(error = "alone, as `err` reports it");
            info_span!("opened while holding the extensions").in_scope(|| info!("inside"));
        }
        self.busy.store(false, Ordering::Relaxed);
    }
}

#[test]
fn trap_01_layer_that_logs_while_it_holds_the_extensions() {
    let capture = CaptureLayer::new();
    let drain = capture.drain_handle();
    let subscriber = tracing_subscriber::registry().with(ScopeLayer::new()).with(capture).with(Careless::default());
    tracing::subscriber::set_global_default(subscriber).expect("the only one");
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        info_span!("task").in_scope(|| info!("outer"));
        done.send(()).expect("the test waits");
    });
    is_done.recv_timeout(Duration::from_secs(60)).expect("it does not deadlock");
    let records = drain.drain_records();
    let said: Vec<String> = records
        .iter()
        .map(|record| {
            let key = record.key.as_ref().expect("all in a task");
            format!("{}@{:?} {}", key.seq, key.task.path(), record.message)
        })
        .collect();
    let expected = [
        "0@[] task",
        "1@[] outer",
        "2@[] logged while holding the extensions",
        "3@[] ",
        "0@[1] opened while holding the extensions",
        "1@[1] inside",
        "2@[1] opened while holding the extensions",
        "4@[] task",
    ];
    assert_eq!(said, expected);
}
