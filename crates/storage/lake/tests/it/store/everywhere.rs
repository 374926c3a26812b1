//! What every store promises, on each of them.

use std::sync::Barrier;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use spanlake_core::Error;
use spanlake_lake::store::Store;
use spanlake_testkit::disk::FakeDisk;
use tempfile::TempDir;

use super::{paths, text};

/// A lake that nobody else has, and ways to open it once more.
pub(crate) struct Ground {
    name: &'static str,
    open: Box<dyn Fn() -> Store + Sync>,
}

impl Ground {
    pub(crate) fn new(name: &'static str, open: impl Fn() -> Store + Sync + 'static) -> Self {
        Self { name, open: Box::new(open) }
    }
}

fn on_the_disk() -> Ground {
    let folder = tempfile::tempdir().unwrap();
    Ground::new("folder", move || Store::folder(folder.path().join("jobs/lake")))
}

fn on_a_fake_disk() -> Ground {
    let folder: TempDir = tempfile::tempdir().unwrap();
    let disk = FakeDisk::new(folder.path());
    Ground::new("fake disk", move || Store::folder_on(disk.handle(), folder.path().join("lake")))
}

/// In a bucket, and in a folder of one.
#[cfg(feature = "object-store")]
fn in_memory() -> [Ground; 2] {
    use spanlake_lake::store::StoreOptions;
    use uuid::Uuid;

    let ground = |folder: &'static str| {
        let address = format!("memory://{}{folder}", Uuid::new_v4().simple());
        Ground::new("memory", move || Store::open(&address, &StoreOptions::new()).unwrap())
    };
    [ground(""), ground("/jobs/all%20of%20them/")]
}

type Promise = (&'static str, fn(&Ground));

const PROMISES: [Promise; 8] = [
    ("an empty lake", an_empty_lake),
    ("a file is what was put last", a_file_is_what_was_put_last),
    ("a new file replaces none", a_new_file_replaces_none),
    ("one of many makes a new file", one_of_many_makes_a_new_file),
    ("a list is complete and sorted", a_list_is_complete_and_sorted),
    ("what was removed is gone", what_was_removed_is_gone),
    ("a folder is no file", a_folder_is_no_file),
    ("paths stay inside", paths_stay_inside),
];

pub(crate) fn check(ground: impl Fn() -> Ground) {
    for (promise, check) in PROMISES {
        let ground = ground();
        println!("{}: {promise}", ground.name);
        check(&ground);
    }
}

#[test]
fn a_folder_keeps_its_promises() {
    check(on_the_disk);
}

#[test]
fn a_fake_disk_keeps_them() {
    check(on_a_fake_disk);
}

#[cfg(feature = "object-store")]
#[test]
fn memory_keeps_them() {
    check(|| in_memory().into_iter().next().unwrap());
    check(|| in_memory().into_iter().last().unwrap());
}

fn an_empty_lake(ground: &Ground) {
    let mut store = (ground.open)();
    assert_eq!((store.list("").unwrap(), store.list("a/b").unwrap()), (vec![], vec![]));
    assert_eq!(store.read("a/b").unwrap(), None);
    store.remove("a/b").unwrap();
}

fn a_file_is_what_was_put_last(ground: &Ground) {
    let (mut writer, mut reader) = ((ground.open)(), (ground.open)());
    for content in ["one", "", "a longer one", "two"] {
        writer.put("a/b=1/c.json", content.as_bytes()).unwrap();
        assert_eq!(text(&mut reader, "a/b=1/c.json").unwrap(), content);
    }
    assert_eq!(paths(&mut reader, ""), ["a/b=1/c.json"]);
}

fn a_new_file_replaces_none(ground: &Ground) {
    let mut store = (ground.open)();
    assert!(store.put_new("a/b", b"one").unwrap());
    assert!(!store.put_new("a/b", b"one").unwrap(), "the same content makes it no other file");
    assert!(!(ground.open)().put_new("a/b", b"two").unwrap());
    assert_eq!((text(&mut store, "a/b").unwrap(), paths(&mut store, "")), ("one".to_owned(), vec!["a/b".to_owned()]));
}

fn one_of_many_makes_a_new_file(ground: &Ground) {
    const THREADS: usize = 8;
    let together = Barrier::new(THREADS);
    let content = |number: usize| number.to_string().repeat(100_000);
    let race = |number: usize| {
        let mut store = (ground.open)();
        together.wait();
        store.put_new("a/raced", content(number).as_bytes()).unwrap()
    };
    let made: Vec<bool> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS).map(|number| scope.spawn(move || race(number))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let winners: Vec<usize> = (0..THREADS).filter(|number| made[*number]).collect();
    assert_eq!(winners.len(), 1, "{made:?}");
    let mut store = (ground.open)();
    assert!(text(&mut store, "a/raced").unwrap() == content(winners[0]), "the content is the winner's, and whole");
    assert_eq!(paths(&mut store, "a"), ["a/raced"]);
}

fn a_list_is_complete_and_sorted(ground: &Ground) {
    let mut store = (ground.open)();
    for path in ["b/2", "b/10/x", "a", "b/.tmp-1", ".tmp-b/1", "bc/1", "b/1"] {
        store.put(path, path.as_bytes()).unwrap();
    }
    assert_eq!(paths(&mut store, ""), ["a", "b/1", "b/10/x", "b/2", "bc/1"]);
    assert_eq!(paths(&mut store, "b"), ["b/1", "b/10/x", "b/2"]);
    let stored = store.list("b/10").unwrap().remove(0);
    let now_us = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros() as i64;
    assert_eq!((&*stored.path, stored.bytes), ("b/10/x", 6));
    assert!((now_us - stored.modified_us).abs() < 60_000_000, "{stored:?}");
}

fn what_was_removed_is_gone(ground: &Ground) {
    let mut store = (ground.open)();
    store.put("a/b", b"one").unwrap();
    store.remove("a/b").unwrap();
    store.remove("a/b").unwrap();
    assert_eq!((store.read("a/b").unwrap(), store.list("").unwrap()), (None, vec![]));
    assert!(store.put_new("a/b", b"two").unwrap());
}

fn a_folder_is_no_file(ground: &Ground) {
    let mut store = (ground.open)();
    store.put("a/b", b"one").unwrap();
    assert_eq!((store.read("a").unwrap(), store.read("a/b/c").unwrap()), (None, None));
    assert_eq!(store.list("a/b").unwrap(), []);
    store.remove("a/b/c").unwrap();
    assert_eq!(text(&mut store, "a/b").unwrap(), "one");
}

fn paths_stay_inside(ground: &Ground) {
    let mut store = (ground.open)();
    for path in ["", "/a", "a/", "a//b", "..", "a/../b", "a/./b", "./a", "a\nb", "a\0"] {
        let refused: [Result<(), Error>; 7] = [
            store.read(path).map(drop),
            store.put(path, b"x"),
            store.put_new(path, b"x").map(drop),
            store.append(path, b"x\n"),
            store.sync(path),
            store.remove(path),
            if path.is_empty() { store.remove(path) } else { store.list(path).map(drop) },
        ];
        for refused in refused {
            let error = refused.unwrap_err();
            assert_eq!(error.code().to_string(), "HANDLER::Store::VALIDATION::ERROR", "{path:?}");
        }
    }
    assert_eq!(store.list("").unwrap(), []);
}
