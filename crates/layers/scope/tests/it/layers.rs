//! Stacks of layers.

use std::io::Write;
use std::sync::{Arc, Mutex};

use spanlake_core::{LevelFilter, OwnedRecord};
use spanlake_scope::{Inherit, ScopeLayer, Task};
use tracing::{debug, info, info_span};
use tracing_subscriber::filter::LevelFilter as Filter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

use crate::support::{Plain, Recording, Tape, context_of, say, tape, tape_with};

/// Any layer over a plain registry, as a list of them is given.
type Boxed = Box<dyn Layer<Registry> + Send + Sync>;

/// Where `fmt` writes.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn fmt_layer<S>(lines: &Lines) -> impl Layer<S> + Send + Sync + use<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    let lines = lines.clone();
    fmt::layer().with_ansi(false).with_writer(move || lines.clone())
}

/// The sample, and the sample's keys.
fn work() {
    info_span!("outer", a = 1).in_scope(|| {
        info!("into outer");
        info_span!("inner", b = 2).in_scope(|| info!("into inner"));
    });
    info!("outside");
}

const SAMPLE: [&str; 7] = [
    "0@U begin outer",
    "1@U event into outer",
    "0@U/1 begin inner",
    "1@U/1 event into inner",
    "2@U/1 end inner",
    "2@U end outer",
    "- event outside",
];

// === alone ===

#[test]
fn scope_layer_alone_gives_every_other_layer_the_key() {
    let plain = Plain::default();
    let subscriber = tracing_subscriber::registry().with(plain.clone()).with(ScopeLayer::new()).with(plain.clone());
    tracing::subscriber::with_default(subscriber, || {
        info_span!("outer").in_scope(|| {
            info!("one");
            let outer = Task::current().expect("a task").key();
            info_span!("inner").in_scope(|| info!("two"));
            let inner = outer.child(1).expect("a child").to_string();
            assert_eq!(plain.lines(), [outer.to_string(), outer.to_string(), inner.clone(), inner]);
        });
    });
}

#[test]
fn recording_layer_alone_makes_the_tasks_itself() {
    let (recording, tape) = tape();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(recording), || {
        work();
        info_span!("task").in_scope(|| assert!(Task::current().is_some()));
    });
    assert_eq!(tape.said()[..7], SAMPLE);
}

// === together ===

