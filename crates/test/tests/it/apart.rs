//! Threads, futures, and what belongs to no test.

use std::sync::{Arc, Barrier};
use std::thread;

use spanlake_scope::{FutureExt, ScopeExt, spawn_task, spawn_thread};
use tracing::{Instrument, info, info_span};

/// Two tests at the same time, each on a thread of its own as the harness does it.
#[test]
fn tests_that_run_at_the_same_time_do_not_see_each_other() {
    let together = Arc::new(Barrier::new(2));
    let test = |name: &'static str| {
        let together = Arc::clone(&together);
        move || {
            let capture = spanlake_test::capture();
            together.wait();
            for number in 0..100 {
                info!("{name} {number}");
                info_span!("step").in_scope(|| info!("{name} step {number}"));
            }
            together.wait();
            let records = capture.records();
            assert_eq!(records.len(), 100 * 4);
            assert!(records.iter().all(|record| record.message.starts_with(name) || record.message == "step"));
        }
    };
    let (one, other) = (thread::spawn(test("one")), thread::spawn(test("other")));
    one.join().and_then(|()| other.join()).expect("both hold");
}

#[test]
fn threads_belong_to_the_test_whose_span_they_run_in() {
    let capture = spanlake_test::capture();
    spawn_thread(info_span!("spawned"), || info!("from a thread")).join().expect("no panic");
    thread::scope(|scope| {
        scope.spawn_task(info_span!("scoped"), || info!("from a scope"));
    });
    let span = capture.span().clone();
    thread::spawn(move || span.in_scope(|| info!("inside the test's own span"))).join().expect("no panic");
    assert!(capture.task("spawned").contains("from a thread"));
    assert!(capture.task("scoped").contains("from a scope"));
    capture.assert_contains("inside the test's own span");
}

#[tokio::test]
async fn futures_belong_to_the_test() {
    let capture = spanlake_test::capture();
    async { info!("awaited") }.in_task(info_span!("here")).await;
    tokio::task::yield_now().await;
    spawn_task(info_span!("spawned"), async { info!("spawned") }).await.expect("no panic");
    assert!(capture.task("here").contains("awaited") && capture.task("spawned").contains("spawned"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn futures_on_other_threads_belong_to_the_test_by_their_spans() {
    let capture = spanlake_test::capture();
    let tasks = (0..8).map(|number| spawn_task(info_span!("job", number), async move { info!("job {number}") }));
    for task in tasks.collect::<Vec<_>>() {
        task.await.expect("no panic");
    }
    tokio::spawn(async { info!("by instrument") }.instrument(capture.span().clone())).await.expect("no panic");
    assert_eq!(capture.tasks("job").len(), 8);
    assert!(capture.tasks("job").iter().enumerate().all(|(number, job)| job.contains(&format!("job {number}"))));
    capture.assert_contains("by instrument");
}

#[test]
fn what_is_said_outside_any_task_is_a_stray() {
    let capture = spanlake_test::capture();
    thread::spawn(|| info!("a stray of the test about strays")).join().expect("no panic");
    assert!(!capture.contains("a stray of the test about strays"));
    let strays = capture.strays();
    assert_eq!(strays.iter().filter(|record| record.message == "a stray of the test about strays").count(), 1);
    // One that begins later does not see it.
    let later = spanlake_test::capture();
    assert!(later.strays().iter().all(|record| record.message != "a stray of the test about strays"));
}
