//! A configuration that changes a thousand times while four threads log, one that is wrong in many ways, and a signal.
//!
//! A binary of its own, because it sets the global subscriber. What hears the signal is a process of its own.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use serde_json::Value;
use spanlake::Reloader;
use spanlake::prelude::*;
use spanlake_query::{Filter, Lake};

const LONG: Duration = Duration::from_secs(60);
const RELOADS: u64 = 1_000;
const THREADS: u64 = 4;

/// The folder of the child's file and lake; set for the child.
const FOLDER: &str = "SPANLAKE_TEST_FOLDER";

/// A file in one of two forms. What a logger binds and what three processors add tells them apart, each has a sink of its
/// own, and one of them keeps details.
fn text(folder: &Path, form: &str) -> String {
    let (lake, only) = (folder.join("lake"), folder.join(format!("only_{form}.jsonl")));
    let level = if form == "a" { "DEBUG" } else { "INFO" };
    let adds = |name: &str| format!("[{{ kind: add_defaults, fields: {{ {name}: {form} }} }}]");
    format!(
        "lake: {{ path: {lake:?} }}\n\
         queue: {{ policy: {{ kind: block, timeout: 60 s }}, capacity: 4 MiB }}\n\
         shutdown: {{ timeout: 60 s }}\n\
         reload: {{ on: [hangup] }}\n\
         processors: {first}\n\
         loggers:\n\
         \x20 root: {{ level: {level}, context: {{ bound: {form} }}, processors: {second}, sinks: [jsonl], pipelines: [only] }}\n\
         pipelines:\n  only: {{ processors: {third}, sinks: [only_{form}] }}\n\
         sinks:\n  jsonl: jsonl\n  only_{form}: {{ kind: file, path: {only:?} }}\n",
        first = adds("first"),
        second = adds("second"),
        third = adds("third"),
    )
}

#[test]
fn nothing_is_lost_or_torn_while_the_configuration_changes() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let path = folder.join("spanlake.yaml");
    fs::write(&path, text(folder, "a")).expect("written");
    let started = spanlake::init_from_file(&path).expect("set up");

    let logged = storm(&started.reloader, &path, folder);
    wrong_files_change_nothing(&started.reloader, &path, folder);
    what_needs_a_restart_is_told(&started.reloader, &path, folder);

    let report = started.guard.shutdown(LONG).expect("a minute is enough");
    assert_eq!(report.lost, 0, "{report}");
    let error = started.reloader.reload().expect_err("it is over");
    assert!(error.chain().contains("the pump has stopped"), "{}", error.chain());
    let told = Told::read(folder);
    told.assert_storm(logged);
    told.assert_details();
    told.assert_events();
}

/// Reloads while threads log, and returns how often they did. Every tenth file is wrong besides.
fn storm(reloader: &Reloader, path: &Path, folder: &Path) -> u64 {
    let (is_over, logged) = (AtomicBool::new(false), AtomicU64::new(0));
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    let number = logged.fetch_add(1, Ordering::Relaxed);
                    tracing::info!(number, "storm");
                    tracing::debug!(number, "detail");
                    thread::sleep(Duration::from_micros(100));
                }
            });
        }
        let began = Instant::now();
        for number in 0..RELOADS {
            if number % 10 == 0 {
                fs::write(path, "sinks: { jsonl: { kind: jsonl, levle: INFO } }\n").expect("written");
                reloader.reload().expect_err("it is wrong");
            }
            fs::write(path, text(folder, if number % 2 == 0 { "b" } else { "a" })).expect("written");
            let reloaded = reloader.reload().expect("it is right");
            assert!(reloaded.needs_restart.is_empty(), "{reloaded:?}");
            assert_eq!(reloaded.closed.len(), 1, "{reloaded:?}");
            assert!(began.elapsed() < 10 * LONG, "it hangs");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    assert_eq!(reloader.changes(), RELOADS);
    logged.into_inner()
}

