//! The tree: order, tasks that were seen only in part, filters and folding.

use std::fmt::Write;

use spanlake_core::{Kind, Level, Outcome, OwnedRecord};
use spanlake_query::{Entry, Filter, Status, TaskNode, TaskTree};

use crate::lake::{OTHER, ROOT, START_US, begin, end, event};

fn build(filter: Filter, records: impl IntoIterator<Item = OwnedRecord>) -> TaskTree {
    let mut tree = TaskTree::builder(filter);
    let to_scan = tree.filter_to_scan();
    records.into_iter().filter(|record| to_scan.admits(record)).for_each(|record| tree.add(record));
    tree.finish()
}

/// One line a task or record, indented by depth.
fn outline(tree: &TaskTree) -> String {
    let mut text = String::new();
    tree.roots().for_each(|root| put_task(&mut text, root, 0));
    tree.outside().records().for_each(|record| writeln!(text, "outside: {}", record.message()).expect("write"));
    text
}

fn put_task(text: &mut String, task: TaskNode<'_>, depth: usize) {
    let indent = "  ".repeat(depth);
    let seen = if task.begin_seen() { "" } else { " (begin not seen)" };
    writeln!(text, "{indent}{} {}{seen}", task.name().unwrap_or("?"), task.status()).expect("write");
    for entry in task.entries() {
        match entry {
            Entry::Record(record) => writeln!(text, "{indent}  - {}", record.message()).expect("write"),
            Entry::Task(task) => put_task(text, task, depth + 1),
        }
    }
}

fn info(ms: i64, key: &str, message: &str) -> OwnedRecord {
    event(ms, Level::INFO, key, message)
}

#[test]
fn records_go_by_number_and_subtasks_stand_by_their_begin() {
    let records = [
        begin(0, &format!("0@{ROOT}"), "nightly"),
        info(10, &format!("1@{ROOT}"), "one"),
        // The clock was set back: the number decides.
        info(5, &format!("2@{ROOT}"), "two"),
        info(20, &format!("3@{ROOT}"), "three"),
        info(30, &format!("4@{ROOT}"), "four"),
        begin(20, &format!("0@{ROOT}/2"), "behind three, which is as late"),
        begin(15, &format!("0@{ROOT}/3"), "between two and three, before its elder"),
        begin(40, &format!("0@{ROOT}/1"), "last"),
        end(50, &format!("5@{ROOT}"), "nightly", Outcome::Succeeded),
    ];
    let expected = "\
nightly succeeded
  - one
  - two
  between two and three, before its elder open
  - three
  behind three, which is as late open
  - four
  last open
";
    assert_eq!(outline(&build(Filter::new(), records.clone())), expected);
    let backwards = records.into_iter().rev();
    assert_eq!(outline(&build(Filter::new(), backwards)), expected, "in whatever order they come");
}

#[test]
fn roots_go_by_time_and_then_by_key() {
    let records = [
        begin(5, &format!("0@{ROOT}"), "third"),
        begin(5, &format!("0@{OTHER}"), "second"),
        begin(1, "0@ffffffff-ffff-4fff-bfff-ffffffffffff", "first"),
        info(0, "", "alone"),
    ];
    assert_eq!(outline(&build(Filter::new(), records)), "first open\nsecond open\nthird open\noutside: alone\n");
}

#[test]
fn tasks_that_were_seen_in_part_are_made_up() {
    let tree = build(
        Filter::new(),
        [
            end(9, &format!("7@{ROOT}/1/3"), "only its end", Outcome::Failed),
            info(4, &format!("2@{ROOT}/2"), "an event"),
        ],
    );
    let expected = "\
? open (begin not seen)
  work open (begin not seen)
    - an event
  ? open (begin not seen)
    only its end failed (begin not seen)
";
    assert_eq!(outline(&tree), expected);
    let task = tree.get(&format!("{ROOT}/1/3").parse().expect("a key")).expect("a task");
    assert_eq!((task.duration_us(), task.error()), (Some(9_000), Some("it broke: no such table")));
    // Of a task that was not seen at all, the first moment is that of what lies below.
    let root = tree.roots().next().expect("a root");
    assert_eq!((root.began_us(), root.last_us()), (START_US + 4_000, START_US + 9_000));
}

#[test]
fn every_outcome_is_a_status_and_an_unknown_one_is_judged_by_the_rest() {
    let status = |record: OwnedRecord| build(Filter::new(), [record]).roots().next().expect("a root").status();
    let key = format!("0@{ROOT}");
    assert_eq!(status(begin(0, &key, "a")), Status::Open);
    for outcome in Outcome::ALL {
        assert_eq!(status(end(0, &key, "a", outcome)), Status::from(outcome));
    }
    let unknown = |outcome| OwnedRecord { outcome: None, ..end(0, &key, "a", outcome) };
    assert_eq!(status(unknown(Outcome::Failed)), Status::Failed);
    assert_eq!(status(unknown(Outcome::Succeeded)), Status::Succeeded);
}

