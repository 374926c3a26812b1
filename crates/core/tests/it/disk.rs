//! The operating system's disk does what the seam says.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use spanlake_core::disk::{Access, FileLock, real};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_file_is_made_once_grows_and_is_cut_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    assert!(!real().exists(&path).unwrap());
    let mut file = real().create(&path, Access::Shared).unwrap();
    file.write_all(b"one").unwrap();
    assert_eq!(real().create(&path, Access::Shared).unwrap_err().kind(), ErrorKind::AlreadyExists);
    let mut again = real().append(&path).unwrap();
    again.write_all(b"two").unwrap();
    again.sync().unwrap();
    assert_eq!(real().read(&path).unwrap(), b"onetwo");
    file.set_len(2).unwrap();
    file.write_all(b"!").unwrap();
    assert_eq!(real().read(&path).unwrap(), b"on!");
    assert!(real().exists(&path).unwrap());
    assert_eq!(real().append(&folder.path().join("b")).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_pipe_is_refused_and_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let (said, heard) = mpsc::channel();
    // Nobody is at its other end.
    thread::spawn(move || {
        let errors = [real().append(&pipe).map(drop), real().tail(&pipe).map(drop)];
        said.send(errors.map(|error| error.unwrap_err().to_string()))
    });
    let errors = heard.recv_timeout(Duration::from_secs(60)).expect("no waiting");
    assert_eq!(errors, ["it is a pipe, no file"; 2]);
}

#[test]
fn what_is_private_is_the_owners_only() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("a/b");
    real().create_folder(&inner, Access::Private).unwrap();
    real().create_folder(&inner, Access::Private).unwrap();
    drop(real().create(&inner.join("c"), Access::Private).unwrap());
    assert_eq!((mode(&inner), mode(&inner.join("c"))), (0o700, 0o600));
    let shared = folder.path().join("d");
    real().create_folder(&shared, Access::Shared).unwrap();
    assert_eq!(mode(&folder.path().join("a")), mode(&shared), "what is above it may be others' too");
}

#[test]
fn names_change_and_go() {
    let folder = tempfile::tempdir().unwrap();
    let disk = real();
    let [inner, a, b] = ["inner", "inner/a", "inner/b"].map(|name| folder.path().join(name));
    disk.create_folder(&inner, Access::Shared).unwrap();
    fs::write(&a, "a").unwrap();
    fs::write(&b, "replaced").unwrap();
    disk.rename(&a, &b).unwrap();
    disk.sync_folder(&inner).unwrap();
    let entries = disk.list(&inner).unwrap();
    assert_eq!(entries.iter().map(|entry| (entry.name.to_str().unwrap(), entry.bytes)).collect::<Vec<_>>(), [("b", 1)]);
    assert!(disk.remove_folder(&inner).is_err(), "it is not empty");
    disk.remove(&b).unwrap();
    disk.remove_folder(&inner).unwrap();
    assert_eq!(disk.sync_folder(&inner).unwrap_err().kind(), ErrorKind::NotFound);
    assert!(disk.list(folder.path()).unwrap().is_empty());
}

#[test]
fn a_lock_has_one_holder_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lock");
    let held = FileLock::take(&path).unwrap().expect("nobody has it");
    assert!(FileLock::take(&path).unwrap().is_none());
    drop(held);
    assert!(!path.exists());
    let again = FileLock::take(&path).unwrap();
    assert!(again.is_some() && path.exists());
    assert_eq!(FileLock::take(&folder.path().join("none/lock")).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn an_open_file_is_read_whatever_becomes_of_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
    fs::write(&from, "one").unwrap();
    let mut reader = real().open(&from).unwrap();
    fs::rename(&from, &to).unwrap();
    fs::write(&from, "two").unwrap();
    assert_eq!(std::io::read_to_string(&mut reader).unwrap(), "one");
}
