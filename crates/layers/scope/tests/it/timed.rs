//! Tasks around code that has no span.

use std::error::Error;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use spanlake_core::LevelFilter;
use spanlake_core::clock::Clock;
use spanlake_core::render::TextLines;
use spanlake_scope::timed;
use tracing::{Level, info, info_span};
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{Tape, context_of, record, tape_with};

#[derive(Debug)]
struct Refused(Option<Box<Refused>>);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "no entry" } else { "no key" })
    }
}

impl Error for Refused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.as_deref().map(|cause| cause as _)
    }
}

fn refused() -> Refused {
    Refused(Some(Box::new(Refused(None))))
}

fn on_purpose() {
    panic!("on purpose")
}

/// The words of each line of a console that shows lifecycles in the plain way.
fn words(tape: &Tape) -> Vec<String> {
    let mut words = Vec::new();
    tape.each(|record| {
        let mut text = String::new();
        TextLines::default().put(&mut text, &record);
        words.extend(text.lines().map(|line| line.rsplit(" - ").next().unwrap_or(line).trim().to_owned()));
    });
    words
}

/// Under a clock that is moved by hand.
fn on_time(work: impl FnOnce(&dyn Fn(u64))) -> Tape {
    let (clock, hand) = Clock::mock();
    let (recording, tape) = tape_with(LevelFilter::TRACE, clock);
    let subscriber = tracing_subscriber::registry().with(recording);
    tracing::subscriber::with_default(subscriber, || work(&|ms| hand.increment(Duration::from_millis(ms))));
    tape
}

/// Polls a future that waits for nobody, at most so often; `None` when it is dropped before it is done.
fn polled<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    (0..times).find_map(|_| match future.as_mut().poll(&mut context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    })
}

