//! A program that is set up by a file, and one whose file is wrong.
//!
//! A binary of its own, because it sets the global subscriber; one test, because that can be done once.

use std::fs;
use std::path::Path;

use spanlake::prelude::*;
use spanlake_query::{Filter, Lake};

const LONG: Duration = Duration::from_secs(60);

#[test]
fn a_file_sets_up_what_it_says_or_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    wrong_files_open_nothing(folder.path());
    no_broken_file_starts_anything();
    let lake = folder.path().join("lake");
    let (path, lines) = (folder.path().join("spanlake.yaml"), folder.path().join("lines.log"));
    let text = format!(
        "service: orders\n\
         lake: {{ path: {lake:?}, partition: \"day={{year}}{{month}}{{day}}\" }}\n\
         queue: {{ capacity: 1 MiB, policy: {{ kind: block, timeout: 5 s }}, spool: on }}\n\
         redact: {{ secrets: on, hash: [\"*email*\"] }}\n\
         processors: [{{ kind: add_defaults, fields: {{ region: eu }} }}, {{ kind: rename, names: {{ rows: row_count }} }}]\n\
         fold_repeats: on\n\
         verbosity: [{{ target: loud, level: TRACE, lasts: 2 s }}]\n\
         sinks:\n  jsonl: {{ kind: jsonl, level: INFO }}\n  log: system_log\n\
         \x20 lines: {{ kind: rolling_file, path: {lines:?}, renderer: logfmt, max_file: 1 MiB, level: INFO }}\n\
         \x20 nowhere: \"null\"\n\
         etl: {{ job_id: nightly, retention: 2 days }}\n"
    );
    fs::write(&path, text).expect("written");
    let started = spanlake::init_from_file(&path).expect("set up");
    tracing::info_span!("load", etl.dataflow = "orders")
        .in_scope(|| tracing::info!(rows = 3, password = "hush", "loaded"));
    tracing::debug!("for the log only");
    log::info!("through log");
    details_until_time_is_up(started.guard.handle().verbosity());
    let report = started.job.expect("a job").finish().expect("finished");
    assert!(report.to_string().contains(": 1 succeeded"), "{report}");
    let report = started.guard.shutdown(LONG).expect("a minute is enough");
    assert_eq!((report.lost, report.recorded), (0, report.written), "{report}");
    assert_lake(&lake);
    assert_lines(&fs::read_to_string(lines).expect("lines"));
}

fn wrong_files_open_nothing(folder: &Path) {
    let path = folder.join("wrong.toml");
    let wrong = "[lake]\npath = \"made\"\n\n[queue]\nspool = true\ncapasity = 1\n\n[sinks.a]\nkind = \"jsonl\"\nlevel = \"LOUD\"\n";
    fs::write(&path, wrong).expect("written");
    let error = spanlake::init_from_file(&path).expect_err("it is wrong");
    assert_eq!(error.code().to_string(), "CONFIGURATION::Config::CONFIGURATION::ERROR");
    let chain = error.chain();
    assert!(chain.contains("wrong in 2 places") && chain.contains("wrong.toml:6:1"), "{chain}");
    assert!(chain.contains("did you mean `capacity`?") && chain.contains("unknown word `LOUD`"), "{chain}");
    assert_eq!(fs::read_dir(folder).expect("a folder").count(), 1);
    assert!(!Path::new("made").exists());
    fs::remove_file(path).expect("removed");
}

/// All broken files that there are messages of, in a folder in which whatever they make would be seen.
fn no_broken_file_starts_anything() {
    let broken = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/tests/broken");
    let empty = tempfile::tempdir().expect("a folder");
    let home = std::env::current_dir().expect("a folder");
    std::env::set_current_dir(empty.path()).expect("a folder");
    let paths = fs::read_dir(broken).expect("a folder").map(|entry| entry.expect("an entry").path());
    let files: Vec<_> = paths.filter(|path| path.extension().is_some_and(|extension| extension != "txt")).collect();
    assert!(files.len() >= 30, "{} files", files.len());
    for file in files {
        let error = spanlake::init_from_file(&file).expect_err("it is wrong");
        assert_eq!(error.code().to_string(), "CONFIGURATION::Config::CONFIGURATION::ERROR", "{file:?}");
        assert_eq!(fs::read_dir(empty.path()).expect("a folder").count(), 0, "{file:?}");
        assert!(!tracing::dispatcher::has_been_set(), "{file:?}");
    }
    std::env::set_current_dir(home).expect("a folder");
}

/// What the file turns up for some time only goes down by itself.
fn details_until_time_is_up(verbosity: &spanlake::Verbosity) {
    tracing::trace!(target: "loud", "for some time");
    let began = std::time::Instant::now();
    while verbosity.get().directives.iter().any(|directive| directive.lasts().is_some()) {
        assert!(began.elapsed() < LONG, "it lasts");
        std::thread::sleep(Duration::from_millis(10));
    }
    tracing::trace!(target: "loud", "no more");
}

fn assert_lake(lake: &Path) {
    let records: Vec<_> = Lake::open(lake).expect("a lake").read(&Filter::new()).expect("it can be read").collect();
    let messages: Vec<_> = records.iter().map(|record| record.message.clone()).collect();
    assert!(messages.iter().any(|message| message == "loaded"), "{messages:?}");
    assert!(messages.iter().any(|message| message == "through log"), "{messages:?}");
    assert!(!messages.iter().any(|message| message == "for the log only"), "{messages:?}");
    assert!(records.iter().all(|record| record.service.as_deref() == Some("orders")));
    let days = fs::read_dir(lake.join("debug_json/records")).expect("a folder");
    assert!(days.map(|day| day.expect("a day").file_name()).all(|day| day.to_string_lossy().starts_with("day=2")));
    let [log] = &in_folder(&lake.join("debug_json/system_log"))[..] else { panic!("one day") };
    let log: String = in_folder(log).iter().map(|path| fs::read_to_string(path).expect("text")).collect();
    assert!(log.contains("for the log only") && log.contains("for some time") && !log.contains("no more"), "{log}");
}

fn in_folder(folder: &Path) -> Vec<std::path::PathBuf> {
    fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect()
}

fn assert_lines(lines: &str) {
    let loaded = lines.lines().find(|line| line.contains("loaded")).expect("a line");
    let has = ["row_count=3", "region=eu", "password=***"].iter().all(|pair| loaded.contains(pair));
    assert!(has && !lines.contains("hush"), "{lines}");
}
