//! Begin and end records, row by row of the table.

use std::error::Error;
use std::fmt;
use std::thread;

use spanlake_core::render::{Lifecycle, TextLines};
use spanlake_core::{Kind, Level, LevelFilter, Outcome};
use spanlake_scope::{ScopeLayer, Task};
use tracing::{debug_span, error_span, info, info_span};
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{record, tape_with};

#[derive(Debug)]
struct Failure(&'static str, Option<Box<Failure>>);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.1.as_deref().map(|failure| failure as &(dyn Error + 'static))
    }
}

fn failure() -> Failure {
    Failure("cannot load", Some(Box::new(Failure("no file", None))))
}

/// Runs `work` in a task and gives its end.
fn ends(work: impl FnOnce(Task)) -> Vec<String> {
    record(|| info_span!("load").in_scope(|| work(Task::current().expect("a task")))).ends()
}

#[test]
fn begin_and_end_say_the_name_where_the_span_has_no_message() {
    let records = record(|| info_span!("load").in_scope(|| ())).records();
    let said: Vec<_> = records.iter().map(|record| (record.kind, record.level, &*record.message)).collect();
    assert_eq!(said, [(Kind::Begin, Level::INFO, "load"), (Kind::End, Level::INFO, "load")]);
    assert_eq!(records[1].outcome, Some(Outcome::Succeeded));
    assert_eq!((records[0].outcome, records[0].duration_us, &records[0].error), (None, None, &None));
}

#[test]
fn begin_and_end_say_the_spans_message() {
    let tape = record(|| {
        info_span!("load", message = "Loading orders").in_scope(|| ());
        info_span!("load", message = format_args!("Loading {}", "customers")).in_scope(|| ());
    });
    let said = tape.said();
    assert_eq!(said[..2], ["0@U begin Loading orders", "1@U end Loading orders"]);
    assert_eq!(said[2..], ["0@V begin Loading customers", "1@V end Loading customers"]);
}

#[test]
fn level_of_begin_and_end_is_the_spans() {
    for (span, level) in [
        (record(|| debug_span!("task").in_scope(|| ())), Level::DEBUG),
        (record(|| error_span!("task").in_scope(|| ())), Level::ERROR),
    ] {
        assert!(span.records().iter().all(|record| record.level == level));
    }
}

#[test]
fn span_that_is_never_entered_begins_and_ends_all_the_same() {
    assert_eq!(record(|| drop(info_span!("load"))).said(), ["0@U begin load", "1@U end load"]);
}

#[test]
fn success_with_words_ends_with_them() {
    assert_eq!(ends(|task| task.success("3 files loaded")), ["U succeeded INFO 3 files loaded"]);
}

#[test]
fn success_without_words_ends_without_a_line_for_people_and_with_a_record() {
    let tape = record(|| info_span!("load").in_scope(|| Task::current().expect("a task").success("")));
    let (mut kinds, mut text) = (Vec::new(), String::new());
    tape.each(|record| {
        kinds.push(record.kind);
        TextLines { lifecycle: Lifecycle::Plain }.put(&mut text, &record);
        TextLines { lifecycle: Lifecycle::Timed }.put(&mut text, &record);
    });
    assert_eq!(kinds, [Kind::Begin, Kind::End]);
    assert_eq!(text.lines().count(), 2, "the begin in two renderings: {text}");
}

#[test]
fn last_words_of_success_count() {
    let said = ends(|task| {
        task.success("half");
        task.success("all");
    });
    assert_eq!(said, ["U succeeded INFO all"]);
}

#[test]
fn failure_ends_with_the_error_and_its_causes() {
    assert_eq!(ends(|task| task.fail(&failure())), ["U failed ERROR FAILED load: cannot load: no file"]);
}

#[test]
fn failure_keeps_the_spans_message() {
    let tape = record(|| {
        let span = info_span!("load", message = "Loading orders");
        Task::of(&span).expect("a task").fail(&failure());
    });
    assert_eq!(tape.ends(), ["U failed ERROR FAILED Loading orders: cannot load: no file"]);
}

#[test]
fn first_failure_stays_whatever_is_said_after_it() {
    let said = ends(|task| {
        task.fail(&Failure("first", None));
        task.fail(&Failure("second", None));
        task.success("all is well");
        task.cancel();
    });
    assert_eq!(said, ["U failed ERROR FAILED load: first"]);
}

