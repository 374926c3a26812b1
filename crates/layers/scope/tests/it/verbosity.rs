//! Levels that change while the program runs: by target, by task, and for a while.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use spanlake_core::clock::{Clock, MockClock};
use spanlake_core::{Directive, Directives, Kind, LevelFilter};
use spanlake_scope::{ScopeLayer, Task, Verbosity, spawn_thread};
use tracing::{Span, debug, debug_span, error, info, info_span, trace, warn};
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{Tape, tape_by};

fn directives(text: &str) -> Directives {
    text.parse().expect("directives")
}

/// A verbosity, and a tape of what it wants of `work`.
fn heard(level: LevelFilter, text: &str, work: impl FnOnce(&Verbosity)) -> Vec<String> {
    let verbosity = Verbosity::new(level);
    verbosity.set(directives(text));
    heard_by(&verbosity, || work(&verbosity)).1
}

fn heard_by(verbosity: &Verbosity, work: impl FnOnce()) -> (Tape, Vec<String>) {
    let (recording, tape) = tape_by(verbosity);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(recording), work);
    let messages = tape.records().into_iter().filter(|record| record.kind == Kind::Event).map(|record| record.message);
    let messages = messages.collect();
    (tape, messages)
}

/// One event of each level, in a target of its own.
fn say_orders() {
    error!(target: "orders::db", "error");
    warn!(target: "orders::db", "warn");
    info!(target: "orders::db", "info");
    debug!(target: "orders::db", "debug");
    trace!(target: "orders::db", "trace");
}

fn say_other() {
    info!(target: "other", "other info");
    debug!(target: "other", "other debug");
    trace!(target: "other", "other trace");
}

// === by target ===

#[test]
fn targets_are_turned_up_and_down_by_the_longest_prefix() {
    let table = [
        ("", &["error", "warn", "info", "other info"][..]),
        ("debug", &["error", "warn", "info", "debug", "other info", "other debug"]),
        ("error", &["error"]),
        ("orders=trace", &["error", "warn", "info", "debug", "trace", "other info"]),
        ("orders::db=warn", &["error", "warn", "other info"]),
        ("orders=trace,orders::db=off", &["other info"]),
        ("orders=off,orders::db=error", &["error", "other info"]),
        ("order=trace,orders::d=trace", &["error", "warn", "info", "other info"]),
        ("trace,orders=info", &["error", "warn", "info", "other info", "other debug", "other trace"]),
        ("orders=off,orders=warn", &["error", "warn", "other info"]),
        ("off", &[]),
    ];
    for (text, expected) in table {
        let heard = heard(LevelFilter::INFO, text, |_| {
            say_orders();
            say_other();
        });
        assert_eq!(heard, expected, "{text}");
    }
}

#[test]
fn a_change_is_heard_at_once_by_every_thread() {
    let verbosity = Verbosity::new(LevelFilter::INFO);
    let (recording, tape) = tape_by(&verbosity);
    let subscriber = tracing::Dispatch::new(tracing_subscriber::registry().with(recording));
    let (go, turn) = mpsc::channel::<()>();
    let (done, is_done) = mpsc::channel();
    let other = thread::spawn({
        let subscriber = subscriber.clone();
        move || {
            tracing::dispatcher::with_default(&subscriber, || {
                for () in turn {
                    say_other();
                    done.send(()).expect("the test waits");
                }
            });
        }
    });
    for (text, count) in [("", 1), ("other=trace", 3), ("other=debug", 2), ("other=off", 0), ("", 1)] {
        verbosity.set(directives(text));
        go.send(()).expect("the other thread");
        is_done.recv().expect("the other thread");
        assert_eq!(tape.records().len(), count, "{text}");
    }
    drop(go);
    other.join().expect("no panic");
}

// === by task ===

#[test]
fn a_task_is_turned_up_with_its_subtasks_and_nothing_else_is() {
    let heard = heard(LevelFilter::INFO, "task=load=trace", |_| {
        info_span!("load").in_scope(|| {
            trace!("in it");
            info_span!("part").in_scope(|| trace!("below it"));
            debug_span!("verbose part").in_scope(|| debug!("below it too"));
        });
        info_span!("other").in_scope(|| debug!("beside it"));
        debug!("outside");
    });
    assert_eq!(heard, ["in it", "below it", "below it too"]);
}

#[test]
fn a_task_is_turned_down_whatever_its_targets_say() {
    let heard = heard(LevelFilter::INFO, "orders=trace,task=load=warn,task=part=debug", |_| {
        info_span!("load").in_scope(|| {
            say_orders();
            info_span!("part").in_scope(|| {
                debug!("the nearest task wins");
                trace!("and this is too much for it");
            });
        });
    });
    assert_eq!(heard, ["error", "warn", "the nearest task wins"]);
}

