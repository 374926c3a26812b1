//! All ways, and the table of what came of them.

use std::path::PathBuf;

use crate::child::Part;
use crate::run::{Outcome, run};
use crate::storage::Storage;
use crate::way::Way;

/// Set to write the table into the document, instead of comparing.
const BLESS: &str = "SPANLAKE_BLESS";

/// What the table stands between.
const MARKS: [&str; 2] = ["<!-- exit matrix: begin -->\n", "<!-- exit matrix: end -->\n"];

const HEAD: &str = "\
| way out | storage | threads | recorded | found | lost | duplicated | the parent sees |
|---|---|--:|--:|--:|--:|--:|---|
";

pub(crate) fn every_way_out_leaves_what_is_promised() {
    let mut table = HEAD.to_owned();
    for storage in Storage::ALL {
        let calm = Way::ALL.map(|way| (way, false));
        let busy = Way::SUDDEN.map(|way| (way, true));
        for (way, busy) in calm.into_iter().chain(busy) {
            for threads in [1, 4] {
                table += &row(way, busy, storage, threads);
            }
        }
    }
    compare(&table);
}

fn row(way: Way, busy: bool, storage: Storage, threads: usize) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let part = Part { way, storage, threads, busy, by_init: false, folder: folder.path().to_owned() };
    let outcome = run(&part);
    check(&part, &outcome);
    let cells = [recorded(&part, &outcome), found_and_lost(&part, &outcome)].join(" | ");
    let name = if busy { format!("{} while threads log", way.name()) } else { way.name().to_owned() };
    format!("| {name} | {} | {threads} | {cells} | {} | {} |\n", storage.name(), outcome.duplicated, outcome.seen)
}

fn check(part: &Part, outcome: &Outcome) {
    let (way, proof) = (part.way, part.storage.is_crash_proof());
    let context = || format!("{part:?}: {outcome}");
    assert_eq!(outcome.seen, way.seen(), "{}", context());
    assert_eq!(outcome.duplicated, 0, "{}", context());
    assert!(outcome.writers.len() >= part.threads, "{}", context());
    assert!(outcome.writers.iter().all(|writer| writer.has_no_gap()), "{}", context());
    if proof {
        assert_eq!(outcome.lost(), 0, "{}", context());
    }
    if way.ends_well() {
        assert_eq!(outcome.lost_of_before(), 0, "{}", context());
    }
}

/// How many, unless threads logged on and chance decided.
fn recorded(part: &Part, outcome: &Outcome) -> String {
    if part.busy { "many".to_owned() } else { outcome.recorded().to_string() }
}

/// How many, unless the moment of the end decided.
fn found_and_lost(part: &Part, outcome: &Outcome) -> String {
    match (part.storage.is_crash_proof(), part.way.ends_well(), part.busy) {
        (true, _, true) => "all | 0".to_owned(),
        (false, true, true) => "all before the end | some after it".to_owned(),
        (false, false, _) => "what was drained | the rest".to_owned(),
        (_, _, false) => format!("{} | {}", outcome.found(), outcome.lost()),
    }
}

/// Compares the document's table with this one, or writes it there.
fn compare(table: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/ends.md");
    let document = std::fs::read_to_string(&path).expect("the document");
    let (before, rest) = document.split_once(MARKS[0]).expect("the mark where the table begins");
    let (there, after) = rest.split_once(MARKS[1]).expect("the mark where it ends");
    let table = format!("\n{table}\n");
    if std::env::var_os(BLESS).is_some() {
        std::fs::write(&path, [before, MARKS[0], &table, MARKS[1], after].concat()).expect("the document");
    } else {
        assert_eq!(there, table, "the table in docs/ends.md is not this one; set {BLESS}=1 to write it there");
    }
}