async fn turn() {
    let mut turned = false;
    std::future::poll_fn(|_| if std::mem::replace(&mut turned, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

// === words ===

#[test]
fn lines_for_people_say_begin_end_and_error() {
    let tape = on_time(|pass| {
        let timed = timed!("Database migration", table = "users");
        pass(500);
        info!("halfway");
        info_span!("step").in_scope(|| ());
        drop(timed);
        let failed: Result<(), Refused> = timed!("Database migration"; {
            pass(1_250);
            Err(refused())
        });
        assert!(failed.is_err());
    });
    let whole = [
        "Begin: Database migration",
        "halfway",
        "step",
        "step",
        "End (0.50): Database migration",
        "Begin: Database migration",
        "Error in Database migration",
        "End (1.25): Database migration",
        "error: no entry",
        "caused by: no key",
    ];
    assert_eq!(words(&tape), whole);
}

#[test]
fn the_mark_is_no_field_and_the_task_as_any_other() {
    let records = record(|| drop(timed!("load", Level::DEBUG, table = "users", ok = true))).records();
    assert_eq!(records[0].context, r#"{"table":"users","ok":true}"#);
    assert_eq!((records.len(), records[0].level, records[0].task.as_deref()), (2, Level::DEBUG, Some("load")));
    assert!(records[1].duration_us.is_some());
}

// === forms ===

#[test]
fn names_levels_and_fields_are_taken_in_every_form() {
    let (table, rows) = ("users", vec![1, 2]);
    let tape = record(|| {
        drop(timed!("a"));
        drop(timed!("b",));
        drop(timed!("c", Level::WARN));
        drop(timed!("d", Level::WARN,));
        drop(timed!("e", table, ?rows, net.port = 80, message = format!("doing {}", "e"),));
        assert_eq!(timed!("f"; { 1 }), 1);
        assert_eq!(timed!("g", Level::TRACE; { 2 }), 2);
        assert_eq!(timed!("h", Level::TRACE, %table, sum = rows.iter().sum::<i32>(); { 3 }), 3);
    });
    let records = tape.records();
    let begins: Vec<_> =
        records.iter().step_by(2).map(|record| format!("{} {}", record.level, record.message)).collect();
    let whole = ["INFO a", "INFO b", "WARN c", "WARN d", "INFO doing e", "INFO f", "TRACE g", "TRACE h"];
    assert_eq!(begins, whole);
    assert_eq!(context_of(&records, "doing e"), r#"{"table":"users","rows":"[1, 2]","net.port":80}"#);
    assert_eq!(context_of(&records, "h"), r#"{"table":"users","sum":3}"#);
}

#[test]
fn a_guard_is_the_task_of_what_happens_until_it_is_dropped() {
    let tape = record(|| {
        let timed = timed!("outer");
        info!("inside");
        timed!("inner"; { info!("deeper") });
        assert_eq!(timed.task().expect("a task").name(), "outer");
        timed.fail(&refused());
        drop(timed);
        info!("outside");
    });
    let said = ["0@U begin outer", "1@U event inside", "0@U/1 begin inner", "1@U/1 event deeper", "2@U/1 end inner"];
    assert_eq!(tape.said(), [&said[..], &["2@U end FAILED outer", "- event outside"]].concat());
}

#[test]
fn question_marks_leave_the_block_and_the_task_fails() {
    fn number(text: &str) -> Result<u16, Box<dyn Error>> {
        let parsed = timed!("Parse"; {
            let number: u16 = text.parse()?;
            Ok::<_, std::num::ParseIntError>(number)
        });
        info!("still here");
        Ok(parsed?)
    }
    let tape = record(|| {
        assert_eq!(number("80").expect("a number"), 80);
        assert!(number("eighty").is_err());
    });
    let ends = ["U succeeded INFO Parse", "V failed ERROR FAILED Parse: invalid digit found in string"];
    assert_eq!(tape.ends(), ends);
}

#[test]
fn every_kind_of_error_is_noticed_and_others_are_no_failure() {
    struct Nameless;
    let tape = record(|| {
        let _ = timed!("error"; { Err::<(), _>(refused()) });
        let _ = timed!("boxed"; { Err::<(), Box<dyn Error>>(Box::new(refused())) });
        let _ = timed!("sendable"; { Err::<(), Box<dyn Error + Send + Sync>>(Box::new(refused())) });
        let _ = timed!("text"; { Err::<(), _>("just so".to_owned()) });
        let _ = timed!("nameless"; { Err::<(), _>(Nameless) });
        let _ = timed!("none"; { None::<u8> });
        let _ = timed!("well"; { Ok::<_, Refused>(1) });
        let _ = timed!("called").try_call(|| Err::<(), _>(refused()));
        assert_eq!(timed!("called well").call(|| 7), 7);
    });
    let failed = |name: &str, error: &str| format!("failed ERROR FAILED {name}: {error}");
    let ends: Vec<String> = tape.ends().iter().filter_map(|end| Some(end.split_once(' ')?.1.to_owned())).collect();
    let whole = [
        failed("error", "no entry: no key"),
        failed("boxed", "no entry: no key"),
        failed("sendable", "no entry: no key"),
        failed("text", "just so"),
        "succeeded INFO nameless".to_owned(),
        "succeeded INFO none".to_owned(),
        "succeeded INFO well".to_owned(),
        failed("called", "no entry: no key"),
        "succeeded INFO called well".to_owned(),
    ];
    assert_eq!(ends, whole);
}

#[test]
fn a_panic_makes_it_fail_and_goes_on() {
    let tape = record(|| {
        assert!(catch_unwind(AssertUnwindSafe(|| timed!("bold"; { on_purpose() }))).is_err());
        let guarded = || {
            let _timed = timed!("guarded");
            on_purpose();
        };
        assert!(catch_unwind(AssertUnwindSafe(guarded)).is_err());
    });
    assert_eq!(tape.ends(), ["U failed ERROR FAILED bold: panicked", "V failed ERROR FAILED guarded: panicked"]);
}

#[test]
fn it_does_no_harm_where_nobody_listens() {
    let timed = timed!("unheard");
    assert!(timed.task().is_none());
    timed.fail(&refused());
    assert_eq!(timed.call(|| 1), 1);
    assert!(polled(timed!("unheard"; async { Err::<(), _>(refused()) }), 1).expect("done").is_err());
}

// === futures ===

#[test]
fn futures_are_in_the_task_while_they_are_polled() {
    let tape = record(|| {
        let work = timed!("work"; async {
            info!("first");
            turn().await;
            info!("second");
            4
        });
        info!("before it is polled");
        assert_eq!(polled(work, 5), Some(4));
    });
    let said = ["0@U begin work", "- event before it is polled", "1@U event first", "2@U event second", "3@U end work"];
    assert_eq!(tape.said(), said);
}

#[test]
fn futures_fail_are_cancelled_and_panic_as_tasks_do() {
    let name = "moved".to_owned();
    let tape = record(|| {
        assert!(polled(timed!("error"; async { Err::<(), _>(refused()) }), 1).expect("done").is_err());
        let moved = timed!("move"; async move { Err::<usize, String>(name) });
        assert!(polled(moved, 1).expect("done").is_err());
        assert!(polled(timed!("run").try_run(async { Err::<(), _>(refused()) }), 1).expect("done").is_err());
        assert_eq!(polled(timed!("well").run(async { 1 }), 1), Some(1));
        assert_eq!(polled(timed!("dropped"; async { turn().await }), 1), None);
        drop(timed!("never polled"; async { 1 }));
        let bold = catch_unwind(AssertUnwindSafe(|| polled(timed!("bold"; async { on_purpose() }), 1)));
        assert!(bold.is_err());
    });
    let whole = [
        "U failed ERROR FAILED error: no entry: no key",
        "V failed ERROR FAILED move: moved",
        "W failed ERROR FAILED run: no entry: no key",
        "X succeeded INFO well",
        "Y cancelled WARN dropped",
        "Z cancelled WARN never polled",
        "A failed ERROR FAILED bold: panicked",
    ];
    assert_eq!(tape.ends(), whole);
}

#[test]
fn futures_can_be_sent_when_what_they_run_can() {
    fn sent<F: Future + Send>(future: F) -> F {
        future
    }
    assert_eq!(polled(sent(timed!("a").run(async { 1 })), 1), Some(1));
    assert_eq!(polled(sent(timed!("b"; async { 2 })), 1), Some(2));
}
