//! Standard error and its kin.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use spanlake_core::render::{Color, Lifecycle, Logfmt, Pretty};
use spanlake_core::{LevelFilter, Outcome, Sink};
use spanlake_lake::{DEFAULT_STREAM_LEVEL, StreamSink};

use crate::support::{Script, feed};

/// Keeps each call's bytes apart.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

impl Write for Calls {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().push(String::from_utf8(bytes.to_vec()).unwrap());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_batch_is_one_write() {
    let calls = Calls::default();
    feed(&mut StreamSink::to("calls", calls.clone()), &Script::events("line", 3)).unwrap();
    let calls = calls.0.lock().unwrap();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].lines().count(), 3);
}

#[test]
fn consoles_start_at_info() {
    assert_eq!(Sink::level(&StreamSink::stderr()), DEFAULT_STREAM_LEVEL);
    assert_eq!(Sink::level(&StreamSink::stdout().level(LevelFilter::TRACE)), LevelFilter::TRACE);
    assert_eq!(StreamSink::stdout().name(), "stdout");
}

#[test]
fn lifecycle_is_as_set() {
    let calls = Calls::default();
    let mut script = Script::new();
    let task = script.root(1, "load");
    script.end(task, 0, Outcome::Succeeded, &[]);
    let mut sink = StreamSink::to("calls", calls.clone()).lifecycle(Lifecycle::Timed);
    feed(&mut sink, &script.segment()).unwrap();
    assert!(calls.0.lock().unwrap()[0].contains(" - End (0.50): it ended"));
}

#[test]
fn any_renderer_will_do() {
    let calls = Calls::default();
    let mut sink = StreamSink::to("calls", calls.clone()).renderer(Logfmt::new());
    feed(&mut sink, &Script::events("line", 1)).unwrap();
    assert!(calls.0.lock().unwrap()[0].starts_with("ts=2026-11-20T12:00:00.000001Z level=info"));
}

#[test]
fn what_is_no_terminal_has_colors_only_when_they_are_asked_for() {
    for (color, expected) in [(Color::Auto, false), (Color::Never, false), (Color::Always, true)] {
        let calls = Calls::default();
        let mut sink = StreamSink::to("calls", calls.clone()).renderer(Pretty::new().color(color));
        feed(&mut sink, &Script::events("line", 1)).unwrap();
        assert_eq!(calls.0.lock().unwrap()[0].contains('\u{1b}'), expected, "{color:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_is_an_error() {
    let (reader, writer) = io::pipe().unwrap();
    drop(reader);
    let error = feed(&mut StreamSink::to("pipe", writer), &Script::events("line", 1)).unwrap_err();
    assert_eq!(error.code().to_string(), "HANDLER::StreamSink::IO::ERROR::RECOVERABLE");
    assert_eq!(error.context().next(), Some(("stream", "pipe")));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_is_an_error() {
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let error = feed(&mut StreamSink::to("full", full), &Script::events("line", 1)).unwrap_err();
    assert!(error.is_io() && error.is_recoverable(), "{error:?}");
}
