//! Trap 6: filters of single layers keep their answers in a thread-local that goes stale. A binary of its own: it needs
//! the global subscriber, and nobody else who changes what callsites are cached as.

use std::io::Write;
use std::sync::{Arc, Mutex};

use spanlake_capture::CaptureLayer;
use tracing::{info, info_span};
use tracing_subscriber::filter::LevelFilter as Filter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, fmt};

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().expect("no panic"))).expect("UTF-8")
    }
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A span and an event that every filter lets through, so that their callsites are cached as always wanted.
fn always_wanted() {
    info_span!("wanted").in_scope(|| info!("inside"));
}

#[test]
fn trap_06_filters_that_go_stale_when_a_program_asks_whether_anybody_listens() {
    let (lines, capture) = (Lines::default(), CaptureLayer::new());
    let (writer, drain) = (lines.clone(), capture.drain_handle());
    let console = fmt::layer().with_ansi(false).with_writer(move || writer.clone()).with_filter(Filter::INFO);
    let other = fmt::layer().with_writer(std::io::sink).with_filter(Filter::DEBUG);
    // Only filtered layers: an unfiltered one would keep the callsites from being always wanted by all filters.
    let subscriber = tracing_subscriber::registry().with(capture).with(console).with(other);
    tracing::subscriber::set_global_default(subscriber).expect("the only one");
    tracing_log::LogTracer::init().expect("the only logger");

    always_wanted();
    assert!(lines.take().contains("wanted: "));
    assert_eq!(drain.drain_records().len(), 3);

    // The console's filter says no to a debug line, and its answer is taken for one about the span (tracing#3572).
    assert!(log::log_enabled!(log::Level::Debug));
    always_wanted();
    let heard = lines.take();
    assert!(!heard.contains("wanted: "), "where the layer beside is not caught any more, this trap is gone: {heard}");
    let records = drain.drain_records();
    assert_eq!(records.len(), 3, "capture filters for itself and misses nothing");
    assert!(records.iter().all(|record| record.task.as_deref() == Some("wanted")));
}
