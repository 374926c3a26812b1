//! A folder on a disk that fails: nobody sees half a file, and another try succeeds.

use std::fs;
use std::path::{Path, PathBuf};

use spanlake_core::Error;
use spanlake_lake::store::Store;
use spanlake_testkit::disk::{EIO, ENOSPC, FakeDisk, Fault, Operation, PowerCut, seed};
use tempfile::TempDir;

use super::{paths, text};
use crate::support::files;

/// Neither is there at first.
const LAKE: &str = "jobs/lake";

/// Several pages.
const PAGES: usize = 3 * 4096;

/// A store on a disk that fails when told.
struct Stand {
    folder: TempDir,
    disk: FakeDisk,
    store: Store,
}

impl Stand {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("disk")).unwrap();
        let disk = FakeDisk::new(folder.path().join("disk"));
        let store = Store::folder_on(disk.handle(), folder.path().join("disk").join(LAKE));
        Self { folder, disk, store }
    }

    fn lake(&self) -> PathBuf {
        self.folder.path().join("disk").join(LAKE)
    }

    fn each_state(&self, cut: &PowerCut, check: impl FnMut(&Path)) {
        cut.each(256, seed(), &self.folder.path().join("after"), check);
    }
}

/// What may stand in a file.
fn content(number: usize) -> Vec<u8> {
    number.to_string().repeat(PAGES).into_bytes()
}

/// An operation, and whether the file has to be there when it succeeded.
type Work = fn(&mut Store, &[u8]) -> Result<(), Error>;

fn put(store: &mut Store, content: &[u8]) -> Result<(), Error> {
    store.put("a/b", content)
}

fn put_new(store: &mut Store, content: &[u8]) -> Result<(), Error> {
    store.put_new("a/b", content).map(|made| assert!(made, "nobody else is there"))
}

/// What hits the `number`-th call: a full disk, which takes a part of a write, and a broken one.
fn fault(number: u64) -> [Fault; 2] {
    [Fault::at(number).error(ENOSPC).tearing(), Fault::at(number).error(EIO)]
}

/// How many calls it takes on an empty disk.
fn calls(work: Work) -> u64 {
    let mut stand = Stand::new();
    work(&mut stand.store, &content(1)).unwrap();
    stand.disk.calls().len() as u64
}

#[test]
fn whichever_call_fails_a_file_is_whole_and_the_next_try_succeeds() {
    for work in [put, put_new] {
        for (number, fault) in (1..=calls(work)).flat_map(|number| fault(number).map(|fault| (number, fault))) {
            let mut stand = Stand::new();
            stand.disk.fail(fault);
            let first = work(&mut stand.store, &content(1));
            for path in paths(&mut stand.store, "") {
                assert_eq!(stand.store.read(&path).unwrap().unwrap(), content(1), "call {number}: {path}");
            }
            if first.is_err() {
                work(&mut stand.store, &content(1)).unwrap();
            }
            assert_eq!(stand.store.read("a/b").unwrap().unwrap(), content(1), "call {number}");
            stand.store.put("c", b"").unwrap();
            let names = [stand.lake().join("a/b"), stand.lake().join("c")];
            assert_eq!(files(&stand.lake()), names, "call {number}: no draft is left");
        }
    }
}

#[test]
fn whenever_the_power_goes_a_file_is_whole_and_stays() {
    for work in [put, put_new] {
        for (number, fault) in (1..=calls(work)).flat_map(|number| fault(number).map(|fault| (number, fault))) {
            let mut stand = Stand::new();
            stand.disk.fail(fault);
            let is_done = work(&mut stand.store, &content(1)).is_ok();
            let cuts = [stand.disk.cut_power(), {
                if !is_done {
                    work(&mut stand.store, &content(1)).unwrap();
                }
                stand.disk.cut_power()
            }];
            for (cut, is_promised) in cuts.iter().zip([is_done, true]) {
                stand.each_state(cut, |folder| {
                    let found = fs::read(folder.join(LAKE).join("a/b")).ok();
                    let is_whole = found.as_ref().is_none_or(|found| *found == content(1));
                    assert!(is_whole && (found.is_some() || !is_promised), "call {number}");
                });
            }
        }
    }
}

#[test]
fn a_power_cut_leaves_the_old_file_or_the_new_one() {
    let mut stand = Stand::new();
    stand.store.put("a/b", &content(1)).unwrap();
    let (tell, told) = std::sync::mpsc::channel();
    stand.disk.before_each_call(move |cut| tell.send(cut).unwrap());
    stand.store.put("a/b", &content(2)).unwrap();
    for cut in told.try_iter() {
        stand.each_state(&cut, |folder| {
            let found = fs::read(folder.join(LAKE).join("a/b")).unwrap();
            assert!(found == content(1) || found == content(2));
        });
    }
}

#[test]
fn a_file_that_an_earlier_try_made_counts_as_made() {
    let mut stand = Stand::new();
    stand.disk.fail(Fault::at(1).of(Operation::SyncFolder));
    stand.store.put_new("a", b"one").unwrap_err();
    assert!(stand.store.put_new("a", b"one").unwrap());
    assert!(!stand.store.put_new("a", b"one").unwrap(), "that is settled");

    stand.disk.fail(Fault::at(1).of(Operation::Create));
    stand.store.put_new("a", b"two").unwrap_err();
    assert!(!stand.store.put_new("a", b"two").unwrap(), "it was there before");
    assert_eq!(text(&mut stand.store, "a").unwrap(), "one");
}

