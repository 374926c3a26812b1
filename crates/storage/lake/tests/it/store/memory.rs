//! Buckets in memory, and stores where one would not expect them.

use std::thread;

use spanlake_lake::store::{Store, StoreOptions};
use tokio::runtime::Builder;
use uuid::Uuid;

use super::{paths, text};

fn address() -> String {
    format!("memory://{}", Uuid::new_v4().simple())
}

fn open(address: &str) -> Store {
    Store::open(address, &StoreOptions::new()).unwrap()
}

#[test]
fn a_name_is_one_store_for_all() {
    let address = address();
    open(&address).put("a/b", b"one").unwrap();
    assert_eq!(text(&mut open(&address), "a/b").unwrap(), "one");
    assert_eq!(text(&mut open(&format!("{address}/a")), "b").unwrap(), "one", "a folder of it");
    assert_eq!(paths(&mut open(&format!("{address}2")), ""), [""; 0]);
}

#[test]
fn a_bucket_takes_whole_files_only() {
    let mut store = open(&address());
    assert!(!store.appends() && store.local().is_none());
    assert!(store.append("a", b"x\n").unwrap_err().is_validation());
    store.put("a", b"x\n").unwrap();
    store.sync("a").unwrap();
}

#[test]
fn a_store_works_inside_a_runtime_and_ends_there() {
    let address = address();
    Builder::new_current_thread().build().unwrap().block_on(async {
        let mut store = open(&address);
        assert!(store.put_new("a", b"one").unwrap());
        assert_eq!(text(&mut store, "a").unwrap(), "one");
        drop(store);
        assert_eq!(paths(&mut open(&address), ""), ["a"]);
    });
}

#[test]
fn a_store_moves_to_the_thread_that_uses_it() {
    let mut store = open(&address());
    thread::spawn(move || store.put("a", b"one").unwrap()).join().unwrap();
}