#[test]
fn losses_of_more_than_can_be_counted_are_as_many_as_can_be() {
    let loss = |ms| OwnedRecord {
        kind: Kind::Loss,
        fields: format!(r#"{{"cause":"full","count":{}}}"#, u64::MAX),
        ..event(ms, Level::WARN, "", "records lost")
    };
    assert_eq!(build(Filter::new(), [loss(1), loss(2)]).losses(), u64::MAX);
}

#[test]
fn records_below_the_level_are_counted_and_losses_are_never_hidden() {
    let loss = OwnedRecord {
        kind: Kind::Loss,
        fields: r#"{"cause":"full","count":12,"bytes":1}"#.to_owned(),
        ..event(4, Level::DEBUG, &format!("4@{ROOT}"), "12 records lost")
    };
    let records = [
        begin(0, &format!("0@{ROOT}"), "nightly"),
        event(1, Level::DEBUG, &format!("1@{ROOT}"), "folded"),
        event(2, Level::TRACE, &format!("2@{ROOT}"), "folded"),
        event(3, Level::INFO, &format!("3@{ROOT}"), "kept"),
        loss,
        event(5, Level::DEBUG, "", "folded outside"),
    ];
    let tree = build(Filter::new().level(Level::INFO), records);
    assert_eq!(outline(&tree), "nightly open\n  - kept\n  - 12 records lost\n");
    assert_eq!(tree.roots().next().expect("a root").hidden(), [1, 1, 0, 0, 0]);
    assert_eq!(tree.outside().hidden(), [0, 1, 0, 0, 0]);
    assert_eq!(tree.losses(), 12);
    let summary = tree.summary();
    assert_eq!((summary.records, summary.all_hidden(), summary.all_tasks()), (2, 3, 1));
}

#[test]
fn a_filter_leaves_what_it_selects_and_the_path_to_it() {
    let records = || {
        [
            begin(0, &format!("0@{ROOT}"), "nightly"),
            info(1, &format!("1@{ROOT}"), "not asked for"),
            begin(2, &format!("0@{ROOT}/1"), "bronze"),
            begin(3, &format!("0@{ROOT}/1/1"), "read"),
            info(4, &format!("1@{ROOT}/1/1"), "the needle"),
            end(5, &format!("2@{ROOT}/1/1"), "read", Outcome::Failed),
            begin(6, &format!("0@{ROOT}/2"), "silver"),
            begin(7, &format!("0@{OTHER}"), "another"),
            info(8, "", "a needle outside"),
            info(9, "", "outside"),
        ]
    };
    let text = |text: &str| outline(&build(Filter::new().text(text), records()));
    let path = "nightly open\n  bronze open\n    read failed\n";
    assert_eq!(text("needle"), format!("{path}      - the needle\noutside: a needle outside\n"));
    assert_eq!(text("no such table"), path);
    assert_eq!(text("silver"), "nightly open\n  silver open\n");
    assert_eq!(text("nowhere"), "");

    let below = Filter::new().task(format!("{ROOT}/1").parse().expect("a key"));
    assert_eq!(outline(&build(below, records())), "bronze open\n  read failed\n    - the needle\n");
    let named = Filter::new().name("bronze");
    assert_eq!(outline(&build(named.clone(), records())), format!("{path}      - the needle\n"));
    assert_eq!(outline(&build(named.text("silver"), records())), "");

    let since = Filter::new().since_us(START_US + 4_000).until_us(START_US + 5_000);
    let made_up = "? open (begin not seen)\n  ? open (begin not seen)\n    work open (begin not seen)\n";
    assert_eq!(outline(&build(since, records())), format!("{made_up}      - the needle\n"));

    let pruned = build(Filter::new().text("needle"), records());
    assert!(pruned.get(&OTHER.parse().expect("a key")).is_none());
}

#[test]
fn the_context_is_the_one_of_the_last_number() {
    let context = |context: &str, record| OwnedRecord { context: context.to_owned(), ..record };
    let records = [
        context(r#"{"a":2}"#, info(1, &format!("5@{ROOT}"), "bound later")),
        context(r#"{"a":1}"#, begin(0, &format!("0@{ROOT}"), "nightly")),
    ];
    let tree = build(Filter::new(), records);
    let root = tree.roots().next().expect("a root");
    assert_eq!((root.context(), root.pid(), root.host()), (r#"{"a":2}"#, Some(6156), Some("obelix")));
    assert_eq!((root.file(), root.line(), root.target()), (Some("src/silver.rs"), Some(42), Some("flights::silver")));
}

#[test]
fn a_record_that_knows_the_key_only_takes_no_name_and_no_context_away() {
    let known = |task: &str, context: &str, record| {
        let (task, context) = (Some(task.to_owned()), context.to_owned());
        OwnedRecord { task, context, ..record }
    };
    let records = [
        known("", "{}", info(1, &format!("5@{ROOT}"), "a foreign log")),
        known("GET /orders", r#"{"a":1}"#, begin(0, &format!("0@{ROOT}"), "GET /orders")),
        known("", "{}", info(2, &format!("9@{ROOT}"), "another one")),
    ];
    let tree = build(Filter::new(), records);
    let root = tree.roots().next().expect("a root");
    assert_eq!((root.name(), root.context()), (Some("GET /orders"), r#"{"a":1}"#));
}

#[test]
fn the_level_of_a_task_is_that_of_its_begin_and_end() {
    let debug = |record| OwnedRecord { level: Level::DEBUG, ..record };
    let level = |records: Vec<OwnedRecord>| build(Filter::new(), records).roots().next().expect("a root").level();
    let key = format!("0@{ROOT}");
    assert_eq!(
        level(vec![debug(begin(0, &key, "a")), event(1, Level::ERROR, &format!("1@{ROOT}"), "x")]),
        Level::DEBUG
    );
    assert_eq!(level(vec![debug(begin(0, &key, "a")), end(1, &key, "a", Outcome::Failed)]), Level::ERROR);
    assert_eq!(level(vec![event(1, Level::WARN, &key, "x"), event(1, Level::TRACE, &key, "x")]), Level::WARN);
}
