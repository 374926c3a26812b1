//! Files that somebody named: one that grows, one that rolls.

use std::fs::{self, File};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use spanlake_core::render::{JsonLines, Renderer};
use spanlake_core::{Batch, LevelFilter, Record, Sink, Value};
use spanlake_lake::{Every, Existing, FileSink, RollingFileSink};
use tempfile::TempDir;

use crate::support::{Script, feed, json_messages};

/// Messages and nothing else, so that lengths are known.
pub(crate) struct Messages;

impl Renderer for Messages {
    fn render(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        out.extend_from_slice(record.message.as_bytes());
        out.push(b'\n');
    }
}

pub(crate) fn bytes(bytes: u64) -> NonZeroU64 {
    NonZeroU64::new(bytes).unwrap()
}

/// A folder, not made yet, in which a sink writes the file `log`.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(folder_in_memory())
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().join("logs/log")
    }

    #[cfg(any(feature = "gzip", feature = "zstd"))]
    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().with_file_name(name)
    }

    pub(crate) fn put(&self, name: &str, text: &str) {
        fs::create_dir_all(self.path().parent().unwrap()).unwrap();
        fs::write(self.file(name), text).unwrap();
    }

    pub(crate) fn rolling(&self) -> RollingFileSink {
        RollingFileSink::new(self.path()).renderer(Messages)
    }

    fn growing(&self) -> FileSink {
        FileSink::new(self.path()).renderer(Messages)
    }

    /// What is there, but for the lock.
    pub(crate) fn names(&self) -> Vec<String> {
        names(self.path().parent().unwrap())
    }

    /// The text of each file, the oldest first.
    pub(crate) fn texts(&self) -> Vec<String> {
        oldest_first(self.names()).iter().map(|name| self.text(name)).collect()
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap()
    }
}

/// A folder whose syncs cost nothing, where there is one.
fn folder_in_memory() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
    names.sort();
    names
}

pub(crate) fn oldest_first(mut names: Vec<String>) -> Vec<String> {
    // The one without a number is the newest.
    names.sort_by(|one, other| other.cmp(one));
    names
}

/// Nine bytes a line: `word 0`, with spaces before it.
pub(crate) fn nine(word: &str, count: usize) -> spanlake_core::segment::Segment {
    let mut script = Script::new();
    (0..count).for_each(|at| script.event(None, 0, &format!("{:>8}", format!("{word} {at}")), &[]));
    script.segment()
}

// === one that grows ===

#[test]
fn nothing_is_opened_before_a_record_comes_and_folders_are_made_then() {
    let place = Place::new();
    let mut sink = place.growing();
    sink.write(&Batch::new(&[], LevelFilter::TRACE)).unwrap();
    sink.flush().unwrap();
    assert!(!place.path().parent().unwrap().exists());
    feed(&mut sink, &Script::events("line", 2)).unwrap();
    assert_eq!(place.text("log"), "line 0\nline 1\n");
    drop(sink);
    assert_eq!(fs::read_dir(place.path().parent().unwrap()).unwrap().count(), 1, "the lock is gone");
}

#[test]
fn a_file_that_is_there_is_appended_to_and_a_torn_line_ended() {
    for (there, expected) in [("old\n", "old\nnew 0\n"), ("torn", "torn\nnew 0\n"), ("", "new 0\n")] {
        let place = Place::new();
        place.put("log", there);
        let mut sink = place.growing();
        feed(&mut sink, &Script::events("new", 1)).unwrap();
        sink.flush().unwrap();
        assert_eq!((place.text("log").as_str(), sink.unpublished()), (expected, 0));
    }
}

#[test]
fn a_file_that_is_there_is_never_touched_when_it_is_to_be_kept() {
    let place = Place::new();
    place.put("log", "mine");
    place.put("log.0001", "mine too");
    for expected in ["log.0002", "log.0003"] {
        let mut sink = place.growing().existing(Existing::Keep);
        feed(&mut sink, &Script::events(expected, 1)).unwrap();
        feed(&mut sink, &Script::events("more", 1)).unwrap();
        assert_eq!(place.text(expected), format!("{expected} 0\nmore 0\n"));
    }
    assert_eq!((place.text("log").as_str(), place.text("log.0001").as_str()), ("mine", "mine too"));
}