#[test]
fn a_task_that_runs_is_turned_up_by_its_key_and_down_again() {
    let heard = heard(LevelFilter::INFO, "", |verbosity| {
        let say = |text| info_span!("load").in_scope(|| debug!("{text}"));
        info_span!("root").in_scope(|| {
            let key = Task::current().expect("in a task").key();
            say("before");
            verbosity.set(directives(&format!("task={key}=debug,task=root=error")));
            say("during");
            verbosity.clear();
            say("after");
        });
        say("elsewhere");
    });
    assert_eq!(heard, ["during"]);
}

#[test]
fn a_continued_task_is_below_the_task_that_the_key_names() {
    let root = "e252a11f-d33d-483d-ba08-bc8f642b2f10";
    let heard = heard(LevelFilter::INFO, &format!("task={root}=warn,task={root}/1=debug"), |_| {
        let continued = |key: String| info_span!("continued", spanlake.continue = key);
        continued(format!("{root}/1/7")).in_scope(|| debug!("below /1"));
        continued(format!("{root}/2")).in_scope(|| info!("below the root only"));
    });
    assert_eq!(heard, ["below /1"]);
}

#[test]
fn tasks_on_other_threads_inherit() {
    let verbosity = Verbosity::new(LevelFilter::INFO);
    verbosity.set(directives("task=load=debug"));
    let (recording, tape) = tape_by(&verbosity);
    let subscriber = tracing_subscriber::registry().with(ScopeLayer::new()).with(recording);
    tracing::subscriber::with_default(subscriber, || {
        let _load = info_span!("load").entered();
        let part = spawn_thread(info_span!("part"), || debug!("on a thread"));
        part.join().expect("no panic");
        let span = Span::current();
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        thread::scope(|scope| {
            scope.spawn(move || {
                tracing::dispatcher::with_default(&dispatch, || {
                    debug!("outside");
                    span.in_scope(|| debug!("entered there"));
                });
            });
        });
    });
    let records = tape.records();
    let heard: Vec<_> =
        records.iter().filter(|record| record.kind == Kind::Event).map(|record| &*record.message).collect();
    assert_eq!(heard, ["on a thread", "entered there"]);
}

#[test]
fn spans_are_turned_up_by_their_own_name_too() {
    let verbosity = Verbosity::new(LevelFilter::INFO);
    verbosity.set(directives("task=detail=trace"));
    let (recording, tape) = tape_by(&verbosity);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(recording), || {
        tracing::trace_span!("detail").in_scope(|| debug!("event"));
        tracing::trace_span!("other").in_scope(|| debug!("event"));
    });
    assert_eq!(tape.said(), ["0@U begin detail", "1@U event event", "2@U end detail"]);
}

#[test]
fn the_name_that_a_span_gives_its_task_counts() {
    let verbosity = Verbosity::new(LevelFilter::INFO);
    verbosity.set(directives("task=orders=debug,task=lines=error"));
    let (recording, tape) = tape_by(&verbosity);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(recording), || {
        debug_span!("load", spanlake.name = "orders").in_scope(|| debug!("event"));
        info_span!("load", spanlake.name = "lines").in_scope(|| info!("event"));
    });
    assert_eq!(tape.said(), ["0@U begin orders", "1@U event event", "2@U end orders"]);
}

#[test]
fn suppressed_records_take_no_numbers() {
    let verbosity = Verbosity::new(LevelFilter::INFO);
    verbosity.set(directives("task=load=debug"));
    let (recording, tape) = tape_by(&verbosity);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(recording), || {
        info_span!("load").in_scope(|| {
            trace!("no");
            debug!("yes");
            trace!("no");
            info!("yes");
        });
    });
    assert_eq!(tape.said(), ["0@U begin load", "1@U event yes", "2@U event yes", "3@U end load"]);
}

#[test]
fn an_end_is_kept_when_its_begin_was_and_a_begin_that_was_not_wanted_stays_away() {
    let verbosity = Verbosity::new(LevelFilter::INFO);
    let (recording, tape) = tape_by(&verbosity);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(ScopeLayer::new()).with(recording), || {
        verbosity.set(directives("debug"));
        let loud = debug_span!("loud");
        verbosity.set(directives("off"));
        let silent = info_span!("silent");
        drop((loud, silent));
    });
    assert_eq!(tape.said(), ["0@U begin loud", "1@U end loud"]);
}

#[test]
fn two_verbosities_over_one_task_do_not_mix() {
    let (loud, quiet) = (Verbosity::new(LevelFilter::INFO), Verbosity::new(LevelFilter::INFO));
    loud.set(directives("task=load=trace,other=trace"));
    quiet.set(directives("task=load=warn,other=warn"));
    let ((first, of_loud), (second, of_quiet)) = (tape_by(&loud), tape_by(&quiet));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(first).with(second), || {
        info_span!("load").in_scope(|| (0..3).for_each(|_| info!("m")));
        (0..3).for_each(|_| say_other());
    });
    let events = |tape: &Tape| tape.records().iter().filter(|record| record.kind == Kind::Event).count();
    assert_eq!((events(&of_loud), events(&of_quiet)), (12, 0));
}

// === for a while ===

