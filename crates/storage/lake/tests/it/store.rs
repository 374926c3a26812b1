//! Whole files and line logs by their paths, wherever the lake lies.

use spanlake_lake::store::{Store, StoreOptions};

#[test]
fn a_folder_keeps_what_it_is_given() {
    let lake = tempfile::tempdir().unwrap();
    let mut store = Store::open(lake.path().to_str().unwrap(), &StoreOptions::new()).unwrap();
    assert_eq!(store.list("").unwrap(), []);
    assert_eq!(store.read("a/b").unwrap(), None);
    store.put("a/b", b"one").unwrap();
    store.put("a/b", b"two").unwrap();
    assert!(!store.put_new("a/b", b"three").unwrap());
    assert!(store.put_new("a/c", b"three").unwrap());
    store.append("a/log", b"1\n").unwrap();
    store.append("a/log", b"2").unwrap();
    store.append("a/log", b"3\n").unwrap();
    store.sync("a/log").unwrap();
    assert_eq!(store.read("a/b").unwrap().unwrap(), b"two");
    assert_eq!(store.read("a/log").unwrap().unwrap(), b"1\n2\n3\n");
    store.remove("a/b").unwrap();
    store.remove("a/b").unwrap();
    let paths: Vec<String> = store.list("a").unwrap().into_iter().map(|stored| stored.path).collect();
    assert_eq!(paths, ["a/c", "a/log"]);
}