#[test]
fn a_file_that_somebody_took_away_is_begun_anew() {
    let place = Place::new();
    let mut sink = place.growing();
    feed(&mut sink, &Script::events("one", 1)).unwrap();
    sink.flush().unwrap();
    fs::rename(place.path(), place.file("rotated")).unwrap();
    feed(&mut sink, &Script::events("two", 1)).unwrap();
    sink.flush().unwrap();
    assert_eq!((place.text("rotated").as_str(), place.text("log").as_str()), ("one 0\ntwo 0\n", "two 0\n"));
}

#[test]
fn two_sinks_do_not_write_to_one_file() {
    let place = Place::new();
    let mut sinks: Vec<Box<dyn Sink>> = vec![Box::new(place.growing()), Box::new(place.rolling())];
    feed(&mut sinks[0], &Script::events("first", 1)).unwrap();
    let error = feed(&mut sinks[1], &Script::events("second", 1)).unwrap_err();
    assert_eq!(error.code().to_string(), "HANDLER::RollingFileSink::IO::ERROR::RECOVERABLE");
    assert!(error.chain().ends_with("another sink writes to this file"), "{error:?}");
    drop(sinks.remove(0));
    feed(&mut sinks[0], &Script::events("second", 1)).unwrap();
    assert_eq!(place.text("log"), "first 0\nsecond 0\n");
}

#[test]
fn a_read_only_folder_is_an_error_with_its_path() {
    // Whoever may do everything is stopped by a file in the place of the folder.
    let place = Place::new();
    fs::write(place.path().parent().unwrap(), "a file").unwrap();
    let error = feed(&mut place.growing(), &Script::events("line", 1)).unwrap_err();
    assert_eq!(error.code().to_string(), "HANDLER::FileSink::IO::ERROR");
    assert_eq!(error.context().next().unwrap().0, "path");
}

// === by size ===

#[test]
fn the_line_that_would_cross_the_limit_opens_the_next_file() {
    let place = Place::new();
    let mut sink = place.rolling().max_bytes(bytes(27));
    feed(&mut sink, &nine("a", 4)).unwrap();
    feed(&mut sink, &nine("b", 3)).unwrap();
    assert_eq!(place.names(), ["log", "log.0001", "log.0002"]);
    let lines = |text: &str| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>();
    let files: Vec<_> = place.texts().iter().map(|text| lines(text)).collect();
    assert_eq!(files, [vec!["a 0", "a 1", "a 2"], vec!["a 3", "b 0", "b 1"], vec!["b 2"]]);
}

#[test]
fn a_later_sink_goes_on_where_the_first_one_stopped() {
    let place = Place::new();
    for word in ["a", "b", "c"] {
        let mut sink = place.rolling().max_bytes(bytes(18));
        feed(&mut sink, &nine(word, 1)).unwrap();
        sink.flush().unwrap();
    }
    assert_eq!(place.texts().concat().split_whitespace().collect::<Vec<_>>(), ["a", "0", "b", "0", "c", "0"]);
    assert_eq!(place.names(), ["log", "log.0001"]);
}

#[test]
fn the_oldest_files_go() {
    let place = Place::new();
    let mut sink = place.rolling().max_bytes(bytes(9)).max_files(bytes(3));
    feed(&mut sink, &nine("a", 6)).unwrap();
    sink.flush().unwrap();
    assert_eq!(place.names(), ["log", "log.0001", "log.0002"]);
    assert_eq!(place.texts().concat().split_whitespace().collect::<Vec<_>>(), ["a", "3", "a", "4", "a", "5"]);
    assert_eq!((sink.deleted().files, sink.deleted().bytes), (3, 27));
}

#[test]
fn with_one_file_there_is_no_backup() {
    let place = Place::new();
    let mut sink = place.rolling().max_bytes(bytes(18)).max_files(bytes(1));
    feed(&mut sink, &nine("a", 5)).unwrap();
    assert_eq!(place.names(), ["log"]);
    assert_eq!(place.text("log").trim(), "a 4");
}

#[test]
fn all_files_together_stay_within_their_limit() {
    let place = Place::new();
    let mut sink = place.rolling().max_bytes(bytes(18)).max_total_bytes(bytes(50));
    for _ in 0..20 {
        feed(&mut sink, &nine("a", 3)).unwrap();
        let all: u64 = place.names().iter().map(|name| fs::metadata(place.file(name)).unwrap().len()).sum();
        assert!(all <= 50, "{all} bytes");
    }
    let mut alone = Place::new().rolling().max_total_bytes(bytes(100));
    feed(&mut alone, &nine("a", 30)).unwrap();
    assert!(alone.deleted().bytes >= 270 - 100);
}