/// A verbosity whose time stands still.
fn timed(level: LevelFilter, text: &str) -> (Verbosity, MockClock) {
    let (clock, hand) = Clock::mock();
    let verbosity = Verbosity::with_clock(level, clock);
    verbosity.set(directives(text));
    (verbosity, hand)
}

#[test]
fn what_lasts_ten_minutes_ends_by_itself() {
    let (verbosity, hand) = timed(LevelFilter::INFO, "task=load=trace/10m,other=debug/5m");
    let say = || {
        info_span!("load").in_scope(|| trace!("load"));
        debug!(target: "other", "other");
    };
    assert_eq!(heard_by(&verbosity, say).1, ["load", "other"]);
    hand.increment(Duration::from_secs(300) - Duration::from_nanos(1));
    assert_eq!(heard_by(&verbosity, say).1, ["load", "other"]);
    hand.increment(Duration::from_nanos(1));
    assert_eq!(heard_by(&verbosity, say).1, ["load"]);
    hand.increment(Duration::from_secs(300));
    assert!(heard_by(&verbosity, say).1.is_empty());
    assert_eq!((verbosity.most_verbose(), verbosity.get().directives.is_empty()), (LevelFilter::INFO, true));
}

#[test]
fn what_is_turned_down_for_a_while_comes_back_by_itself() {
    for text in ["off/10m", "other=warn/10m", "warn/10m,other=error/20m,other=info", "task=load=error/10m"] {
        let (verbosity, hand) = timed(LevelFilter::INFO, text);
        let say = || info_span!("load").in_scope(say_other);
        assert!(heard_by(&verbosity, say).1.is_empty(), "{text}");
        hand.increment(Duration::from_secs(1_200));
        assert_eq!(heard_by(&verbosity, say).1, ["other info"], "{text}");
    }
}

#[test]
fn what_lasts_some_time_stands_before_what_stays() {
    let (verbosity, hand) = timed(LevelFilter::INFO, "other=off");
    let heard = || heard_by(&verbosity, say_other).1.len();
    assert_eq!(heard(), 0);
    verbosity.add(directives("other=trace/1m").into_iter().next().expect("one"));
    assert_eq!(heard(), 3);
    verbosity.add(Directive::target("other", LevelFilter::DEBUG).expect("a target"));
    assert_eq!(heard(), 3, "it goes on while what stays behind it changes");
    hand.increment(Duration::from_secs(60));
    assert_eq!(heard(), 2);
}

#[test]
fn settings_tell_what_is_left() {
    let (verbosity, hand) = timed(LevelFilter::INFO, "");
    assert_eq!((verbosity.get().version, verbosity.get().level), (1, LevelFilter::INFO));
    assert_eq!(verbosity.set(directives("debug,task=load=trace/10m,other=off/1m")), 2);
    hand.increment(Duration::from_secs(60) + Duration::from_nanos(1));
    let settings = verbosity.get();
    assert_eq!(settings.directives.to_string(), "debug,task=load=trace/9m");
    assert_eq!(settings.version, 3, "what ends is a change");
    let selector = settings.directives.iter().last().expect("one").selector().clone();
    assert_eq!(verbosity.remove(&selector), 4);
    assert_eq!(verbosity.get().directives.to_string(), "debug");
    assert_eq!((verbosity.clear(), verbosity.get().directives), (5, Directives::new()));
}

#[test]
fn a_watcher_hears_the_most_that_may_be_wanted() {
    let (verbosity, _) = timed(LevelFilter::INFO, "");
    let heard = Arc::new(std::sync::Mutex::new(Vec::new()));
    verbosity.watch({
        let heard = Arc::clone(&heard);
        move |level| heard.lock().expect("no panic").push(level)
    });
    ["debug", "warn/10m", "task=load=trace/1s,off", ""].into_iter().for_each(|text| {
        verbosity.set(directives(text));
    });
    let expected = [LevelFilter::INFO, LevelFilter::DEBUG, LevelFilter::INFO, LevelFilter::TRACE, LevelFilter::INFO];
    assert_eq!(*heard.lock().expect("no panic"), expected);
}

#[test]
fn changes_and_events_in_a_storm_never_hear_what_no_settings_want() {
    let verbosity = Verbosity::new(LevelFilter::INFO);
    let (recording, tape) = tape_by(&verbosity);
    let subscriber = tracing::Dispatch::new(tracing_subscriber::registry().with(recording));
    let rounds = 2_000;
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                tracing::dispatcher::with_default(&subscriber, || {
                    for _ in 0..rounds {
                        let _load = info_span!("load").entered();
                        info!(target: "always", "always");
                        debug!(target: "sometimes", "sometimes");
                        trace!(target: "never", "never");
                    }
                });
            });
        }
        for text in ["sometimes=debug", "task=load=debug/1ms", "", "task=load=info,sometimes=debug"]
            .into_iter()
            .cycle()
            .take(400)
        {
            verbosity.set(directives(text));
        }
    });
    let records = tape.records();
    let count = |text: &str| records.iter().filter(|record| record.message == text).count();
    assert_eq!((count("always"), count("never"), count("load")), (3 * rounds, 0, 6 * rounds));
}
