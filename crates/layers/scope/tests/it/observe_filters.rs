//! Which details pass the filters by context and by time; what is no detail always does.

use std::borrow::Cow;
use std::panic::catch_unwind;

use spanlake_core::{Kind, Level, OwnedRecord, Processor};
use spanlake_scope::observe::{ContextFilter, Observe, Observer, Phase, TimeFilter, observe};
use tracing::{debug, debug_span, error, info, info_span, trace, warn};

use crate::support::record;

/// An object with a name, and perhaps a clock.
struct Part(&'static str, Option<f64>);

impl Observe for Part {
    fn observe(&self, phase: Phase, _: &str, out: &mut Observer) {
        if phase == Phase::Enter {
            out.group("part").value("name", self.0);
        }
    }

    fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.0)
    }

    fn time(&self) -> Option<f64> {
        self.1
    }
}

fn part(name: &'static str) -> Part {
    Part(name, None)
}

/// What a filter leaves of what `work` records.
fn left(filter: &mut dyn Processor, work: impl FnOnce()) -> Vec<String> {
    record(work).filtered(filter).iter().map(say).collect()
}

fn say(record: &OwnedRecord) -> String {
    match record.kind {
        Kind::Event => record.message.clone(),
        kind => format!("{kind} {}", record.message),
    }
}

fn context(names: &[&str]) -> ContextFilter {
    let filter = ContextFilter::new();
    filter.set(names.iter().copied());
    filter
}

/// An object `a` with a nested sibling `b`, entered again from within.
fn siblings() {
    debug!("before");
    observe(&part("b"), "run", |_| debug!("b alone"));
    info!("an info before");
    observe(&part("a"), "run", |_| {
        debug!("in a");
        observe(&part("b"), "run", |_| {
            observe(&part("a"), "again", |_| trace!("in a again"));
            debug!("in b in a");
        });
        debug!("still in a");
    });
    debug!("after");
    warn!("a warning after");
}

#[test]
fn a_context_is_active_from_enter_to_its_own_exit() {
    let expected = [
        "an info before",
        "Entering a - run",
        "#### a - Part - Inputs",
        "in a",
        "Entering b - run",
        "#### b - Part - Inputs",
        "Entering a - again",
        "#### a - Part - Inputs",
        "in a again",
        "Exiting a - again",
        "in b in a",
        "Exiting b - run",
        "still in a",
        "Exiting a - run",
        "a warning after",
    ];
    assert_eq!(left(&mut context(&["a"]), siblings), expected);
}

#[test]
fn a_nested_context_is_active_wherever_it_is_entered() {
    let expected = [
        "Entering b - run",
        "#### b - Part - Inputs",
        "b alone",
        "Exiting b - run",
        "an info before",
        "Entering b - run",
        "#### b - Part - Inputs",
        "Entering a - again",
        "#### a - Part - Inputs",
        "in a again",
        "Exiting a - again",
        "in b in a",
        "Exiting b - run",
        "a warning after",
    ];
    assert_eq!(left(&mut context(&["b"]), siblings), expected);
}

#[test]
fn names_change_at_run_time_and_none_lets_everything_pass() {
    let filter = ContextFilter::new();
    let all = left(&mut filter.clone(), siblings);
    assert_eq!(all.len(), 21, "{all:?}");
    filter.set(["nobody"]);
    assert_eq!(left(&mut filter.clone(), siblings), ["an info before", "a warning after"]);
    filter.set(["b", "a"]);
    assert_eq!(left(&mut filter.clone(), siblings).len(), 19);
    assert_eq!(filter.names(), ["b", "a"]);
    filter.clear();
    assert_eq!(left(&mut filter.clone(), siblings), all);
}

#[test]
fn a_task_is_a_context_with_all_below_it() {
    let work = || {
        let _job = info_span!("job").entered();
        debug!("in the job");
        {
            let _load = info_span!("load").entered();
            debug!("in the load");
            debug_span!("detail").in_scope(|| observe(&part("a"), "run", |_| debug!("in a")));
        }
        debug!("behind the load");
    };
    let expected = [
        "begin job",
        "begin load",
        "in the load",
        "begin detail",
        "Entering a - run",
        "#### a - Part - Inputs",
        "in a",
        "Exiting a - run",
        "end detail",
        "end load",
        "end job",
    ];
    assert_eq!(left(&mut context(&["load"]), work), expected);
}

#[test]
fn spans_of_details_pass_with_the_object_they_began_in() {
    let work = || {
        debug_span!("outside").in_scope(|| debug!("out"));
        observe(&part("a"), "run", |_| debug_span!("inside").in_scope(|| debug!("in")));
    };
    let expected =
        ["Entering a - run", "#### a - Part - Inputs", "begin inside", "in", "end inside", "Exiting a - run"];
    assert_eq!(left(&mut context(&["a"]), work), expected);
}