#[test]
fn order_in_a_list_does_not_matter_if_the_scope_layer_comes_before_those_it_rules() {
    let orders: [[usize; 3]; 6] = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for order in orders {
        let (lines, (recording, tape)) = (Lines::default(), tape());
        let scope = ScopeLayer::builder().inherit(Inherit::Own).build();
        let mut layers: [Option<Boxed>; 3] =
            [Some(scope.boxed()), Some(recording.boxed()), Some(fmt_layer(&lines).boxed())];
        let [one, two, three] = order.map(|at| layers[at].take().expect("each once"));
        let subscriber = tracing_subscriber::registry().with(vec![one, two, three]);
        tracing::subscriber::with_default(subscriber, work);
        let records = tape.records();
        assert_eq!(say(&records), SAMPLE, "{order:?}");
        let scope_first = order.iter().position(|at| *at == 0) < order.iter().position(|at| *at == 1);
        // A list does not tell its layers what stack they are in: the recording layer then has made the tasks already.
        let context = if scope_first { r#"{"b":2}"# } else { r#"{"a":1,"b":2}"# };
        assert_eq!(context_of(&records, "into inner"), context, "{order:?}");
        let text = String::from_utf8(lines.0.lock().expect("no panic").clone()).expect("UTF-8");
        assert_eq!(text.lines().count(), 3, "{order:?}: other layers see what they always saw");
        assert!(text.contains("outer{a=1}:inner{b=2}: "), "{text}");
    }
}

#[test]
fn order_of_the_layers_does_not_matter() {
    let check = |tape: Tape, order| {
        let records = tape.records();
        assert_eq!(say(&records), SAMPLE, "{order}");
        assert_eq!(context_of(&records, "into inner"), r#"{"b":2}"#, "{order}: the scope layer's rules hold");
    };
    let scope = || ScopeLayer::builder().inherit(Inherit::Own).build();
    let lines = Lines::default();
    macro_rules! order {
        ($name:literal, $tape:ident, $($layer:expr),*) => {{
            tracing::subscriber::with_default(tracing_subscriber::registry()$(.with($layer))*, work);
            check($tape, $name);
        }};
    }
    let (recording, tape1) = tape();
    order!("scope, recording, fmt", tape1, scope(), recording, fmt_layer(&lines));
    let (recording, tape2) = tape();
    order!("scope, fmt, recording", tape2, scope(), fmt_layer(&lines), recording);
    let (recording, tape3) = tape();
    order!("recording, scope, fmt", tape3, recording, scope(), fmt_layer(&lines));
    let (recording, tape4) = tape();
    order!("recording, fmt, scope", tape4, recording, fmt_layer(&lines), scope());
    let (recording, tape5) = tape();
    order!("fmt, scope, recording", tape5, fmt_layer(&lines), scope(), recording);
    let (recording, tape6) = tape();
    order!("fmt, recording, scope", tape6, fmt_layer(&lines), recording, scope());
}

#[test]
fn event_that_two_layers_take_has_one_key_and_one_that_one_takes_leaves_no_gap() {
    for verbose_first in [true, false] {
        let (one, verbose) = tape_with(LevelFilter::DEBUG, Default::default());
        let (other, terse) = tape_with(LevelFilter::INFO, Default::default());
        let (first, second) = if verbose_first { (one, other) } else { (other, one) };
        let subscriber = tracing_subscriber::registry().with(first).with(ScopeLayer::new()).with(second);
        tracing::subscriber::with_default(subscriber, || {
            info_span!("task").in_scope(|| {
                info!("both");
                debug!("one");
                info!("both again");
                debug!("one again");
            });
        });
        let expected = [
            "0@U begin task",
            "1@U event both",
            "2@U event one",
            "3@U event both again",
            "4@U event one again",
            "5@U end task",
        ];
        let (verbose, terse) = (verbose.records(), terse.records());
        assert_eq!(say(&verbose), expected);
        assert_eq!(say(&terse), [expected[0], expected[1], expected[3], expected[5]]);
        assert_eq!(verbose[0].key, terse[0].key, "the very same task");
    }
}

#[test]
fn event_in_a_loop_has_a_new_number_each_time_for_both_layers() {
    // The events of a loop stand at the same address, one after the other.
    let ((one, tape_one), (other, tape_other)) = (tape(), tape());
    let subscriber = tracing_subscriber::registry().with(one).with(other);
    tracing::subscriber::with_default(subscriber, || {
        info_span!("task").in_scope(|| (0..100).for_each(|at| info!("{at}")));
    });
    let (one, other) = (tape_one.records(), tape_other.records());
    let numbers: Vec<u64> = one.iter().map(|record| record.key.as_ref().expect("a key").seq).collect();
    assert_eq!(numbers, (0..102).collect::<Vec<u64>>());
    assert_eq!(say(&one), say(&other));
}

#[test]
fn filters_of_other_layers_hide_nothing() {
    let (lines, (recording, tape)) = (Lines::default(), tape());
    let subscriber = tracing_subscriber::registry().with(fmt_layer(&lines).with_filter(Filter::ERROR)).with(recording);
    tracing::subscriber::with_default(subscriber, work);
    assert_eq!(tape.said(), SAMPLE);
    assert!(lines.0.lock().expect("no panic").is_empty());
}

#[test]
fn recording_layer_hides_nothing_from_others() {
    let (lines, (recording, _tape)) = (Lines::default(), tape_with(LevelFilter::OFF, Default::default()));
    let subscriber = tracing_subscriber::registry().with(recording).with(fmt_layer(&lines));
    tracing::subscriber::with_default(subscriber, work);
    let text = String::from_utf8(lines.0.lock().expect("no panic").clone()).expect("UTF-8");
    assert_eq!(text.lines().count(), 3);
}

// === wrapped ===

/// Runs the sample under `stack`, and gives what was recorded of it.
fn sample_under(stack: impl Into<tracing::Dispatch>, tape: &Tape) -> Vec<OwnedRecord> {
    tracing::dispatcher::with_default(&stack.into(), || {
        work();
        info_span!("task").in_scope(|| assert!(Task::current().is_some()));
    });
    tape.records()
}

/// Runs the sample under a wrapped recording layer: alone, before a scope layer, and behind one.
macro_rules! assert_works_wrapped {
    ($name:literal, $wrap:expr) => {{
        let scope = || ScopeLayer::builder().inherit(Inherit::Own).build();
        let (recording, tape1) = tape();
        let alone = sample_under(tracing_subscriber::registry().with($wrap(recording)), &tape1);
        assert_eq!(say(&alone)[..7], SAMPLE, "{}, alone", $name);
        let (recording, tape2) = tape();
        let before = sample_under(tracing_subscriber::registry().with($wrap(recording)).with(scope()), &tape2);
        assert_eq!(say(&before)[..7], SAMPLE, "{}, before a scope layer", $name);
        let (recording, tape3) = tape();
        let behind = sample_under(tracing_subscriber::registry().with(scope()).with($wrap(recording)), &tape3);
        assert_eq!(say(&behind)[..7], SAMPLE, "{}, behind a scope layer", $name);
        assert_eq!(context_of(&behind, "into inner"), r#"{"b":2}"#, "{}: the scope layer's rules hold", $name);
    }};
}

#[test]
fn wrappers_change_nothing() {
    assert_works_wrapped!("plain", |layer: Recording| layer);
    assert_works_wrapped!("optional", Some);
    assert_works_wrapped!("in a list", |layer: Recording| vec![layer]);
    assert_works_wrapped!("filtered", |layer: Recording| layer.with_filter(Filter::TRACE));
    assert_works_wrapped!("optional and filtered", |layer: Recording| Some(layer.with_filter(Filter::TRACE)));
    assert_works_wrapped!("reloadable", |layer: Recording| reload::Layer::new(layer).0);
    assert_works_wrapped!("boxed", |layer: Recording| layer.boxed());
    assert_works_wrapped!("with another", |layer: Recording| layer.and_then(Plain::default()));
}

#[test]
fn two_optional_layers_of_two_stacks_on_one_thread_keep_apart() {
    let ((one, tape_one), (other, tape_other)) = (tape(), tape());
    let one = tracing::Dispatch::new(tracing_subscriber::registry().with(Some(one)));
    let other = tracing::Dispatch::new(tracing_subscriber::registry().with(Some(other)));
    // The spans of both have the same ids, each being the first of its registry.
    tracing::dispatcher::with_default(&one, || {
        info_span!("in one").in_scope(|| {
            tracing::dispatcher::with_default(&other, || info_span!("in the other").in_scope(|| info!("inside")));
            info!("inside");
        });
    });
    assert_eq!(tape_one.said(), ["0@U begin in one", "1@U event inside", "2@U end in one"]);
    assert_eq!(tape_other.said(), ["0@U begin in the other", "1@U event inside", "2@U end in the other"]);
}

#[test]
fn layer_that_is_loaded_later_records_from_then_on() {
    let ((first, tape_first), (second, tape_second)) = (tape(), tape());
    let (layer, handle) = reload::Layer::new(Some(first));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        let span = info_span!("across");
        let entered = span.enter();
        info!("for the first");
        handle.reload(Some(second)).expect("the stack lives");
        info!("for the second");
        info_span!("below").in_scope(|| info!("inside"));
        drop(entered);
        handle.reload(None).expect("the stack lives");
        info!("for nobody");
    });
    assert_eq!(tape_first.said(), ["0@U begin across", "1@U event for the first"]);
    let said = tape_second.said();
    assert_eq!(said, ["2@U event for the second", "0@U/1 begin below", "1@U/1 event inside", "2@U/1 end below"]);
}

#[test]
fn scope_layer_may_be_wrapped_too() {
    let scope = || ScopeLayer::builder().inherit(Inherit::Own).build();
    let check = |name: &str, scope: Boxed| {
        let (recording, tape) = tape();
        let layers: Vec<Boxed> = vec![scope, recording.boxed()];
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layers), work);
        let records = tape.records();
        assert_eq!(say(&records), SAMPLE, "{name}");
        assert_eq!(context_of(&records, "into inner"), r#"{"b":2}"#, "{name}");
    };
    check("boxed", scope().boxed());
    check("optional", Some(scope()).boxed());
    check("filtered", scope().with_filter(Filter::TRACE).boxed());
    check("with another", scope().and_then(Plain::default()).boxed());
}

