//! What a test recorded, and nobody else's.

use spanlake_core::{Kind, Outcome};
use spanlake_scope::Task;
use tracing::{debug, error, info, info_span, instrument, trace, warn};

#[instrument(err)]
fn load(table: &str, rows: u64) -> Result<u64, std::io::Error> {
    debug!(rows, "reading");
    if rows == 0 {
        return Err(std::io::Error::other("no rows"));
    }
    info_span!("index").in_scope(|| info!("built"));
    Ok(rows)
}

#[test]
fn records_come_in_order_with_levels_down_to_trace() {
    let capture = spanlake_test::capture();
    trace!("a");
    info!("b");
    error!("c");
    let said: Vec<_> = capture.records().into_iter().map(|record| record.message).collect();
    assert_eq!(said, ["a", "b", "c"]);
    assert!(capture.records().iter().all(|record| record.key.as_ref().is_some_and(|key| key.task == *capture.key())));
    assert_eq!(capture.losses(), 0);
}

#[test]
fn tasks_tell_their_outcome_and_what_was_said_in_them() {
    let capture = spanlake_test::capture();
    load("orders", 5).expect("rows");
    load("lines", 0).expect_err("no rows");
    let running = info_span!("running").entered();
    let tasks = capture.tasks("load");
    assert_eq!(
        tasks.iter().map(|task| task.outcome()).collect::<Vec<_>>(),
        [Some(Outcome::Succeeded), Some(Outcome::Failed)]
    );
    assert_eq!((tasks[0].error(), tasks[1].error()), (None, Some("no rows")));
    assert!(tasks[0].contains("built") && !tasks[1].contains("built"));
    assert!(tasks[0].contains_field("table", "orders") && !tasks[0].contains_field("table", "lines"));
    assert_eq!(capture.task("running").outcome(), None);
    assert_eq!((capture.task("index").key().depth(), capture.tasks("no such task").len()), (2, 0));
    drop(running);
    assert_eq!(capture.task("running").outcome(), Some(Outcome::Succeeded));
}

#[test]
fn text_is_the_same_each_time_and_shows_the_tree() {
    let capture = spanlake_test::capture();
    info!(n = 1, "before");
    let _ = load("orders", 5);
    let _ = load("lines", 0);
    Task::current().expect("the test's own").bind("late", true).expect("a name");
    warn!("after");
    let text = "\
INFO before {\"n\":1}
> load {\"rows\":5,\"table\":\"orders\"}
  DEBUG reading {\"rows\":5}
  > index
    INFO built
  < index succeeded
< load succeeded
> load {\"rows\":0,\"table\":\"lines\"}
  DEBUG reading {\"rows\":0}
  ERROR  {\"error\":\"no rows\"}
< load failed: no rows
WARN after
";
    assert_eq!(capture.text(), text);
}

#[test]
fn a_capture_after_another_begins_anew() {
    for round in 0..3 {
        let capture = spanlake_test::capture();
        info!("round {round}");
        assert_eq!(capture.records().len(), 1);
        assert!(capture.contains(&format!("round {round}")));
    }
}

#[test]
fn a_capture_inside_another_is_a_root_of_its_own() {
    let outer = spanlake_test::capture();
    info!("outside");
    {
        let inner = spanlake_test::capture();
        info!("inside");
        assert!(inner.contains("inside") && !inner.contains("outside") && inner.key() != outer.key());
    }
    info!("outside again");
    assert!(!outer.contains("inside") && outer.contains("outside again"));
    assert!(outer.records().iter().all(|record| record.kind == Kind::Event));
}