#[test]
fn limits_hold_at_the_start_without_a_record() {
    let place = Place::new();
    (1..=5).for_each(|number| place.put(&format!("log.{number:04}"), "old\n"));
    place.put("log.2024", "somebody else's");
    place.put("log.0003.bak", "somebody else's");
    let mut sink = place.rolling().max_files(bytes(3));
    sink.tick().unwrap();
    assert_eq!(place.names(), ["log.0001", "log.0002", "log.0003.bak", "log.2024"]);

    let hour = Duration::from_secs(3_600);
    let old = File::options().write(true).open(place.file("log.0002")).unwrap();
    old.set_modified(SystemTime::now() - 2 * hour).unwrap();
    drop(sink);
    place.rolling().max_age(hour).tick().unwrap();
    assert_eq!(place.names(), ["log.0001", "log.0003.bak", "log.2024"]);
}

#[test]
fn a_record_that_is_longer_than_a_file_is_said_in_fewer_words() {
    let place = Place::new();
    let mut sink = RollingFileSink::new(place.path()).renderer(JsonLines::default()).max_bytes(bytes(1_000));
    let handle = sink.handle();
    let mut script = Script::new();
    script.event(None, 0, "short", &[]);
    let long = "é\u{1}".repeat(5_000);
    script.event(None, 0, &format!("long {long}"), &[("a", Value::from("x")), ("b", Value::U64(1))]);
    script.event(None, 0, "many fields", &[("a", Value::from(&long))]);
    let task = script.root(1, "load");
    let deep = script.child(task, 1, "deep", &[("context", Value::from(&long))]);
    script.event(Some(deep), 1, "in a large context", &[]);
    feed(&mut sink, &script.segment()).unwrap();

    let texts = place.texts();
    assert!(texts.iter().all(|text| text.len() <= 1_000), "{:?}", texts.iter().map(String::len).collect::<Vec<_>>());
    let lines: Vec<serde_json::Value> =
        texts.concat().lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let messages: Vec<&str> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(messages[0], "short");
    assert!(
        messages[1].starts_with("long é") && messages[1].ends_with("… [truncated, 15005 bytes]"),
        "{}",
        messages[1]
    );
    assert_eq!(lines[1]["fields"]["spanlake.omitted_fields"], 2);
    assert_eq!(lines[2]["fields"]["spanlake.omitted_fields"], 1);
    assert_eq!((messages[2], &lines[2]["target"]), ("many fields", &"flights::silver".into()));
    let nowhere = serde_json::Value::Null;
    assert_eq!((messages[3], &lines[3]["key"], handle.shortened()), ("in a large context", &nowhere, 3));
}

// === by time ===

/// One event at each of these seconds.
fn at_seconds(seconds: &[i64]) -> spanlake_core::segment::Segment {
    let mut script = Script::new();
    for second in seconds {
        script.now_us = second * 1_000_000;
        script.event(None, 0, &second.to_string(), &[]);
    }
    script.segment()
}

#[test]
fn the_first_record_of_an_interval_opens_its_file() {
    let place = Place::new();
    let mut sink = place.rolling().every(Every::Minute);
    // Decoding puts records in the order in which they were written; 59 comes late.
    feed(&mut sink, &at_seconds(&[30, 59, 60, 59, 119, 121])).unwrap();
    feed(&mut sink, &at_seconds(&[179, 600])).unwrap();
    assert_eq!(place.texts(), ["30\n59\n", "60\n59\n119\n", "121\n179\n", "600\n"]);
}

#[test]
fn both_limits_roll_whichever_comes_first() {
    let place = Place::new();
    let mut sink = place.rolling().every(Every::Seconds(bytes(10))).max_bytes(bytes(6));
    feed(&mut sink, &at_seconds(&[10, 11, 12, 20, 21])).unwrap();
    assert_eq!(place.texts(), ["10\n11\n", "12\n", "20\n21\n"]);
}

#[test]
fn a_file_that_was_there_belongs_to_the_time_when_it_was_changed() {
    let place = Place::new();
    place.put("log", "old\n");
    let file = File::options().write(true).open(place.path()).unwrap();
    file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(86_400)).unwrap();
    let mut sink = place.rolling().every(Every::Day);
    feed(&mut sink, &at_seconds(&[86_401, 2 * 86_400])).unwrap();
    assert_eq!(place.texts(), ["old\n86401\n", "172800\n"]);
}

