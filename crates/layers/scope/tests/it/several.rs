//! Three layers that follow tasks in one stack: whichever makes a task follows it, the others do as if they had.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;

use spanlake_core::{Kind, LevelFilter};
use spanlake_scope::{Carrier, Inherit, ScopeLayer, Task, in_task};
use tracing::field::Empty;
use tracing::{Dispatch, Metadata, Span, Subscriber, debug_span, dispatcher, info, info_span};
use tracing_core::Event;
use tracing_core::span::{Attributes, Id, Record};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Context, Identity, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry, registry, reload};

use crate::support::{Tape, context_of, say, tape, tape_with};

/// A layer of other people's making that holds a whole scope layer, so that it works in a stack without one.
#[derive(Debug, Default)]
struct Embedding(ScopeLayer);

/// Runs `work` in stacks of three, and gives the names of the stacks with what was recorded.
fn record_in_stacks(work: impl Fn()) -> Vec<(&'static str, Tape)> {
    let mut tapes = Vec::new();
    let mut run = |name, stack: &dyn Fn(crate::support::Recording) -> Dispatch| {
        let (recording, tape) = tape();
        dispatcher::with_default(&stack(recording), &work);
        tapes.push((name, tape));
    };
    let (scope, embedding, other) = (ScopeLayer::new, Embedding::default, || tape().0);
    let nothing = || filter_fn(|_: &Metadata<'_>| false);
    run("scope, it, embedding", &|it| registry().with(scope()).with(it).with(embedding()).into());
    run("scope, embedding, it", &|it| registry().with(scope()).with(embedding()).with(it).into());
    run("embedding, it, scope", &|it| registry().with(embedding()).with(it).with(scope()).into());
    run("it, embedding, scope", &|it| registry().with(it).with(embedding()).with(scope()).into());
    run("it, another, embedding", &|it| registry().with(it).with(other()).with(embedding()).into());
    run("another, embedding, it", &|it| registry().with(other()).with(embedding()).with(it).into());
    run("blind, it, embedding", &|it| {
        registry().with(scope().with_filter(nothing())).with(it).with(embedding()).into()
    });
    run("scope, optional it, embedding", &|it| registry().with(scope()).with(Some(it)).with(embedding()).into());
    run("optional scope, it, optional embedding", &|it| {
        registry().with(Some(scope())).with(it).with(Some(embedding())).into()
    });
    run("optional embedding, it, scope", &|it| registry().with(Some(embedding())).with(it).with(scope()).into());
    run("list of embeddings, it", &|it| registry().with(vec![embedding(), embedding()]).with(it).into());
    tapes
}

fn assert_said(expected: &[&str], work: impl Fn()) {
    record_in_stacks(work).into_iter().for_each(|(name, tape)| assert_eq!(tape.said(), expected, "{name}"));
}

fn assert_ends(expected: &[&str], work: impl Fn()) {
    record_in_stacks(work).into_iter().for_each(|(name, tape)| assert_eq!(tape.ends(), expected, "{name}"));
}

fn sample() {
    info_span!("outer", a = 1).in_scope(|| {
        info!("into outer");
        info_span!("inner", b = 2).in_scope(|| info!("into inner"));
    });
}

const SAMPLE: [&str; 6] = [
    "0@U begin outer",
    "1@U event into outer",
    "0@U/1 begin inner",
    "1@U/1 event into inner",
    "2@U/1 end inner",
    "2@U end outer",
];

// === entered and left ===

#[test]
fn tasks_nest_as_in_a_stack_of_one() {
    assert_said(&SAMPLE, sample);
}

#[test]
fn span_entered_again_inside_itself_does_not_become_the_innermost() {
    let tapes = record_in_stacks(|| {
        let connection = info_span!("connection");
        let _entered = connection.enter();
        info_span!("poll").in_scope(|| {
            let _again = connection.enter();
            info!("in poll");
            let _yet_again = connection.enter();
            info_span!("ready").in_scope(|| info!("in ready"));
        });
        info!("in connection");
    });
    for (name, tape) in tapes {
        let records = tape.records();
        let said = say(&records);
        for line in ["1@U/1 event in poll", "1@U/1/1 event in ready", "1@U event in connection"] {
            assert!(said.iter().any(|said| said == line), "{name}: {line}: {said:#?}");
        }
        for end in records.iter().filter(|record| record.kind == Kind::End) {
            let fields: serde_json::Value = serde_json::from_str(&end.fields).expect("JSON");
            assert!(fields["busy_us"].as_i64() <= end.duration_us, "{name}: busy once, not twice: {end:?}");
        }
    }
}

#[test]
fn span_entered_many_times_in_turn_with_another_is_found_each_time() {
    let mut expected = vec!["0@U begin one", "0@V begin two"];
    expected.extend(["1@U event at 0", "1@V event at 0", "2@U event at 1", "2@V event at 1"]);
    expected.extend(["3@U end one", "3@V end two"]);
    assert_said(&expected, || {
        let (one, two) = (info_span!("one"), info_span!("two"));
        for at in 0..2 {
            one.in_scope(|| info!("at {at}"));
            two.in_scope(|| info!("at {at}"));
        }
        drop((one, two));
    });
}

#[test]
fn spans_that_overlap_are_left_in_any_order() {
    let expected = [
        "0@U begin one",
        "0@V begin two",
        "1@V event in both",
        "2@V event in two",
        "1@U event in one again",
        "2@U end one",
        "3@V end two",
        "- event outside",
    ];
    assert_said(&expected, || {
        let (one, two) = (info_span!("one"), info_span!("two"));
        let (in_one, in_two) = (one.enter(), two.enter());
        info!("in both");
        drop(in_one);
        info!("in two");
        drop(in_two);
        one.in_scope(|| info!("in one again"));
        drop((one, two));
        info!("outside");
    });
}

#[test]
fn panic_fails_the_tasks_it_goes_through() {
    assert_ends(
        &[
            "U/1/1 failed ERROR FAILED inner: panicked",
            "U/1 failed ERROR FAILED outer: panicked",
            "U succeeded INFO catches",
        ],
        || {
            info_span!("catches").in_scope(|| {
                let careless = || info_span!("outer").in_scope(|| info_span!("inner").in_scope(|| panic!("as told")));
                catch_unwind(AssertUnwindSafe(careless)).expect_err("it panics");
            });
        },
    );
}

#[test]
fn values_recorded_later_are_in_the_context_once() {
    for (name, tape) in record_in_stacks(|| {
        let (span, other) = (info_span!("task", rows = Empty, state = "new"), info_span!("other", rows = Empty));
        span.record("rows", 1);
        span.in_scope(|| {
            span.record("state", "running");
            other.record("rows", 2);
            info!("inside");
        });
        other.in_scope(|| info!("in the other"));
    }) {
        let records = tape.records();
        assert_eq!(context_of(&records, "inside"), r#"{"rows":1,"state":"running"}"#, "{name}");
        assert_eq!(context_of(&records, "in the other"), r#"{"rows":2}"#, "{name}");
    }
}

// === on other threads ===

#[test]
fn span_may_be_entered_and_closed_on_another_thread() {
    let expected = [
        "0@U begin task",
        "1@U event here",
        "2@U event there",
        "3@U end task",
        "0@V begin next",
        "1@V event in next",
        "2@V end next",
    ];
    assert_said(&expected, || {
        let span = info_span!("task");
        span.in_scope(|| info!("here"));
        let there = std::thread::spawn(in_task(span, || info!("there")));
        there.join().expect("no panic");
        info_span!("next").in_scope(|| info!("in next"));
    });
}

#[test]
fn id_that_is_given_again_names_the_new_span() {
    // The first is made and left here, closed there, where its id comes up again; what is entered here is the second.
    let tapes = record_in_stacks(|| {
        let dispatch = dispatcher::get_default(Clone::clone);
        let (to_other, spans) = channel::<Span>();
        let (give_back, reused) = channel::<Span>();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                dispatcher::with_default(&dispatch, || {
                    let first = info_span!("first");
                    let id = first.id();
                    give_back.send(first).expect("somebody listens");
                    drop(spans.recv().expect("a span"));
                    let mut spans = std::iter::repeat_with(|| info_span!("second"));
                    let second = spans.find(|span| span.id() == id).expect("it comes up");
                    give_back.send(second).expect("somebody listens");
                });
            });
            let first = reused.recv().expect("a span");
            first.in_scope(|| info!("in first"));
            to_other.send(first).expect("somebody listens");
            reused.recv().expect("a span").in_scope(|| info!("in second"));
        });
    });
    for (name, tape) in tapes {
        let records = tape.records();
        for task in ["first", "second"] {
            let event = records.iter().find(|record| record.message == format!("in {task}")).expect("an event");
            assert_eq!(event.task.as_deref(), Some(task), "{name}");
        }
        let keys: std::collections::BTreeSet<_> = records.iter().map(|record| format!("{:?}", record.key)).collect();
        assert_eq!(keys.len(), records.len(), "{name}: no key twice");
    }
}

