//! The numbering of tasks and records.

use std::collections::HashSet;
use std::sync::Barrier;
use std::thread;

use spanlake_core::{Kind, LevelFilter};
use spanlake_scope::{ScopeLayer, Task};
use tracing::{debug, debug_span, info, info_span};
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{record, tape, tape_with};

#[test]
fn sample_of_the_wire_format_is_reproduced() {
    let tape = record(|| {
        info_span!("outer").in_scope(|| {
            info!("into outer");
            info_span!("inner").in_scope(|| info!("into inner"));
        });
        info!("outside");
    });
    let expected = [
        "0@U begin outer",
        "1@U event into outer",
        "0@U/1 begin inner",
        "1@U/1 event into inner",
        "2@U/1 end inner",
        "2@U end outer",
        "- event outside",
    ];
    assert_eq!(tape.said(), expected);
}

#[test]
fn children_are_numbered_by_parent_from_one() {
    let tape = record(|| {
        info_span!("root").in_scope(|| {
            info_span!("first").in_scope(|| info_span!("grandchild").in_scope(|| ()));
            info_span!("second").in_scope(|| ());
        });
        info_span!("other root").in_scope(|| info_span!("first").in_scope(|| ()));
    });
    let begins: Vec<String> = tape.said().into_iter().filter(|line| line.contains("begin")).collect();
    let expected = [
        "0@U begin root",
        "0@U/1 begin first",
        "0@U/1/1 begin grandchild",
        "0@U/2 begin second",
        "0@V begin other root",
        "0@V/1 begin first",
    ];
    assert_eq!(begins, expected);
}

#[test]
fn roots_are_random_version_4_uuids_in_lower_case() {
    let tape = record(|| (0..2).for_each(|_| info_span!("root").in_scope(|| ())));
    let roots: HashSet<_> =
        tape.records().iter().map(|record| record.key.as_ref().expect("a key").task.uuid()).collect();
    assert_eq!(roots.len(), 2);
    assert!(roots.iter().all(|root| root.get_version_num() == 4));
}

#[test]
fn record_below_the_level_uses_no_number() {
    let (recording, tape) = tape_with(LevelFilter::INFO, Default::default());
    let subscriber = tracing_subscriber::registry().with(ScopeLayer::new()).with(recording);
    tracing::subscriber::with_default(subscriber, || {
        info_span!("task").in_scope(|| {
            debug!("not kept");
            info!("kept");
            debug!("not kept");
        });
    });
    assert_eq!(tape.said(), ["0@U begin task", "1@U event kept", "2@U end task"]);
}

#[test]
fn task_below_the_level_still_stands_between_its_parent_and_its_events() {
    let (recording, tape) = tape_with(LevelFilter::INFO, Default::default());
    let subscriber = tracing_subscriber::registry().with(ScopeLayer::new()).with(recording);
    tracing::subscriber::with_default(subscriber, || {
        info_span!("task").in_scope(|| debug_span!("detail").in_scope(|| info!("kept")));
    });
    assert_eq!(tape.said(), ["0@U begin task", "0@U/1 event kept", "1@U end task"]);
}

#[test]
fn event_goes_to_the_parent_it_names() {
    let tape = record(|| {
        let (one, other) = (info_span!("one"), info_span!("other"));
        one.in_scope(|| {
            info!(parent: &other, "for the other");
            info!(parent: None, "for nobody");
            info!("for this one");
        });
    });
    let said = tape.said();
    assert_eq!(said[2..5], ["1@V event for the other", "- event for nobody", "1@U event for this one"]);
}

#[test]
fn span_goes_to_the_parent_it_names() {
    let tape = record(|| {
        let (one, other) = (info_span!("one"), info_span!("other"));
        one.in_scope(|| info_span!(parent: &other, "below the other").in_scope(|| info!("here")));
    });
    assert!(tape.said().contains(&"1@V/1 event here".to_owned()));
}

