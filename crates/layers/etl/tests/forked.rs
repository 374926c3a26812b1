//! After a fork only one thread lives. A binary of its own, so that nothing but this forks.
#![cfg(unix)]

use std::time::{Duration, Instant};

use fork::Fork;
use spanlake_etl::{EtlLayer, RunRow};
use tracing::info_span;
use tracing_subscriber::prelude::*;

/// How long a child may take: far longer than it needs, far shorter than for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a child ends with when all was as it should be.
const WELL: i32 = 7;

#[test]
fn runs_of_a_forked_child_are_refused_and_those_of_its_parent_are_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let (layer, job) = EtlLayer::builder(folder.path()).build().expect("a lake");
    let handle = job.handle();
    let subscriber = tracing_subscriber::registry().with(layer);
    let report = tracing::subscriber::with_default(subscriber, || {
        info_span!("run", etl.dataflow = "before").in_scope(|| {});
        match fork::fork().expect("a child") {
            Fork::Child => {
                info_span!("run", etl.dataflow = "child").in_scope(|| {});
                let refused = !handle.log(RunRow::new("by hand")) && handle.metrics().lost[2] == ("forked", 2);
                let is_late = handle.flush(Duration::from_millis(1)).is_err() && job.finish().is_err();
                // Nothing of the parent's is torn down here.
                std::process::exit(if refused && is_late { WELL } else { 1 });
            }
            Fork::Parent(child) => {
                assert_eq!(exit_code_of(child), Some(WELL));
                info_span!("run", etl.dataflow = "behind").in_scope(|| {});
                job.finish().expect("a lake that can be written to")
            }
        }
    });
    assert_eq!((report.job.total_dataflows, report.is_complete()), (Some(2), true), "{report}");
}

/// Waits for the child and gives its exit code; one that hangs is ended, and has none.
fn exit_code_of(child: i32) -> Option<i32> {
    let deadline = Instant::now() + PATIENCE;
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
