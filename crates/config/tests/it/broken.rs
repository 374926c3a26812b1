//! Files that are wrong: exactly what a person sees, all of it at once, and nothing happens on the disk.

use std::fs;
use std::path::{Path, PathBuf};

use spanlake_config::Config;

const FOLDER: &str = "tests/broken";

/// Says that the messages of today are the right ones.
const BLESS: &str = "SPANLAKE_BLESS";

#[test]
fn messages_are_those_that_were_looked_at() {
    let files = files();
    assert!(files.len() >= 20, "{} files", files.len());
    let wrong: Vec<_> = files.iter().filter(|file| !is_as_expected(file)).collect();
    assert!(wrong.is_empty(), "{wrong:?}: look at them, then run with {BLESS}=1");
}

#[test]
fn files_without_a_message_are_none() {
    let is_orphan = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "txt") && !path.with_extension("").exists()
    };
    let orphans: Vec<_> = entries(FOLDER).into_iter().filter(is_orphan).collect();
    assert!(orphans.is_empty(), "{orphans:?}");
}

#[test]
fn no_message_tells_a_secret() {
    let all: Vec<_> = [FOLDER, "tests/broken/collector"].into_iter().flat_map(entries).collect();
    let texts = all.iter().filter(|path| path.extension().is_some_and(|extension| extension == "txt"));
    let told = texts.filter(|path| {
        let text = fs::read_to_string(path).expect("a message");
        text.contains("s3cret") || text.contains("hunter2")
    });
    assert_eq!(told.collect::<Vec<_>>(), Vec::<&PathBuf>::new());
}

#[test]
fn nothing_is_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    for file in files() {
        let name = file.file_name().expect("a name");
        let copy = folder.path().join(name);
        fs::copy(&file, &copy).expect("a copy");
        assert!(Config::from_file(&copy).is_err(), "{name:?}");
        fs::remove_file(&copy).expect("removed");
    }
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[test]
fn files_that_cannot_be_read_are_told() {
    let message = |path: &Path| Config::from_file(path).expect_err("it is wrong").to_string();
    let folder = tempfile::tempdir().expect("a folder");
    assert!(message(Path::new("nowhere.yaml")).starts_with("error: cannot read the file: No such file"));
    assert!(message(Path::new("spanlake.ini")).contains("expected: a name that ends in `.yaml`"));
    let path = folder.path().join("binary.toml");
    fs::write(&path, b"service = \"\xff\"").expect("written");
    assert!(message(&path).contains("byte 11 is no UTF-8"));
    fs::write(&path, "#".repeat(spanlake_config::MAX_FILE_BYTES + 1)).expect("written");
    assert!(message(&path).contains("the file is too long"));
}

fn is_as_expected(file: &Path) -> bool {
    says(file, &Config::from_file(file).expect_err("it is wrong").to_string())
}

/// Whether a message is the one that was looked at.
pub(crate) fn says(file: &Path, message: &str) -> bool {
    let expected = PathBuf::from(format!("{}.txt", file.display()));
    if std::env::var_os(BLESS).is_some() {
        fs::write(&expected, message).expect("written");
    }
    fs::read_to_string(expected).is_ok_and(|expected| expected == message)
}

fn files() -> Vec<PathBuf> {
    files_of(FOLDER)
}

/// The files of a folder that are wrong.
pub(crate) fn files_of(folder: &str) -> Vec<PathBuf> {
    let is_wrong = |path: &PathBuf| path.extension().is_some_and(|extension| extension != "txt");
    entries(folder).into_iter().filter(is_wrong).collect()
}

fn entries(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("the folder");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}
