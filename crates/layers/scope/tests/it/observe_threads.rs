//! Observed objects on several threads and in futures.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;

use spanlake_core::{Kind, OwnedRecord};
use spanlake_scope::observe::{Observe, Observer, Phase, observe, observe_async};
use spanlake_scope::{FutureExt, ScopeExt, in_task, spawn_task};
use tracing::{debug, info_span};
use tracing_subscriber::prelude::*;

use crate::support::{record, tape};

/// An object that counts how often it is asked.
#[derive(Default)]
struct Part(&'static str, AtomicU32);

impl Observe for Part {
    fn observe(&self, _: Phase, _: &str, _: &mut Observer) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }

    fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.0)
    }
}

fn part(name: &'static str) -> Part {
    Part(name, AtomicU32::new(0))
}

/// An object whose work is a task.
struct Job(&'static str);

impl Observe for Job {
    fn observe(&self, _: Phase, _: &str, _: &mut Observer) {}

    fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.0)
    }

    fn is_task(&self) -> bool {
        true
    }
}

/// In which objects the record with this message stands.
fn within(records: &[OwnedRecord], message: &str) -> Vec<String> {
    let record = records.iter().find(|record| record.kind == Kind::Event && record.message == message);
    let record = record.unwrap_or_else(|| panic!("no record says {message}"));
    let fields: serde_json::Value = serde_json::from_str(&record.fields).expect("an object");
    let names = fields["observed.within"].as_array().cloned().unwrap_or_default();
    names.iter().map(|name| name.as_str().expect("a name").to_owned()).collect()
}

#[test]
fn two_threads_observe_one_object_each_in_its_own_depth() {
    let shared = Arc::new(part("shared"));
    let (both_in, one_out) = (Barrier::new(2), Barrier::new(2));
    let tape = record(|| {
        thread::scope(|scope| {
            let (object, both_in, one_out) = (&shared, &both_in, &one_out);
            scope.spawn_task(info_span!("first"), move || {
                observe(&**object, "first", |_| both_in.wait());
                debug!("first is out");
                one_out.wait();
            });
            scope.spawn_task(info_span!("second"), move || {
                observe(&**object, "second", |_| {
                    both_in.wait();
                    one_out.wait();
                    debug!("second is in");
                });
            });
        });
    });
    let records = tape.records();
    assert_eq!(shared.1.load(Ordering::Relaxed), 4);
    assert_eq!(within(&records, "second is in"), ["shared"]);
    assert_eq!(within(&records, "first is out"), [""; 0]);
}

#[test]
fn objects_go_along_to_threads_that_are_spawned_as_tasks() {
    let tape = record(|| {
        observe(&part("outer"), "run", |_| {
            let work = in_task(info_span!("work"), || observe(&part("inner"), "run", |_| debug!("over there")));
            thread::spawn(work).join().expect("no panic");
            debug!("over here");
        });
    });
    let records = tape.records();
    assert_eq!(within(&records, "over there"), ["outer", "inner"]);
    assert_eq!(within(&records, "over here"), ["outer"]);
}

#[tokio::test(flavor = "current_thread")]
async fn what_a_thread_does_between_polls_is_not_inside() {
    let (recording, tape) = tape();
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(recording));
    let (to_a, mut from_b) = tokio::sync::mpsc::channel::<()>(1);
    let (to_b, mut from_a) = tokio::sync::mpsc::channel::<()>(1);
    let a = part("a");
    let inside = observe_async(&a, "wait", async |_| {
        debug!("a before");
        to_b.send(()).await.expect("b is there");
        from_b.recv().await;
        debug!("a after");
    });
    let outside = async {
        from_a.recv().await;
        debug!("b while a waits");
        observe(&part("b"), "run", |_| debug!("in b"));
        to_a.send(()).await.expect("a is there");
    };
    tokio::join!(inside, outside);
    let records = tape.records();
    assert_eq!(within(&records, "a before"), ["a"]);
    assert_eq!(within(&records, "b while a waits"), [""; 0]);
    assert_eq!(within(&records, "in b"), ["b"]);
    assert_eq!(within(&records, "a after"), ["a"]);
    assert_eq!(within(&records, "Exiting a - wait"), ["a"]);
    assert_eq!(a.1.load(Ordering::Relaxed), 2);
}

#[test]
fn futures_keep_their_objects_on_whatever_thread_they_are_polled() {
    let (recording, tape) = tape();
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(recording));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    runtime.block_on(async {
        let outer = part("outer");
        observe_async(&outer, "run", async |_| {
            let spawned = spawn_task(info_span!("spawned"), async {
                observe_async(part("inner"), "run", async |_| {
                    tokio::task::yield_now().await;
                    debug!("spawned");
                })
                .await;
            });
            spawned.await.expect("no panic");
            async { debug!("here") }.in_task(info_span!("here")).await;
        })
        .await;
    });
    let records = tape.records();
    assert_eq!(within(&records, "spawned"), ["outer", "inner"]);
    assert_eq!(within(&records, "here"), ["outer"]);
}

#[tokio::test(flavor = "current_thread")]
async fn a_future_that_is_dropped_exits() {
    let (recording, tape) = tape();
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(recording));
    let cancelled = part("cancelled");
    let mut work = Box::pin(observe_async(&cancelled, "wait", async |_| std::future::pending::<()>().await));
    assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(work.as_mut().poll(cx).is_pending())).await);
    drop(work);
    debug!("behind it");
    let records = tape.records();
    assert_eq!(within(&records, "Exiting cancelled - wait"), ["cancelled"]);
    assert_eq!(within(&records, "behind it"), [""; 0]);
    assert_eq!(cancelled.1.load(Ordering::Relaxed), 2);
}

#[tokio::test(flavor = "current_thread")]
async fn a_task_whose_future_is_dropped_is_cancelled() {
    let (recording, tape) = tape();
    let _default = tracing::subscriber::set_default(tracing_subscriber::registry().with(recording));
    observe_async(Job("done"), "wait", async |_| tokio::task::yield_now().await).await;
    let mut work = Box::pin(observe_async(Job("dropped"), "wait", async |_| std::future::pending::<()>().await));
    assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(work.as_mut().poll(cx).is_pending())).await);
    drop(work);
    assert_eq!(tape.ends(), ["U succeeded DEBUG done - wait", "V cancelled WARN dropped - wait"]);
}