#[test]
fn absent_layers_are_no_trouble() {
    let (recording, tape) = tape();
    let subscriber = tracing_subscriber::registry().with(None::<ScopeLayer>).with(recording).with(None::<Recording>);
    tracing::subscriber::with_default(subscriber, work);
    assert_eq!(tape.said(), SAMPLE);
}

#[test]
fn filtered_recording_layer_sees_what_its_filter_lets_through() {
    let (recording, tape) = tape();
    let subscriber = tracing_subscriber::registry().with(ScopeLayer::new()).with(recording.with_filter(Filter::INFO));
    tracing::subscriber::with_default(subscriber, || {
        info_span!("task").in_scope(|| {
            debug!("hidden");
            info!("seen");
        });
    });
    assert_eq!(tape.said(), ["0@U begin task", "1@U event seen", "2@U end task"]);
}

// === several at once ===

#[test]
fn stacks_on_one_thread_keep_apart() {
    let ((one, tape_one), (other, tape_other)) = (tape(), tape());
    let one = tracing::Dispatch::new(tracing_subscriber::registry().with(one));
    let other = tracing::Dispatch::new(tracing_subscriber::registry().with(other));
    tracing::dispatcher::with_default(&one, || {
        info_span!("in one").in_scope(|| {
            tracing::dispatcher::with_default(&other, || {
                assert!(Task::current().is_none(), "that of another stack");
                info!("outside any task of the other");
                info_span!("in the other").in_scope(|| info!("inside"));
            });
            info!("inside");
        });
    });
    assert_eq!(tape_one.said(), ["0@U begin in one", "1@U event inside", "2@U end in one"]);
    let expected =
        ["- event outside any task of the other", "0@U begin in the other", "1@U event inside", "2@U end in the other"];
    assert_eq!(tape_other.said(), expected);
}