#[test]
fn however_the_work_ends_what_follows_is_outside() {
    fn early(is_early: bool) -> Result<(), ()> {
        observe(&part("a"), "early", |_| {
            if is_early {
                return Err(());
            }
            Ok(())
        })
    }
    let breaks = || catch_unwind(|| observe(&part("a"), "break", |_| panic!("it broke"))).expect_err("a panic");
    let work = || {
        observe(&part("outer"), "run", |_| {
            breaks();
            debug!("behind the panic");
            assert_eq!(early(true), Err(()));
            debug!("behind the return");
            observe(&part("a"), "run", |_| {
                breaks();
                debug!("still in a");
            });
            debug!("behind it all");
        });
    };
    let lines = left(&mut context(&["a"]), work);
    let lines: Vec<_> = lines.iter().filter(|line| !line.starts_with("####")).collect();
    let expected = [
        "Entering a - break",
        "Exiting a - break",
        "Entering a - early",
        "Exiting a - early",
        "Entering a - run",
        "Entering a - break",
        "Exiting a - break",
        "still in a",
        "Exiting a - run",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn an_event_does_not_go_by_a_task_that_outlives_the_object() {
    let work = || {
        let span = observe(&Part("a", Some(26.0)), "run", |_| debug_span!("task"));
        span.in_scope(|| debug!("behind a"));
        let late = info_span!(parent: &span, "late");
        late.in_scope(|| debug!("in a task below"));
    };
    let time = TimeFilter::new();
    time.set(26.0);
    let expected = [
        "Entering a - run",
        "#### a - Part - Inputs",
        "begin task",
        "Exiting a - run",
        "begin late",
        "end late",
        "end task",
    ];
    assert_eq!(left(&mut context(&["a"]), work), expected, "its begin and end stay together");
    assert_eq!(left(&mut time.clone(), work), expected);
}

/// A record at each level.
fn at_all_levels() {
    error!("error");
    warn!("warn");
    info!("info");
    debug!("debug");
    trace!("trace");
}

/// What passes `start` of an object with this clock, and of what is nested in it with that one.
fn passing(start: f64, clock: Option<f64>, nested: Option<f64>) -> (usize, usize) {
    let filter = TimeFilter::new();
    filter.set(start);
    let tape = record(|| {
        observe(&Part("outer", clock), "", |_| {
            observe(&Part("inner", nested), "", |_| info_span!("in inner").in_scope(at_all_levels));
            at_all_levels();
        });
    });
    let records = tape.filtered(&mut filter.clone());
    let is_word = |record: &&OwnedRecord| ["error", "warn", "info", "debug", "trace"].contains(&&*record.message);
    let (inner, outer): (Vec<_>, Vec<_>) = records.iter().filter(is_word).partition(|record| record.key.is_some());
    let of = |found: Vec<&OwnedRecord>| {
        let severe = found.iter().filter(|record| record.level <= Level::INFO).count();
        assert_eq!(severe, 3, "info and above always pass");
        found.len() - severe
    };
    (of(outer), of(inner))
}

#[test]
fn details_pass_from_a_time_on() {
    let (all, none) = (2, 0);
    // (start, the outer object's clock, the inner one's) -> what passes outside and inside the inner one
    let table = [
        // A clock says 26.
        (10.0, Some(26.0), None, (all, all)),
        (26.0, Some(26.0), None, (all, all)),
        (42.0, Some(26.0), None, (none, none)),
        // There is none.
        (10.0, None, None, (none, none)),
        (26.0, None, None, (none, none)),
        (42.0, None, None, (none, none)),
        // What is nested has its own, that is ahead or behind, or the only one.
        (10.0, Some(26.0), Some(42.0), (all, all)),
        (26.0, Some(26.0), Some(42.0), (all, all)),
        (42.0, Some(26.0), Some(42.0), (none, all)),
        (42.0, Some(26.0), Some(41.999), (none, none)),
        (10.0, Some(26.0), Some(5.0), (all, none)),
        (26.0, Some(26.0), Some(5.0), (all, none)),
        (42.0, Some(26.0), Some(5.0), (none, none)),
        (10.0, None, Some(26.0), (none, all)),
        (26.0, None, Some(26.0), (none, all)),
        (42.0, None, Some(26.0), (none, none)),
        // No time at all is later than what is no number.
        (26.0, Some(f64::NAN), None, (none, none)),
    ];
    for (start, clock, nested, expected) in table {
        assert_eq!(passing(start, clock, nested), expected, "start {start}, clock {clock:?}, nested {nested:?}");
    }
}

#[test]
fn before_any_time_is_known_no_detail_passes() {
    let filter = TimeFilter::new();
    filter.set(0.0);
    let work = || {
        debug_span!("too early").in_scope(at_all_levels);
        observe(&Part("driver", Some(1.0)), "run", |_| debug!("in time"));
        debug!("outside again");
    };
    let expected = [
        "error",
        "warn",
        "info",
        "Entering driver - run",
        "#### driver - Part - Inputs",
        "in time",
        "Exiting driver - run",
    ];
    assert_eq!(left(&mut filter.clone(), work), expected);
    assert_eq!(filter.start(), Some(0.0));
    filter.clear();
    assert_eq!(left(&mut filter.clone(), work).len(), 12);
}
