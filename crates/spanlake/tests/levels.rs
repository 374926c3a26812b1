//! The default set-up has two levels: what the console prints, and what the files keep.

use std::path::Path;
use std::process::Command;

use spanlake::prelude::*;

/// The lake's folder; set for the child.
const LAKE: &str = "SPANLAKE_TEST_LAKE";

fn this_test(lake: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "program_with_the_defaults", "--nocapture"]).env(LAKE, lake);
    command
}

/// Says something at each level; nothing without the variable.
#[test]
fn program_with_the_defaults() {
    let Ok(lake) = std::env::var(LAKE) else { return };
    let guard = spanlake::builder().lake(lake).init().expect("a lake");
    tracing::info_span!("load").in_scope(|| {
        tracing::info!("at info");
        tracing::debug!("at debug");
        tracing::trace!("at trace");
    });
    guard.shutdown(Duration::from_secs(60)).expect("in time");
}

#[test]
fn consoles_print_info_and_files_keep_debug() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = this_test(folder.path()).output().expect("a child");
    assert!(output.status.success(), "{output:?}");
    let console = String::from_utf8(output.stderr).expect("text");
    let levels = |text: &str| ["at info", "at debug", "at trace"].map(|level| text.contains(level));
    assert_eq!(levels(&console), [true, false, false], "{console}");

    let mut files = String::new();
    for day in std::fs::read_dir(folder.path().join("debug_json/records")).expect("records") {
        for file in std::fs::read_dir(day.expect("a day").path()).expect("a folder") {
            files += &std::fs::read_to_string(file.expect("a file").path()).expect("text");
        }
    }
    assert_eq!(levels(&files), [true, true, false], "{files}");
}
