//! Deep nesting.

use spanlake_core::Kind;
use spanlake_scope::{MAX_DEPTH, Task};
use tracing::{Span, info, info_span};

use crate::support::{record, say};

/// Runs `work` below `depth` spans.
fn nested(depth: usize, work: &mut dyn FnMut()) {
    if depth == 0 {
        return work();
    }
    info_span!("level").in_scope(|| nested(depth - 1, work));
}

#[test]
fn span_deeper_than_a_key_can_say_shares_the_task_above() {
    let tape = record(|| {
        nested(MAX_DEPTH + 6, &mut || {
            info!("deep down");
            assert_eq!(Task::current().expect("a task").key().depth(), MAX_DEPTH);
        });
        info!("outside");
    });
    let records = tape.records();
    let count = |kind| records.iter().filter(|record| record.kind == kind).count();
    assert_eq!((count(Kind::Begin), count(Kind::End)), (MAX_DEPTH + 1, MAX_DEPTH + 1));
    let deep = records.iter().find(|record| record.message == "deep down").expect("a record");
    let key = deep.key.as_ref().expect("a key");
    assert_eq!((key.task.depth(), key.seq), (MAX_DEPTH, 1));
    assert_eq!(say(&records).last().map(String::as_str), Some("- event outside"));
    let last_of_deepest = records.iter().rfind(|record| record.key.as_ref().is_some_and(|k| k.task == key.task));
    assert_eq!(last_of_deepest.expect("its end").kind, Kind::End);
}

#[test]
fn values_of_a_span_that_shares_a_task_do_not_spill_into_it() {
    let tape = record(|| {
        nested(MAX_DEPTH + 1, &mut || {
            info_span!("too deep", own = 1, late = tracing::field::Empty).in_scope(|| {
                Span::current().record("late", 2);
                info!("deep down");
            });
            info!("above");
        });
    });
    let records = tape.records();
    assert!(records.iter().all(|record| record.context == "{}"), "{:?}", say(&records));
}

#[test]
fn thousand_levels_are_no_trouble() {
    let tape = record(|| nested(1_000, &mut || info!("deep down")));
    assert_eq!(tape.records().len(), 2 * (MAX_DEPTH + 1) + 1);
}