/// Every kind of wrong: what was there before goes on as it was, and the reason is kept.
fn wrong_files_change_nothing(reloader: &Reloader, path: &Path, folder: &Path) {
    let right = text(folder, "a");
    let wrong = [
        (right.replace("lake:", "lake"), "no YAML"),
        (right.replace("jsonl: jsonl", "jsonl: jsnol"), "there is no kind `jsnol`"),
        (right.replace("sinks: [jsonl]", "sinks: [jsnol]"), "there is no sink `jsnol`"),
        (right.replace("pipelines: [only]", "pipelines: [olny]"), "there is no pipeline `olny`"),
        (right.replace("add_defaults", "add_default"), "there is no kind `add_default`"),
        (right.replace("level: DEBUG", "level: LOUD"), "unknown word `LOUD`"),
        (right.replace("4 MiB", "4"), "`4` has no unit"),
        (format!("{right}sinks: {{}}\n"), "stands here twice"),
        ("sinks: {}\n".to_owned(), "there is no sink"),
        ("publish: on\n".to_owned(), "not available in this version"),
        ("#".repeat(spanlake::config::MAX_FILE_BYTES + 1), "the file is too long"),
    ];
    for (text, why) in &wrong {
        fs::write(path, text).expect("written");
        assert_refused(reloader, why);
    }
    fs::remove_file(path).expect("removed");
    assert_refused(reloader, "cannot read the file");
    fs::create_dir(path).expect("a folder");
    assert_refused(reloader, "cannot read the file");
    fs::remove_dir(path).expect("removed");
}

fn assert_refused(reloader: &Reloader, why: &str) {
    let error = reloader.reload().expect_err(why).chain();
    assert!(error.contains(why), "{why}: {error}");
    assert_eq!(reloader.last_error().as_deref(), Some(&*error));
    assert_eq!(reloader.changes(), RELOADS);
    tracing::debug!(why, "after a wrong file");
}

fn what_needs_a_restart_is_told(reloader: &Reloader, path: &Path, folder: &Path) {
    fs::write(path, format!("service: other\n{}", text(folder, "b").replace("4 MiB", "8 MiB"))).expect("written");
    // As long as it has not come.
    for _ in 0..2 {
        let reloaded = reloader.reload().expect("it is right");
        assert_eq!(reloaded.needs_restart, ["queue.capacity", "service"]);
    }
    assert_eq!(reloader.last_error(), None);
    tracing::debug!("nobody wants this any more");
}

// === what is left ===

/// What stands in each sink: messages with their fields.
struct Told {
    jsonl: Vec<(String, Value)>,
    only: HashMap<&'static str, Vec<(String, Value)>>,
}

impl Told {
    fn read(folder: &Path) -> Self {
        let only = |form| (form, lines(&folder.join(format!("only_{form}.jsonl"))));
        Self { jsonl: in_lake(&folder.join("lake")), only: HashMap::from(["a", "b"].map(only)) }
    }

    /// Every record is in the lake once, and once in the sink of the form that it was seen by as a whole.
    fn assert_storm(&self, logged: u64) {
        let forms = forms(&self.jsonl, "storm");
        assert_eq!(forms.len() as u64, logged);
        let seen: HashSet<&str> = forms.values().map(|form| &**form).collect();
        assert_eq!(seen.len(), 2, "{seen:?}");
        self.assert_same("storm", &forms);
    }

    /// Details are all or nothing as well, and none is seen by the form that wants none.
    fn assert_details(&self) {
        let forms = forms(&self.jsonl, "detail");
        assert!(!forms.is_empty());
        self.assert_same("detail", &forms);
        // But for a thread that was held up between asking for the level and recording.
        let torn = forms.values().filter(|form| **form == "b").count();
        assert!(torn * 1_000 <= forms.len(), "{torn} of {}", forms.len());
    }

    fn assert_same(&self, message: &str, in_lake: &HashMap<u64, String>) {
        for (form, lines) in &self.only {
            let forms = self::forms(lines, message);
            let of_form = in_lake.iter().filter(|(_, other)| other == form);
            assert_eq!(forms.len(), of_form.count(), "{message} of {form}");
            assert!(forms.iter().all(|(number, form)| in_lake.get(number) == Some(form)), "{message} of {form}");
            let third = |(other, fields): &(String, Value)| other != message || fields["third"] == *form;
            assert!(lines.iter().all(third), "{message} of {form}");
        }
    }

    fn assert_events(&self) {
        let said = |message: &str| self.jsonl.iter().filter(|(other, _)| other == message).count();
        assert_eq!(said("after a wrong file"), 13);
        assert_eq!(said("the configuration was not changed: the one before holds"), 13 + RELOADS as usize / 10);
        assert_eq!(said("the configuration was changed"), RELOADS as usize);
        assert_eq!(said("the configuration was changed, but for what needs a restart"), 2);
        assert_eq!(said("nobody wants this any more"), 0);
    }
}

