//! Helpers that take tasks along.

use std::collections::BTreeSet;
use std::thread;

use spanlake_core::OwnedRecord;
use spanlake_scope::{JoinSetExt, ScopeExt, Task, in_task, spawn_task, spawn_thread};
use tokio::task::JoinSet;
use tracing::{info, info_span};

use crate::support::{record, say};

/// What was said, without order, as threads have none among each other.
fn said(records: &[OwnedRecord]) -> BTreeSet<String> {
    say(records).into_iter().collect()
}

fn expected(lines: &[&str]) -> BTreeSet<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

#[test]
fn spawned_thread_is_a_subtask_and_ends_on_its_own_thread() {
    let tape = record(|| {
        info_span!("root").in_scope(|| {
            let handle = spawn_thread(info_span!("thread"), || {
                info!("inside");
                Task::current().expect("a task").key()
            });
            let root = Task::current().expect("a task").key();
            assert_eq!(handle.join().expect("no panic"), root.child(1).expect("a child"));
        });
    });
    let records = tape.records();
    let lines = ["0@U begin root", "0@U/1 begin thread", "1@U/1 event inside", "2@U/1 end thread", "1@U end root"];
    assert_eq!(said(&records), expected(&lines));
    let threads: BTreeSet<_> = records.iter().map(|record| record.thread.clone()).collect();
    assert_eq!(threads.len(), 2);
}

#[test]
fn scoped_threads_are_subtasks() {
    let tape = record(|| {
        info_span!("root").in_scope(|| {
            let borrowed = String::from("borrowed");
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn_task(info_span!("part"), || info!("{borrowed}"));
                }
            });
        });
    });
    let lines = said(&tape.records());
    for part in 1..=3 {
        assert!(lines.contains(&format!("1@U/{part} event borrowed")), "{lines:?}");
        assert!(lines.contains(&format!("2@U/{part} end part")), "{lines:?}");
    }
    assert!(lines.contains("1@U end root"));
}

#[test]
fn rayon_jobs_are_subtasks() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a pool");
    let tape = record(|| {
        info_span!("root").in_scope(|| {
            pool.in_place_scope(|scope| {
                for _ in 0..10 {
                    let work = in_task(info_span!("job"), || info!("inside"));
                    scope.spawn(move |_| work());
                }
            });
        });
    });
    let lines = said(&tape.records());
    assert!((1..=10).all(|job| lines.contains(&format!("1@U/{job} event inside"))), "{lines:?}");
    assert_eq!(lines.len(), 2 + 10 * 3);
}

#[test]
fn closure_gives_its_result_and_leaves_the_thread_as_it_was() {
    let tape = record(|| {
        info_span!("root").in_scope(|| {
            assert_eq!(in_task(info_span!("closure"), || 7)(), 7);
            info!("back");
        });
    });
    assert!(tape.said().contains(&"1@U event back".to_owned()));
}

#[test]
fn tokio_tasks_are_subtasks_on_every_worker() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    let tape = record(|| {
        info_span!("root").in_scope(|| {
            let handles: Vec<_> = (0..10)
                .map(|_| {
                    let _inside = runtime.enter();
                    spawn_task(info_span!("spawned"), async {
                        info!("before");
                        tokio::task::yield_now().await;
                        info!("after");
                    })
                })
                .collect();
            handles.into_iter().for_each(|handle| runtime.block_on(handle).expect("no panic"));
        });
    });
    let lines = said(&tape.records());
    for task in 1..=10 {
        assert!(lines.contains(&format!("1@U/{task} event before")), "{lines:?}");
        assert!(lines.contains(&format!("2@U/{task} event after")), "{lines:?}");
        assert!(lines.contains(&format!("3@U/{task} end spawned")), "{lines:?}");
    }
}

#[test]
fn join_set_spawns_subtasks() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("a runtime");
    let tape = record(|| {
        info_span!("root").in_scope(|| {
            runtime.block_on(async {
                let mut set = JoinSet::new();
                for number in 0..5 {
                    set.spawn_task(info_span!("part"), async move {
                        info!("inside");
                        number
                    });
                }
                let mut results = set.join_all().await;
                results.sort_unstable();
                assert_eq!(results, [0, 1, 2, 3, 4]);
            });
        });
    });
    let lines = said(&tape.records());
    assert!((1..=5).all(|part| lines.contains(&format!("1@U/{part} event inside"))), "{lines:?}");
}

#[test]
fn tasks_that_take_turns_on_one_thread_keep_apart() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let tape = record(|| {
        info_span!("root").in_scope(|| {
            runtime.block_on(async {
                let mut set = JoinSet::new();
                for number in 1..=3 {
                    set.spawn_task(info_span!("part"), async move {
                        for _ in 0..3 {
                            info!("{number}");
                            tokio::task::yield_now().await;
                        }
                    });
                }
                set.join_all().await;
                info!("root");
            });
        });
    });
    let records = tape.records();
    for record in records.iter().filter(|record| record.message.len() == 1) {
        let key = &record.key.as_ref().expect("a key").task;
        assert_eq!(key.path(), [record.message.parse::<u32>().expect("a number")]);
    }
    assert!(say(&records).contains(&"1@U event root".to_owned()));
}