#[test]
fn a_torn_append_is_cut_back() {
    let mut stand = Stand::new();
    stand.store.append("log", b"1\n").unwrap();
    stand.disk.fail(Fault::at(1).of(Operation::Write).error(ENOSPC).tearing());
    let error = stand.store.append("log", b"2\n3\n").unwrap_err();
    assert_eq!(error.code().to_string(), "HANDLER::Store::IO::ERROR::RECOVERABLE");
    assert_eq!(text(&mut stand.store, "log").unwrap(), "1\n");
    stand.store.append("log", b"2\n3\n").unwrap();
    assert_eq!(text(&mut stand.store, "log").unwrap(), "1\n2\n3\n");
}

#[test]
fn a_torn_append_that_cannot_be_cut_is_cut_before_the_next() {
    let mut stand = Stand::new();
    stand.store.append("log", b"1\n").unwrap();
    stand.disk.fail(Fault::at(1).of(Operation::Write).tearing());
    stand.disk.fail(Fault::at(1).of(Operation::SetLen).for_ever());
    stand.store.append("log", b"22\n").unwrap_err();
    stand.store.append("log", b"22\n").unwrap_err();
    stand.store.append("other", b"1\n").unwrap_err();
    assert_eq!(text(&mut stand.store, "log").unwrap(), "1\n2", "for now");
    stand.disk.heal();
    stand.store.append("log", b"22\n").unwrap();
    assert_eq!(text(&mut stand.store, "log").unwrap(), "1\n22\n");
}

#[test]
fn whichever_call_of_an_append_fails_the_lines_are_there_once() {
    for (number, fault) in (1..=8).flat_map(|number| fault(number).map(|fault| (number, fault))) {
        let mut stand = Stand::new();
        stand.disk.fail(fault);
        for line in ["first\n", "second\n", "third\n"] {
            if stand.store.append("a/log", line.as_bytes()).is_err() {
                stand.store.append("a/log", line.as_bytes()).unwrap();
            }
        }
        assert_eq!(text(&mut stand.store, "a/log").unwrap(), "first\nsecond\nthird\n", "call {number}");
    }
}

#[test]
fn what_was_synced_outlives_a_power_cut() {
    let mut stand = Stand::new();
    stand.store.append("a/log", b"1\n").unwrap();
    stand.store.sync("a/log").unwrap();
    stand.store.append("a/log", b"2\n").unwrap();
    stand.each_state(&stand.disk.cut_power(), |folder| {
        let found = fs::read(folder.join(LAKE).join("a/log")).unwrap();
        assert!([&b"1\n"[..], b"1\n\0\0", b"1\n2\n"].contains(&&*found), "{found:?}");
    });
}

#[test]
fn a_file_whose_sync_failed_is_not_trusted_until_it_is_put_anew() {
    for operation in [Operation::SyncFile, Operation::SyncFolder] {
        let mut stand = Stand::new();
        stand.store.append("log", b"1\n").unwrap();
        stand.disk.fail(Fault::at(1).of(operation).error(ENOSPC));
        for _ in 0..2 {
            let error = stand.store.sync("log").unwrap_err();
            assert_eq!(error.code().to_string(), "HANDLER::Store::IO::ERROR", "no try of this file can help");
        }
        stand.store.put("log", b"1\n").unwrap();
        stand.store.sync("log").unwrap();
        stand.each_state(&stand.disk.cut_power(), |folder| {
            assert_eq!(fs::read(folder.join(LAKE).join("log")).unwrap(), b"1\n");
        });
    }
}

#[test]
fn there_is_nothing_to_sync_where_nothing_is() {
    let mut stand = Stand::new();
    stand.store.sync("log").unwrap_err();
    stand.store.append("log", b"1\n").unwrap();
    stand.store.sync("log").unwrap();
}

#[test]
fn a_log_that_ends_within_a_line_is_gone_on_with_behind_it() {
    let mut stand = Stand::new();
    stand.store.append("log", b"").unwrap();
    assert_eq!(stand.store.read("log").unwrap(), None, "no lines make no file");
    fs::create_dir_all(stand.lake()).unwrap();
    fs::write(stand.lake().join("log"), "1\nhal").unwrap();
    let mut store = Store::folder(stand.lake());
    store.append("log", b"2\n").unwrap();
    assert_eq!(text(&mut store, "log").unwrap(), "1\nhal\n2\n");
}

#[test]
fn a_log_is_the_file_that_has_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::folder(folder.path());
    store.append("log", b"1\n").unwrap();
    fs::rename(folder.path().join("log"), folder.path().join("old")).unwrap();
    store.append("log", b"2\n").unwrap();
    assert_eq!((text(&mut store, "old"), text(&mut store, "log")), (Some("1\n".into()), Some("2\n".into())));
}

#[test]
fn errors_say_where() {
    let mut stand = Stand::new();
    stand.disk.fail(Fault::at(1));
    let error = stand.store.put("a/b", b"x").unwrap_err();
    let lake = stand.lake().display().to_string();
    assert_eq!(error.context().collect::<Vec<_>>(), [("lake", &*lake), ("path", "a/b")]);
    assert_eq!(error.code().to_string(), "HANDLER::Store::IO::ERROR");
}
