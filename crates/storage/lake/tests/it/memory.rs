//! Sinks without a file: nowhere, and memory.

use std::num::NonZeroUsize;

use spanlake_core::render::Logfmt;
use spanlake_core::{LevelFilter, Sink};
use spanlake_lake::{NullSink, TestSink};

use crate::support::{Script, feed};

#[test]
fn nowhere_takes_everything() {
    let mut sink = NullSink::new().level(LevelFilter::INFO);
    assert_eq!((sink.name(), Sink::level(&sink)), ("null", LevelFilter::INFO));
    feed(&mut sink, &Script::events("line", 3)).unwrap();
    sink.flush().unwrap();
}

#[test]
fn a_test_sees_text_and_records() {
    let mut sink = TestSink::new().renderer(Logfmt::new());
    let seen = sink.handle();
    feed(&mut sink, &Script::events("line", 2)).unwrap();
    assert_eq!(seen.text().lines().count(), 2);
    assert!(seen.text().contains("message=\"line 1\""));
    let messages: Vec<String> = seen.records().into_iter().map(|record| record.message).collect();
    assert_eq!(messages, ["line 0", "line 1"]);
    seen.clear();
    assert_eq!((seen.text(), seen.records(), seen.dropped()), (String::new(), vec![], 0));
}

#[test]
fn what_a_test_keeps_has_a_bound() {
    let mut sink = TestSink::new().max_bytes(NonZeroUsize::new(10_000).unwrap());
    let seen = sink.handle();
    (0..100).for_each(|_| feed(&mut sink, &Script::events("line", 10)).unwrap());
    let kept = seen.records();
    assert!((1..50).contains(&kept.len()), "{}", kept.len());
    assert_eq!(seen.dropped() + kept.len() as u64, 1_000);
    assert_eq!(kept.last().unwrap().message, "line 9");
}