#[test]
fn failure_outweighs_the_success_said_before() {
    let said = ends(|task| {
        task.success("all is well");
        task.fail(&Failure("not so", None));
    });
    assert_eq!(said, ["U failed ERROR FAILED load: not so"]);
}

#[test]
fn cancelled_task_warns() {
    assert_eq!(ends(|task| task.cancel()), ["U cancelled WARN load"]);
}

#[test]
fn failure_of_a_subtask_is_not_its_parents() {
    let tape = record(|| {
        info_span!("parent").in_scope(|| {
            info_span!("child").in_scope(|| Task::current().expect("a task").fail(&Failure("only here", None)));
        });
    });
    assert_eq!(tape.ends(), ["U/1 failed ERROR FAILED child: only here", "U succeeded INFO parent"]);
}

#[test]
fn failed_task_below_the_level_shows_its_end() {
    let (recording, tape) = tape_with(LevelFilter::INFO, Default::default());
    let subscriber = tracing_subscriber::registry().with(ScopeLayer::new()).with(recording);
    tracing::subscriber::with_default(subscriber, || {
        debug_span!("fine").in_scope(|| ());
        debug_span!("bad").in_scope(|| Task::current().expect("a task").fail(&Failure("oh", None)));
    });
    assert_eq!(tape.ends(), ["U failed ERROR FAILED bad: oh"]);
}

#[test]
fn task_ends_when_its_last_handle_goes_wherever_that_is() {
    let tape = record(|| {
        let span = info_span!("task");
        let handle = span.clone();
        span.in_scope(|| info!("inside"));
        drop(span);
        info!("still open");
        thread::Builder::new()
            .name("elsewhere".into())
            .spawn(move || drop(handle))
            .expect("a thread")
            .join()
            .expect("no panic");
    });
    let records = tape.records();
    let end = records.iter().find(|record| record.kind == Kind::End).expect("an end");
    assert_eq!((end.thread.as_deref(), end.key.as_ref().map(|key| key.seq)), (Some("elsewhere"), Some(2)));
    assert!(records.iter().any(|record| record.message == "still open"));
}

#[test]
fn parent_ends_after_the_child_that_outlives_its_handle() {
    let tape = record(|| {
        let parent = info_span!("parent");
        let child = parent.in_scope(|| info_span!("child"));
        drop(parent);
        child.in_scope(|| info!("alone"));
    });
    let said = tape.said();
    assert_eq!(said[said.len() - 2..], ["2@U/1 end child", "1@U end parent"]);
}

#[test]
fn error_whose_display_fails_or_panics_is_no_trouble() {
    #[derive(Debug)]
    struct Bad(bool);
    impl fmt::Display for Bad {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            if self.0 { panic!("in Display") } else { Err(fmt::Error) }
        }
    }
    impl Error for Bad {}
    for panics in [false, true] {
        let said = ends(|task| task.fail(&Bad(panics)));
        assert!(said[0].starts_with("U failed ERROR FAILED load"), "{said:?}");
    }
}

#[test]
fn error_of_64_mib_is_cut_and_says_so() {
    #[derive(Debug)]
    struct Long;
    impl fmt::Display for Long {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            (0..1 << 16).try_for_each(|_| f.write_str(&"e".repeat(1 << 10)))
        }
    }
    impl Error for Long {}
    let said = ends(|task| task.fail(&Long));
    assert!(said[0].len() < 70_000 && said[0].ends_with("e… [truncated, 67108864 bytes]"), "{} bytes", said[0].len());
}

#[test]
fn message_that_is_too_long_is_cut_and_says_so() {
    let long = "m".repeat(100_000);
    let tape =
        record(|| info_span!("task", message = long.as_str()).in_scope(|| Task::current().expect("a task").cancel()));
    for record in tape.records() {
        assert!(record.message.ends_with("m… [truncated, 100000 bytes]"), "{}", record.kind);
    }
    let tape = record(|| info_span!("task").in_scope(|| Task::current().expect("a task").success(long.as_str())));
    assert!(tape.records()[1].message.ends_with("m… [truncated, 100000 bytes]"));
}
