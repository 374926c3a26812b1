//! What the fuzzer checks, of inputs that it has found: each reaches something that no other does.
//!
//! The checks stand here, the targets that the fuzzer runs are in `fuzz`.

mod batch;
mod exchange;
mod jsonl;
mod ledger;
mod memory;
mod notification;
mod otlp;
mod queue;
mod recovery;
mod requests;
mod scoped;
mod segment;
mod trip;
mod zmtp;

use std::path::Path;

#[test]
fn segments() {
    replay("segment", segment::check);
}

#[test]
fn ledgers() {
    replay("ledger", ledger::check);
}

#[test]
fn recoveries() {
    replay("recovery", recovery::check);
}

#[test]
fn json_lines() {
    replay("jsonl", jsonl::check);
}

#[test]
fn queues() {
    replay("queue", queue::check);
}

#[test]
fn exchanges() {
    replay("exchange", exchange::check);
}

#[test]
fn what_is_said_by_zmtp() {
    replay("zmtp", zmtp::check);
}

#[test]
fn what_is_said_to_an_endpoint() {
    replay("requests", requests::check);
}

#[test]
fn batches() {
    replay("batch", batch::check);
}

#[test]
fn scoped_messages() {
    replay("scoped", scoped::check);
}

#[test]
fn notifications() {
    replay("notification", notification::check);
}

#[test]
fn otlp_requests() {
    replay("otlp", otlp::check);
}

/// Checks every file of a corpus; the name of the one that fails is the last that is printed.
fn replay(target: &str, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds").join(target);
    let mut paths: Vec<_> = folder.read_dir().expect("a corpus").map(|entry| entry.expect("a file").path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    for path in paths {
        println!("{}", path.display());
        check(&std::fs::read(&path).expect("a file"));
    }
}
