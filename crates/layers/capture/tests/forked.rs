//! Trap 12: after a fork only one thread lives. A binary of its own, so that nothing but this forks.
#![cfg(unix)]

use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fork::Fork;
use spanlake_capture::{CaptureLayer, CaptureLayerBuilder, Guard, Policy};
use spanlake_core::{Batch, Cause, Error, Sink};
use tracing::{Dispatch, dispatcher, info, info_span};
use tracing_subscriber::layer::SubscriberExt;

/// Enough that they do not fit into what a thread had been granted at the fork.
const EVENTS: u64 = 20_000;

/// How long anything may take: far longer than it needs, far shorter than for ever.
const PATIENCE: Duration = Duration::from_secs(60);

const FORKS: usize = 10;

/// Remembers what was said, each text once.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<HashSet<String>>>);

impl Sink for Heard {
    fn name(&self) -> &str {
        "heard"
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        self.0.lock().expect("no panic").extend(batch.records().map(|record| record.message.to_string()));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// Waits for the child and gives its exit code; one that hangs is ended, and has none.
fn exit_code_of(child: i32) -> Option<i32> {
    let deadline = Instant::now() + 2 * PATIENCE;
    loop {
        match fork::waitpid_nohang(child).expect("our child") {
            Some(status) => return Some(fork::WEXITSTATUS(status)),
            None if Instant::now() > deadline => {
                let killed = std::process::Command::new("kill").arg("-9").arg(child.to_string()).status();
                assert!(killed.is_ok_and(|status| status.success()));
                fork::waitpid(child).expect("our child");
                return None;
            }
            // There is nothing to wait on but the child itself.
            None => std::thread::park_timeout(Duration::from_millis(2)),
        }
    }
}

/// What the child finds, as an exit code: 0 is good.
fn play_the_child(dispatch: &Dispatch, guard: Guard) -> i32 {
    let record = || {
        dispatcher::with_default(dispatch, || {
            info_span!("in the child").in_scope(|| (0..EVENTS).for_each(|_| info!("said in the child")));
        });
    };
    record();
    // A thread that the parent never had, and which has nothing here yet.
    let of_another = std::thread::scope(|scope| scope.spawn(record).join());
    let forked = guard.report().losses.of(Cause::Forked);
    let start = Instant::now();
    let flushed = guard.flush(PATIENCE);
    let shut_down = guard.shutdown(PATIENCE);
    match () {
        () if of_another.is_err() => 10,
        () if forked < EVENTS => 11,
        () if !flushed.timed_out => 12,
        () if shut_down.is_ok() => 13,
        () if start.elapsed() > PATIENCE / 2 => 14,
        () => 0,
    }
}

fn fork_while_threads_record(policy: Policy, spool: Option<&Path>) {
    let heard = Heard::default();
    let builder = CaptureLayer::builder().policy(policy).drain_every(Duration::from_millis(1));
    let builder = spool.into_iter().fold(builder, CaptureLayerBuilder::spool);
    let (capture, guard) = builder.sink(heard.clone()).build().expect("a thread");
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(capture));
    let mut guard = Some(guard);
    let (stop, mut codes) = (AtomicBool::new(false), Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            // So that the locks of the buffer and of the pump are held now and then when the fork comes.
            scope.spawn(|| {
                dispatcher::with_default(&dispatch, || {
                    while !stop.load(Ordering::Relaxed) {
                        info_span!("busy").in_scope(|| info!("said in the parent"));
                    }
                });
            });
        }
        for _ in 0..FORKS {
            dispatcher::with_default(&dispatch, || info!("said before the fork"));
            match fork::fork() {
                Ok(Fork::Child) => std::process::exit(guard.take().map_or(1, |guard| play_the_child(&dispatch, guard))),
                Ok(Fork::Parent(child)) => codes.push(exit_code_of(child)),
                Err(_) => codes.push(Some(2)),
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    assert_eq!(codes, [Some(0); FORKS], "{policy:?}");
    let report = guard.take().expect("the parent's").shutdown(PATIENCE).expect("in time");
    assert_eq!(report.recorded, report.written + report.lost, "{report}");
    assert_eq!(report.losses.of(Cause::Forked), 0, "the parent is as before");
    let heard = heard.0.lock().expect("no panic");
    assert!(heard.contains("said in the parent") && heard.contains("said before the fork"));
    assert!(!heard.iter().any(|text| text.contains("child")), "nothing of the children's is in the parent's sink");
}

#[test]
fn trap_12_fork() {
    for policy in [Policy::DropNewest, Policy::DropLowest, Policy::DropOldest, Policy::Block(PATIENCE)] {
        fork_while_threads_record(policy, None);
    }
}

/// A child that sets up a layer of its own is a process like any other.
#[test]
fn a_forked_child_may_have_a_spool_of_its_own() {
    let spool = tempfile::tempdir().expect("a folder");
    let own = |heard: Heard| {
        let (capture, guard) = CaptureLayer::builder().spool(spool.path()).sink(heard).build().expect("a thread");
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(capture));
        dispatcher::with_default(&dispatch, || info!("said"));
        let report = guard.shutdown(PATIENCE).expect("in time");
        (report.recorded, report.written)
    };
    assert_eq!(own(Heard::default()), (1, 1));
    let code = match fork::fork() {
        Ok(Fork::Child) => std::process::exit(if own(Heard::default()) == (1, 1) { 0 } else { 1 }),
        Ok(Fork::Parent(child)) => exit_code_of(child),
        Err(_) => None,
    };
    assert_eq!(code, Some(0));
}

/// A child shares the parent's mapped files, and must not write into them.
#[test]
fn trap_12_fork_with_a_spool() {
    let spool = tempfile::tempdir().expect("a folder");
    for policy in [Policy::DropNewest, Policy::Block(PATIENCE)] {
        fork_while_threads_record(policy, Some(spool.path()));
    }
    let left: Vec<_> = std::fs::read_dir(spool.path()).expect("the folder").collect();
    assert!(left.is_empty(), "the parent's end was clean: {left:?}");
}
