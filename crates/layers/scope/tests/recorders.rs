//! Numbers of events while recorders come and go. A binary of its own: how many there are is the whole process's.

use std::sync::Mutex;

use spanlake_core::clock::Clock;
use spanlake_core::segment::merge;
use spanlake_core::{Buffer, BufferOptions, LevelFilter, OwnedRecord, Source};
use spanlake_scope::Recorder;
use tracing::{info, info_span};
use tracing_core::span::{Attributes, Id};
use tracing_core::{Dispatch, Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

struct Recording(Recorder);

/// Another recorder of the process, which is there or not.
static OTHER: Mutex<Option<Recorder>> = Mutex::new(None);

/// Builds the other recorder when the layers before it have been asked `event_enabled`.
struct Builds;

impl<S: Subscriber> Layer<S> for Builds {
    fn event_enabled(&self, _: &Event<'_>, _: Context<'_, S>) -> bool {
        OTHER.lock().expect("no panic").get_or_insert_with(|| recorder().0);
        true
    }
}

fn recorder() -> (Recorder, Buffer) {
    let buffer = Buffer::new(&BufferOptions::default(), Source::this_process("test"));
    (Recorder::new(buffer.clone(), LevelFilter::TRACE, Clock::new()), buffer)
}

#[test]
fn number_is_not_given_twice_when_another_recorder_comes_back() {
    let (recorder, buffer) = recorder();
    let stack = tracing_subscriber::registry().with(Builds).with(Recording(recorder));
    tracing::subscriber::with_default(stack, || {
        info_span!("task").in_scope(|| {
            // The events of a loop stand at the same address, one after the other.
            for _ in 0..5 {
                info!("in a loop");
                OTHER.lock().expect("no panic").take();
            }
        });
    });
    let segments = buffer.drain();
    let decoded: Vec<_> = segments.iter().map(|segment| segment.decode().expect("a segment")).collect();
    let records = merge(&decoded).map(|record| OwnedRecord::from(&record));
    let numbers: Vec<u64> = records.map(|record| record.key.expect("a key").seq).collect();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6]);
}

impl<S> Layer<S> for Recording
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        self.0.on_register_dispatch(dispatch);
    }

    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        self.0.event_enabled(event);
        true
    }

    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        self.0.on_new_span(attrs, id, &ctx);
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        self.0.on_enter(id, &ctx);
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        self.0.on_event(event, &ctx);
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        self.0.on_exit(id);
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        self.0.on_close(&id, &ctx);
    }
}