/// The form of each number of a message, which all that tells it agrees on; each number is there once.
fn forms(lines: &[(String, Value)], message: &str) -> HashMap<u64, String> {
    let mut forms = HashMap::new();
    for (_, fields) in lines.iter().filter(|(other, _)| other == message) {
        let form = fields["bound"].as_str().expect("a form").to_owned();
        assert_eq!((&fields["first"], &fields["second"]), (&fields["bound"], &fields["bound"]), "{fields}");
        let before = forms.insert(fields["number"].as_u64().expect("a number"), form);
        assert_eq!(before, None, "twice: {fields}");
    }
    forms
}

fn in_lake(lake: &Path) -> Vec<(String, Value)> {
    let records = Lake::open(lake).expect("a lake").read(&Filter::new()).expect("it can be read");
    records.map(|record| (record.message.clone(), serde_json::from_str(&record.fields).expect("JSON"))).collect()
}

fn lines(path: &Path) -> Vec<(String, Value)> {
    let text = fs::read_to_string(path).expect("a file of lines");
    let line = |line| {
        let record: Value = serde_json::from_str(line).expect("JSON");
        (record["message"].as_str().expect("a message").to_owned(), record["fields"].clone())
    };
    text.lines().map(line).collect()
}

// === a signal ===

/// Plays the program; nothing without the variable. It answers each line: how often its configuration changed, and why the
/// last change was refused.
#[test]
fn program_that_is_signalled() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let started = spanlake::init_from_file(Path::new(&folder).join("spanlake.yaml")).expect("set up");
    for number in std::io::stdin().lines() {
        tracing::debug!(number = number.expect("text").parse::<u64>().expect("a number"), "detail");
        let why = started.reloader.last_error().unwrap_or_default();
        // On a line of its own: where tests run one by one, the name of this one stands before it.
        println!("\nanswer {} {}", started.reloader.changes(), why.lines().next().unwrap_or_default());
    }
    started.guard.shutdown(LONG).expect("a minute is enough");
}

#[cfg(unix)]
#[test]
fn a_signal_reloads_and_a_wrong_file_is_refused_with_its_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let path = folder.join("spanlake.yaml");
    fs::write(&path, text(folder, "b")).expect("written");
    let mut program = Program::start(folder);
    let before = program.ask();
    assert_eq!((before.changes, &*before.why), (0, ""));

    fs::write(&path, text(folder, "a")).expect("written");
    program.hang_up();
    program.ask_until(|answer| answer.changes == 1);
    fs::write(&path, "sinks: { jsonl: jsnol }\n").expect("written");
    program.hang_up();
    program.ask_until(|answer| !answer.why.is_empty());
    let after = program.ask();
    assert_eq!(after.changes, 1);
    assert!(after.why.ends_with("there is no kind `jsnol`"), "{}", after.why);
    program.end();

    let details = forms(&in_lake(&folder.join("lake")), "detail");
    assert_eq!(details.get(&before.number), None);
    assert_eq!(details.get(&after.number).map(String::as_str), Some("a"));
}

/// What a program says of itself when it has recorded a number.
struct Answer {
    number: u64,
    changes: u64,
    why: String,
}

struct Program {
    child: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    asked: u64,
}

impl Program {
    fn start(folder: &Path) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args(["--exact", "program_that_is_signalled", "--nocapture"])
            .env(FOLDER, folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let (questions, answers) = (child.stdin.take().expect("its input"), child.stdout.take().expect("its output"));
        Self { child, questions, answers: BufReader::new(answers).lines(), asked: 0 }
    }

    fn ask(&mut self) -> Answer {
        self.asked += 1;
        let number = self.asked;
        writeln!(self.questions, "{number}").expect("it listens");
        let answer = self.answers.find_map(|line| line.expect("text").strip_prefix("answer ").map(str::to_owned));
        let answer = answer.expect("an answer");
        let (changes, why) = answer.split_once(' ').expect("two parts");
        Answer { number, changes: changes.parse().expect("a number"), why: why.to_owned() }
    }

    fn ask_until(&mut self, is_there: impl Fn(&Answer) -> bool) {
        let began = Instant::now();
        while !is_there(&self.ask()) {
            assert!(began.elapsed() < LONG, "nobody heard the signal");
            thread::yield_now();
        }
    }

    fn hang_up(&self) {
        let sent = Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status().expect("kill");
        assert!(sent.success());
    }

    fn end(self) {
        let Self { mut child, questions, answers, .. } = self;
        drop(questions);
        // What else it says, so that it can.
        answers.for_each(drop);
        assert!(child.wait().expect("our child").success());
    }
}
