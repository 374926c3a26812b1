//! Stacks.

use spanlake_capture::CaptureLayer;
use spanlake_scope::{Inherit, ScopeLayer, Task};
use tracing::{Dispatch, info, info_span};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{Layer, fmt, reload};

use crate::support::said;

const SAMPLE: [&str; 7] = [
    "0@ begin outer",
    "1@ event into outer",
    "0@1 begin inner",
    "1@1 event into inner",
    "2@1 end inner",
    "2@ end outer",
    "- event outside",
];

fn sample() {
    info_span!("outer", a = 1).in_scope(|| {
        info!("into outer");
        info_span!("inner", b = 2).in_scope(|| info!("into inner"));
    });
    info!("outside");
}

/// What a capture layer says of the sample, in the stack that `stack` makes of it.
fn heard(stack: impl FnOnce(CaptureLayer) -> Dispatch) -> Vec<String> {
    let capture = CaptureLayer::new();
    let drain = capture.drain_handle();
    tracing::dispatcher::with_default(&stack(capture), sample);
    said(&drain.drain_records())
}

fn quiet<S>() -> impl Layer<S>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    fmt::layer().with_writer(std::io::sink)
}

#[test]
fn plain_registry_is_enough() {
    assert_eq!(heard(|capture| tracing_subscriber::registry().with(capture).into()), SAMPLE);
}

#[test]
fn other_layers_may_stand_anywhere() {
    let registry = tracing_subscriber::registry;
    assert_eq!(heard(|capture| registry().with(quiet()).with(capture).into()), SAMPLE);
    assert_eq!(heard(|capture| registry().with(capture).with(quiet()).into()), SAMPLE);
    assert_eq!(heard(|capture| registry().with(ScopeLayer::new()).with(capture).with(quiet()).into()), SAMPLE);
    assert_eq!(heard(|capture| registry().with(quiet()).with(capture).with(ScopeLayer::new()).into()), SAMPLE);
    assert_eq!(heard(|capture| registry().with(capture).with(ScopeLayer::new()).with(quiet()).into()), SAMPLE);
}

#[test]
fn wrapped_layers_do_what_they_would_do_unwrapped() {
    let registry = tracing_subscriber::registry;
    assert_eq!(heard(|capture| registry().with(capture.boxed()).into()), SAMPLE);
    assert_eq!(heard(|capture| registry().with(Some(capture)).into()), SAMPLE);
    assert_eq!(heard(|capture| registry().with(vec![capture]).into()), SAMPLE);
    assert_eq!(heard(|capture| registry().with(vec![Some(capture.boxed()), None]).into()), SAMPLE);
    assert_eq!(heard(|capture| registry().with(capture.with_filter(LevelFilter::INFO)).into()), SAMPLE);
    assert_eq!(heard(|capture| registry().with(reload::Layer::new(capture).0).into()), SAMPLE);
    assert_eq!(heard(|capture| registry().with(ScopeLayer::new()).with(Some(capture)).into()), SAMPLE);
    assert_eq!(heard(|capture| registry().with(Some(capture)).with(ScopeLayer::new()).into()), SAMPLE);
    assert_eq!(heard(|capture| registry().with(Some(ScopeLayer::new())).with(Some(capture)).into()), SAMPLE);
}

#[test]
fn global_filter_in_front_is_obeyed() {
    let heard = heard(|capture| tracing_subscriber::registry().with(capture).with(LevelFilter::WARN).into());
    assert_eq!(heard, [""; 0]);
}

#[test]
fn rules_of_the_scope_layer_hold_wherever_it_stands() {
    for scope_first in [true, false] {
        let (capture, scope) = (CaptureLayer::new(), ScopeLayer::builder().inherit(Inherit::Own).build());
        let drain = capture.drain_handle();
        let registry = tracing_subscriber::registry();
        let stack: Dispatch = if scope_first {
            registry.with(scope).with(capture).into()
        } else {
            registry.with(capture).with(scope).into()
        };
        tracing::dispatcher::with_default(&stack, sample);
        assert_eq!(drain.drain_records()[3].context, r#"{"b":2}"#);
    }
}

#[test]
fn program_finds_its_task_with_or_without_a_scope_layer() {
    let with_scope = tracing_subscriber::registry().with(ScopeLayer::new()).with(CaptureLayer::new());
    for stack in [Dispatch::new(tracing_subscriber::registry().with(CaptureLayer::new())), with_scope.into()] {
        tracing::dispatcher::with_default(&stack, || {
            info_span!("task").in_scope(|| assert_eq!(Task::current().expect("a task").name(), "task"));
        });
    }
}