#[test]
fn root_asked_for_inside_a_task_has_its_own_uuid_and_leaves_no_gap() {
    let tape = record(|| {
        info_span!("task").in_scope(|| {
            info_span!(parent: None, "apart").in_scope(|| info!("apart"));
            info_span!("child").in_scope(|| ());
        });
    });
    let said = tape.said();
    assert_eq!(said[1..3], ["0@V begin apart", "1@V event apart"]);
    assert!(said.contains(&"0@U/1 begin child".to_owned()), "{said:?}");
}

#[test]
fn task_of_a_span_and_current_task_are_the_same() {
    record(|| {
        assert!(Task::current().is_none());
        let span = info_span!("task");
        let key = Task::of(&span).expect("a task").key();
        span.in_scope(|| {
            assert_eq!(Task::current().expect("a task").key(), key);
            let inner = info_span!("inner").entered();
            assert_eq!(Task::current().expect("a task").key(), key.child(1).expect("a child"));
            drop(inner);
            assert_eq!(Task::current().expect("a task").name(), "task");
        });
        assert!(Task::current().is_none());
        assert!(Task::of(&tracing::Span::none()).is_none());
    });
}

#[test]
fn span_that_is_entered_again_inside_itself_stays_entered() {
    let tape = record(|| {
        let span = info_span!("task");
        let outer = span.enter();
        span.in_scope(|| info!("twice"));
        info!("once");
        drop(outer);
        info!("not at all");
    });
    let said = tape.said();
    assert_eq!(said[1..4], ["1@U event twice", "2@U event once", "- event not at all"]);
}

#[test]
fn spans_left_out_of_order_leave_the_right_task() {
    let tape = record(|| {
        let (one, other) = (info_span!("one"), info_span!("other"));
        let in_one = one.enter();
        let in_other = other.enter();
        drop(in_one);
        info!("in the other");
        drop(in_other);
        info!("in none");
    });
    let said = tape.said();
    assert!(said.contains(&"1@V event in the other".to_owned()), "{said:?}");
    assert!(said.contains(&"- event in none".to_owned()), "{said:?}");
}

#[test]
fn threads_build_trees_of_their_own() {
    let (recording, tape) = tape();
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(ScopeLayer::new()).with(recording));
    let both = Barrier::new(2);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                tracing::dispatcher::with_default(&dispatch, || {
                    info_span!("root").in_scope(|| {
                        both.wait();
                        info_span!("child").in_scope(|| info!("inside"));
                        both.wait();
                    });
                });
            });
        }
    });
    let records = tape.records();
    let roots: HashSet<_> = records.iter().map(|record| record.key.as_ref().expect("a key").task.uuid()).collect();
    assert_eq!((records.len(), roots.len()), (10, 2));
    for root in roots {
        let one: Vec<_> =
            records.iter().filter(|record| record.key.as_ref().is_some_and(|key| key.task.uuid() == root)).collect();
        let threads: HashSet<_> = one.iter().map(|record| record.thread.clone()).collect();
        assert_eq!((one.len(), threads.len()), (5, 1));
    }
}

#[test]
fn threads_in_one_task_share_its_numbers_without_a_gap() {
    let (recording, tape) = tape();
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(ScopeLayer::new()).with(recording));
    tracing::dispatcher::with_default(&dispatch, || {
        let span = info_span!("shared");
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    tracing::dispatcher::with_default(&dispatch, || {
                        span.in_scope(|| {
                            for _ in 0..1_000 {
                                info!("event");
                                info_span!("child").in_scope(|| ());
                            }
                        });
                    });
                });
            }
        });
    });
    let records = tape.records();
    let root = records[0].key.clone().expect("a key").task;
    let of_root = records.iter().filter_map(|record| record.key.as_ref()).filter(|key| key.task == root);
    let mut numbers: Vec<u64> = of_root.map(|key| key.seq).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..4_002).collect::<Vec<u64>>());
    let begins = records.iter().filter(|record| record.kind == Kind::Begin).filter_map(|record| record.key.as_ref());
    let mut children: Vec<u32> = begins.filter_map(|key| key.task.path().first().copied()).collect();
    children.sort_unstable();
    assert_eq!(children, (1..=4_000).collect::<Vec<u32>>());
}
