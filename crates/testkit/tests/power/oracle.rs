//! What must be in a lake after a power cut and a recovery, and what may be.

use std::path::Path;
use std::sync::{Arc, Mutex};

use spanlake_core::disk::{Disk, real};
use spanlake_lake::Recovery;
use spanlake_testkit::disk::{FakeDisk, PowerCut};

use crate::lake::{Found, content, files, in_jsonl, in_parquet};
use crate::process::{Promise, lake};

/// Recovers what is left in a folder, and looks at what that gives.
pub(crate) fn recover_and_check(left: &Path, promise: &Promise) {
    recover(left, real());
    check(left, promise);
}

/// A recovery that nothing hinders.
pub(crate) fn recover(left: &Path, disk: Arc<dyn Disk>) {
    let recovered = Recovery::new(lake(left)).disk(disk).run().expect("the spools can be looked for");
    assert!(recovered.iter().all(|one| one.error.is_none() && one.quarantined.is_none()), "{recovered:?}");
}

/// Every moment of some work on a disk at which the power may go, the last one when it is done.
pub(crate) fn moments_of(disk: &FakeDisk, work: impl FnOnce()) -> Vec<PowerCut> {
    let cuts = Arc::new(Mutex::new(Vec::new()));
    let watcher = Arc::clone(&cuts);
    disk.before_each_call(move |cut| watcher.lock().expect("no panic").push(cut));
    work();
    disk.before_each_call(|_| ());
    let mut cuts = std::mem::take(&mut *cuts.lock().expect("no panic"));
    cuts.push(disk.cut_power());
    // Those that are alike need to be looked at once.
    cuts.dedup();
    cuts
}

/// Whether the lake keeps its promises, and a further recovery finds nothing to do.
pub(crate) fn check(left: &Path, promise: &Promise) {
    let lake = lake(left);
    let (jsonl, parquet) = (in_jsonl(&lake), in_parquet(&lake));
    assert_eq!(jsonl, parquet, "JSON lines and Parquet hold the same");
    check_records(&jsonl, promise);
    check_tasks(&jsonl);
    let hidden: Vec<_> =
        files(&lake, "").into_iter().filter(|path| path.to_string_lossy().contains("/.tmp-")).collect();
    assert!(hidden.is_empty(), "{hidden:?}");
    let before = content(&lake);
    let again = Recovery::new(&lake).run().expect("the spools can be looked for");
    assert!(again.is_empty() && content(&lake) == before, "a second recovery changes nothing: {again:?}");
}

fn check_records(found: &Found, promise: &Promise) {
    for name in &promise.owed {
        assert!(found.contains_key(name), "lost: {name}");
    }
    for (name, count) in found {
        assert_eq!(*count, 1, "{name}");
        assert!(promise.given.contains(name) || name.starts_with("interrupted "), "invented: {name}");
    }
}

/// Every task that began has ended once, in one way or the other.
fn check_tasks(found: &Found) {
    let has = |kind: &str, task: &str| usize::from(found.contains_key(&format!("{kind} {task}")));
    for name in found.keys() {
        match name.split_once(' ') {
            Some(("begin", task)) => assert_eq!(has("end", task) + has("interrupted", task), 1, "{task} ended"),
            Some(("interrupted", task)) => assert_eq!(has("begin", task), 1, "{task} began"),
            _ => {}
        }
    }
}