// === hidden from some ===

#[test]
fn layer_behind_makes_the_tasks_that_a_filter_hides_from_the_first() {
    let seen = |metadata: &Metadata<'_>| metadata.name() != "hidden";
    let (recording, tape) = tape();
    let first = ScopeLayer::new().with_filter(filter_fn(seen));
    tracing::subscriber::with_default(registry().with(first).with(recording).with(Embedding::default()), || {
        info_span!("outer").in_scope(|| {
            let hidden = info_span!("hidden", rows = Empty);
            hidden.in_scope(|| {
                hidden.record("rows", 1);
                info!("in hidden");
                info_span!("below").in_scope(|| hidden.in_scope(|| info!("in below")));
            });
            hidden.in_scope(|| Task::current().expect("a task").fail(&std::io::Error::other("later")));
        });
    });
    let records = tape.records();
    let expected = [
        "0@U begin outer",
        "0@U/1 begin hidden",
        "1@U/1 event in hidden",
        "0@U/1/1 begin below",
        "1@U/1/1 event in below",
        "2@U/1/1 end below",
        "2@U/1 end FAILED hidden",
        "1@U end outer",
    ];
    assert_eq!(say(&records), expected);
    assert_eq!(context_of(&records, "in hidden"), r#"{"rows":1}"#);
}

#[test]
fn layer_behind_makes_the_tasks_that_are_too_verbose_for_the_first() {
    let (recording, tape) = tape_with(LevelFilter::INFO, Default::default());
    let stack = registry().with(recording).with(ScopeLayer::new()).with(Embedding::default());
    tracing::subscriber::with_default(stack, || {
        info_span!("outer").in_scope(|| {
            let (one, two) = (debug_span!("one"), debug_span!("two"));
            for _ in 0..2 {
                one.in_scope(|| info!("in one"));
                two.in_scope(|| one.in_scope(|| info!("in one of two")));
            }
            two.in_scope(|| Task::current().expect("a task").fail(&std::io::Error::other("later")));
        });
    });
    let expected = [
        "0@U begin outer",
        "0@U/1 event in one",
        "1@U/1 event in one of two",
        "2@U/1 event in one",
        "3@U/1 event in one of two",
        "0@U/2 end FAILED two",
        "1@U end outer",
    ];
    assert_eq!(tape.said(), expected);
}

#[test]
fn span_whose_close_no_layer_saw_is_not_taken_for_one_that_reuses_its_id() {
    type Boxed = Box<dyn Layer<Registry> + Send + Sync>;
    let (recording, tape) = tape();
    let (layer, handle) = reload::Layer::new(ScopeLayer::new().boxed());
    let visible = filter_fn(|metadata| metadata.name() != "hidden");
    let stack = registry().with(layer).with(recording.with_filter(visible));
    tracing::subscriber::with_default(stack, || {
        let hidden = || info_span!("hidden");
        let first = hidden();
        let id = first.id();
        // The layer that has made the task steps aside; from the others the span is hidden.
        let mut parked: Boxed = Identity::new().boxed();
        let mut swap = || handle.modify(|layer| std::mem::swap(layer, &mut parked)).expect("the stack lives");
        swap();
        drop(first);
        let ids: Vec<_> = std::iter::repeat_with(|| hidden().id()).take_while(|next| *next != id).collect();
        let before = ids.last().expect("the id does not come up at once");
        while hidden().id() != *before {}
        swap();
        let second = info_span!("second");
        assert_eq!(second.id(), id, "the same id, or this shows nothing");
        second.in_scope(|| info!("in second"));
    });
    assert_eq!(tape.said(), ["0@U begin second", "1@U event in second", "2@U end second"]);
}

// === embedded ===

#[test]
fn embedded_scope_layer_alone_gives_spans_their_tasks() {
    tracing::subscriber::with_default(registry().with(Embedding::default()), || {
        info_span!("outer").in_scope(|| {
            let outer = Task::current().expect("a task");
            info_span!("inner").in_scope(|| {
                assert_eq!(Task::current().expect("a task").key(), outer.key().child(1).expect("a child"));
            });
        });
        assert!(Task::current().is_none());
    });
}

#[test]
fn embedded_scope_layer_has_its_own_rules_where_no_other_is() {
    let (recording, tape) = tape();
    let own = Embedding(ScopeLayer::builder().inherit(Inherit::Own).build());
    tracing::subscriber::with_default(registry().with(own).with(recording), sample);
    let records = tape.records();
    assert_eq!(say(&records), SAMPLE);
    assert_eq!(context_of(&records, "into inner"), r#"{"b":2}"#);
}

#[test]
fn rules_of_the_scope_layer_in_the_stack_hold_for_an_embedded_one() {
    let carrier = |text: &str| text.parse::<Carrier>().expect("a carrier");
    let scope = || {
        let carrier = carrier("e252a11f-d33d-483d-ba08-bc8f642b2f10/7");
        ScopeLayer::builder().inherit(Inherit::Own).continue_from(carrier).build()
    };
    let embedding = || {
        let carrier = carrier("00000000-0000-4000-8000-000000000000/3");
        Embedding(ScopeLayer::builder().continue_from(carrier).build())
    };
    macro_rules! check {
        ($name:literal, $tape:ident, $($layer:expr),*) => {{
            tracing::subscriber::with_default(registry()$(.with($layer))*, sample);
            let records = $tape.records();
            let key = records[0].key.as_ref().expect("a key").to_string();
            assert_eq!(key, "0@e252a11f-d33d-483d-ba08-bc8f642b2f10/7", $name);
            assert_eq!(context_of(&records, "into inner"), r#"{"b":2}"#, $name);
            assert_eq!(records.len(), SAMPLE.len(), $name);
        }};
    }
    let (it, tape1) = tape();
    check!("scope, embedding, it", tape1, scope(), embedding(), it);
    let (it, tape2) = tape();
    check!("scope, it, embedding", tape2, scope(), it, embedding());
    let (it, tape3) = tape();
    check!("embedding, scope, it", tape3, embedding(), scope(), it);
    let (it, tape4) = tape();
    check!("embedding, it, scope", tape4, embedding(), it, scope());
    let (it, tape5) = tape();
    check!("it, scope, embedding", tape5, it, scope(), embedding());
    let (it, tape6) = tape();
    check!("it, embedding, scope", tape6, it, embedding(), scope());
}

// === impl Layer for Embedding ===

impl<S> Layer<S> for Embedding
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        <ScopeLayer as Layer<S>>::on_register_dispatch(&self.0, dispatch);
    }

    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        self.0.on_new_span(attrs, id, ctx);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        self.0.on_record(id, values, ctx);
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        self.0.on_event(event, ctx);
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        self.0.on_enter(id, ctx);
    }

    fn on_exit(&self, id: &Id, ctx: Context<'_, S>) {
        self.0.on_exit(id, ctx);
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        self.0.on_close(id, ctx);
    }
}
