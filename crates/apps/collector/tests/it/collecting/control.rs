//! Levels that somebody asks for reach the programs, and end by themselves.

use std::time::Duration;

use spanlake_collector::Control;
use spanlake_core::{Directives, Level, disk};

use super::stand::{LONG, Stand, publish};

fn directives(text: &str) -> Directives {
    text.parse().expect("directives")
}

#[test]
fn what_is_asked_for_reaches_an_idle_program_and_is_taken_back() {
    let stand = Stand::new();
    let running = stand.start();
    let control = running.collector().control();
    let verbose = |guard: &spanlake_publish::Guard, wanted: usize| {
        let until = std::time::Instant::now() + LONG;
        while guard.handle().verbosity().get().directives.iter().count() != wanted {
            assert!(std::time::Instant::now() < until, "it was not followed");
            std::thread::yield_now();
        }
    };
    publish(running.publisher().service("orders"), |guard| {
        tracing::debug!("before");
        control.set("orders", directives("task=load=trace"), Some(Duration::from_secs(600))).expect("kept");
        control.set("other", directives("trace"), None).expect("kept");
        verbose(guard, 1);
        tracing::info_span!("load").in_scope(|| tracing::trace!("while"));
        tracing::debug!("elsewhere");
        control.clear("orders").expect("kept");
        verbose(guard, 0);
        tracing::info_span!("load").in_scope(|| tracing::trace!("after"));
    });
    running.stop();
    let verbose: Vec<_> = stand.records().into_iter().filter(|record| record.level > Level::INFO).collect();
    assert_eq!(verbose.iter().map(|record| &*record.message).collect::<Vec<_>>(), ["while"]);
}

#[test]
fn it_is_versioned_idempotent_and_survives_a_restart() {
    let scratch = tempfile::tempdir().expect("a folder");
    let open = || Control::open(scratch.path(), disk::real()).expect("control");
    let control = open();
    assert_eq!(control.of("orders"), None);
    let first = control.set("orders", directives("debug,task=load=trace/1h"), None).expect("kept");
    assert_eq!(control.set("other", directives("trace"), None).map(|version| version > first).ok(), Some(true));
    let asked = control.of("orders").expect("asked for");
    assert_eq!(asked.version, first);
    assert!(asked.directives.starts_with("debug,task=load=trace/"), "{}", asked.directives);
    let staying = control.set("stays", directives("warn"), None).expect("kept");
    assert_eq!(control.set("stays", directives("warn"), None).ok(), Some(staying));

    let again = open();
    assert_eq!(again.of("stays"), control.of("stays"));
    assert_eq!(again.services(), ["orders", "other", "stays"]);
    let cleared = again.clear("orders").expect("kept");
    assert!(cleared > staying);
    assert_eq!(again.of("orders").map(|asked| (asked.version, asked.directives)), Some((cleared, String::new())));
    assert_eq!(open().services(), ["other", "stays"]);
}

#[test]
fn what_has_ended_is_not_asked_for_any_more() {
    let scratch = tempfile::tempdir().expect("a folder");
    let control = Control::open(scratch.path(), disk::real()).expect("control");
    control.set("orders", directives("debug/1ms,orders::db=trace"), None).expect("kept");
    let until = std::time::Instant::now() + LONG;
    while control.of("orders").is_some_and(|asked| asked.directives != "orders::db=trace") {
        assert!(std::time::Instant::now() < until, "it does not end");
        std::thread::yield_now();
    }
    assert_eq!(control.of("orders").map(|asked| asked.directives), Some("orders::db=trace".to_owned()));
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_and_stays() {
    let scratch = tempfile::tempdir().expect("a folder");
    std::fs::write(scratch.path().join("control.json"), "{").expect("written");
    assert!(Control::open(scratch.path(), disk::real()).is_err());
    assert_eq!(std::fs::read(scratch.path().join("control.json")).expect("it is there"), b"{");
}
