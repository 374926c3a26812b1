//! A job that is built to abort when it panics keeps its last words. `cargo run --profile abort --example panic_abort`
//! starts the job as a child, lets it panic, and looks for what it said. Built to unwind, it finds the same.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use spanlake::prelude::*;

const LAST_WORDS: &str = "about to divide by the number of rows";

fn main() {
    match std::env::args_os().nth(1) {
        Some(lake) => job(lake.into()),
        None => check(),
    }
}

fn job(lake: PathBuf) {
    let _guard = spanlake::builder().lake(lake).console(LevelFilter::OFF).init().expect("nothing was set up before");
    let _job = tracing::info_span!("job").entered();
    tracing::info!(rows = 0, "{LAST_WORDS}");
    panic!("no rows");
}

fn check() {
    let lake = tempfile::tempdir().expect("a folder");
    let this = std::env::current_exe().expect("this program");
    let status = Command::new(this).arg(lake.path()).status().expect("the job starts");
    assert_eq!(is_abort(status), cfg!(panic = "abort"), "{status}");
    let text = text_of(lake.path());
    assert!(text.contains(LAST_WORDS), "not in the lake:\n{text}");
    println!("the job ended by {status} and its last words are in the lake");
}

#[cfg(unix)]
fn is_abort(status: ExitStatus) -> bool {
    std::os::unix::process::ExitStatusExt::signal(&status).is_some()
}

#[cfg(not(unix))]
fn is_abort(status: ExitStatus) -> bool {
    status.code() != Some(101)
}

/// Everything in the files below a folder.
fn text_of(folder: &Path) -> String {
    let paths = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let texts = paths.map(|path| match path.is_dir() {
        true => text_of(&path),
        false => String::from_utf8_lossy(&std::fs::read(path).expect("a file")).into_owned(),
    });
    texts.collect()
}
