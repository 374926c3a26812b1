//! Trap 15: records of the `log` crate come with their real place. A binary of its own: a logger is the whole process's.

use spanlake_capture::CaptureLayer;
use spanlake_core::{Level, LevelFilter};
use tracing::info_span;
use tracing_subscriber::layer::SubscriberExt;

#[test]
fn trap_15_log_records_have_their_own_target_file_and_line() {
    tracing_log::LogTracer::init().expect("the only logger");
    let (capture, _guard) = CaptureLayer::builder().level(LevelFilter::TRACE).build().expect("no thread to start");
    let drain = capture.drain_handle();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(capture)).expect("the only one");

    let line = line!() + 2;
    info_span!("load").in_scope(|| {
        log::info!(target: "orders::load", "wrote {} rows", 5);
        log::warn!("late\nby a day");
    });
    log::trace!("outside");
    tracing::info!(target: "log", "not a record of the `log` crate");

    let records = drain.drain_records();
    let events: Vec<_> = records.iter().filter(|record| record.kind == spanlake_core::Kind::Event).collect();
    assert_eq!(events.len(), 4);
    let info = events[0];
    assert_eq!(
        (info.level, info.target.as_str(), info.message.as_str()),
        (Level::INFO, "orders::load", "wrote 5 rows")
    );
    assert_eq!(info.module.as_deref(), Some("log_bridge"));
    assert!(info.file.as_deref().is_some_and(|file| file.ends_with("log_bridge.rs")), "{:?}", info.file);
    assert_eq!(info.line, Some(line));
    assert_eq!(info.fields, "{}", "its place is not among its fields");
    assert_eq!(info.key.as_ref().expect("in a task").seq, 1);
    let warn = events[1];
    assert_eq!((warn.level, warn.target.as_str(), warn.line), (Level::WARN, "log_bridge", Some(line + 1)));
    assert_eq!(warn.message, "late\nby a day");
    assert_eq!((events[2].level, events[2].key.is_none()), (Level::TRACE, true));
    assert_eq!((events[3].target.as_str(), events[3].line.is_some()), ("log", true));
}