// === by hand ===

#[test]
fn a_roll_by_hand_begins_the_next_file() {
    let place = Place::new();
    let mut sink = place.rolling().max_files(bytes(3));
    let handle = sink.handle();
    handle.rollover().unwrap();
    assert!(place.names().is_empty(), "nothing was there");
    for run in 0..4 {
        handle.rollover().unwrap();
        handle.rollover().unwrap();
        feed(&mut sink, &Script::events(&format!("run {run}"), 1)).unwrap();
    }
    assert_eq!(place.texts(), ["run 1 0\n", "run 2 0\n", "run 3 0\n"]);
    drop(sink);
    let next = place.rolling();
    next.handle().rollover().unwrap();
    assert!(handle.rollover().unwrap_err().chain().ends_with("the sink is gone"));
    assert_eq!(place.names(), ["log.0001", "log.0002", "log.0003"]);
    assert_eq!(handle.path(), place.path());
}

// === any lengths ===

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_file_is_too_long_and_no_record_split(
        most in 20u64..200,
        batches in prop::collection::vec(prop::collection::vec(1usize..30, 1..20), 1..12),
        flushes in any::<bool>(),
    ) {
        let place = Place::new();
        let mut sink = place.rolling().max_bytes(bytes(most)).max_files(bytes(1_000));
        let mut expected = Vec::new();
        for lengths in &batches {
            let mut script = Script::new();
            for length in lengths {
                let line = format!("{:length$}", expected.len());
                let line = if line.len() as u64 >= most { "x".to_owned() } else { line };
                script.event(None, 0, &line, &[]);
                expected.push(line);
            }
            feed(&mut sink, &script.segment()).unwrap();
            if flushes {
                sink.flush().unwrap();
            }
        }
        let texts = place.texts();
        prop_assert!(texts.iter().all(|text| text.len() as u64 <= most));
        prop_assert!(texts.iter().rev().skip(1).all(|text| text.ends_with('\n')));
        prop_assert_eq!(texts.concat().lines().map(str::to_owned).collect::<Vec<_>>(), expected);
    }
}

/// Texts of random length, the same each time: most are short, one in a thousand is nearly as long as a text may be.
fn texts_of_random_length(count: usize) -> impl Iterator<Item = String> {
    let filler = "x".repeat(60_000);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    (0..count).map(move |at| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let most = if random.is_multiple_of(1_000) { filler.len() } else { 400 };
        format!("{at} {}", &filler[..(random >> 32) as usize % most])
    })
}

#[test]
fn a_million_records_of_random_length_are_not_split_and_no_file_is_too_long() {
    const COUNT: usize = 1_000_000;
    let folder = folder_in_memory();
    let path = folder.path().join("log");
    let most = 1 << 20;
    let sink = RollingFileSink::new(&path).renderer(Messages).max_bytes(bytes(most)).max_files(bytes(10_000));
    let mut sink = sink.max_unsynced_bytes(NonZeroUsize::new(1 << 18).unwrap());
    let mut texts = texts_of_random_length(COUNT).peekable();
    while texts.peek().is_some() {
        let mut script = Script::new();
        texts.by_ref().take(512).for_each(|text| script.event(None, 0, &text, &[]));
        feed(&mut sink, &script.segment()).unwrap();
    }
    sink.flush().unwrap();
    let mut expected = texts_of_random_length(COUNT);
    for name in oldest_first(names(folder.path())) {
        let text = fs::read_to_string(folder.path().join(&name)).unwrap();
        assert!(text.len() as u64 <= most, "{name} has {} bytes", text.len());
        for line in text.split_inclusive('\n') {
            let told = expected.next().map(|told| told + "\n");
            assert!(told.as_deref() == Some(line), "{name}: {:.40} is not {:.40}", line, told.unwrap_or_default());
        }
    }
    assert_eq!(expected.next(), None, "all of them are there");
}

#[test]
fn files_of_json_lines_are_read_back() {
    let place = Place::new();
    let mut sink = FileSink::new(place.path()).renderer(JsonLines::default());
    feed(&mut sink, &Script::events("line", 3)).unwrap();
    assert_eq!(json_messages(&place.text("log")), ["line 0", "line 1", "line 2"]);
}
