//! Lakes for tests, and the command run on them.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) const ROOT: &str = "e252a11f-d33d-483d-ba08-bc8f642b2f10";
pub(crate) const OTHER: &str = "0b0c2f8e-6a51-4b1f-9a3c-1d2e3f405162";

/// The lines of a lake, put together record by record. Numbers within a task are given by it.
#[derive(Default)]
pub(crate) struct Lines {
    text: String,
    seqs: HashMap<String, u64>,
    names: HashMap<String, String>,
}

impl Lines {
    /// A record `ms` milliseconds after 2026-11-20T13:14:10Z; `more` overrides or adds columns. A task is named by what
    /// stands behind its root, `""` for the root itself; `-` is outside any task.
    pub(crate) fn put(&mut self, ms: u64, level: &str, kind: &str, task: &str, name: &str, more: Value) -> &mut Self {
        let root = more["root"].as_str().unwrap_or(ROOT).to_owned();
        let task = (task != "-").then(|| format!("{root}{task}"));
        let key = task.map(|task| {
            let seq = self.seqs.entry(task.clone()).or_default();
            *seq += 1;
            format!("{}@{task}", *seq - 1)
        });
        let (seconds, millis) = (10 + ms / 1_000, ms % 1_000);
        let mut record = json!({
            "ts": format!("2026-11-20T13:14:{seconds:02}.{millis:03}000Z"),
            "level": level, "kind": kind, "key": key, "task": key.as_ref().map(|_| name), "message": name,
            "target": "flights::silver", "module": "flights::silver", "file": "src/silver.rs", "line": 42,
            "thread": "main", "pid": 6156, "host": "obelix", "context": {}, "fields": {},
        });
        for (column, value) in more.as_object().expect("an object").iter().filter(|(column, _)| *column != "root") {
            record[column] = value.clone();
        }
        self.text.push_str(&format!("{record}\n"));
        self
    }

    pub(crate) fn event(&mut self, ms: u64, level: &str, task: &str, message: &str, fields: Value) -> &mut Self {
        let name = self.names.get(task).map_or("unseen", String::as_str).to_owned();
        self.put(ms, level, "event", task, &name, json!({"message": message, "fields": fields}))
    }

    pub(crate) fn begin(&mut self, ms: u64, task: &str, name: &str) -> &mut Self {
        self.names.insert(task.to_owned(), name.to_owned());
        self.put(ms, "INFO", "begin", task, name, json!({}))
    }

    pub(crate) fn end(&mut self, ms: u64, task: &str, name: &str, outcome: &str, duration_us: u64) -> &mut Self {
        let level = if outcome == "succeeded" { "INFO" } else { "WARN" };
        self.put(ms, level, "end", task, name, json!({"outcome": outcome, "duration_us": duration_us}))
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// A lake with these lines.
    pub(crate) fn lake(&self) -> Lake {
        let lake = Lake::empty();
        lake.write(&self.text);
        lake
    }
}

/// A lake in a folder of its own.
pub(crate) struct Lake {
    folder: TempDir,
}

impl Lake {
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The file that the lake's process writes to.
    pub(crate) fn file(&self) -> PathBuf {
        let folder = self.path().join("debug_json/records/run_date=2026-11-20");
        fs::create_dir_all(&folder).expect("create a folder");
        folder.join("20261120T131410.000000Z_obelix_6156_1.jsonl")
    }

    pub(crate) fn write(&self, bytes: impl AsRef<[u8]>) {
        fs::write(self.file(), bytes).expect("write a file");
    }

    /// What a command prints about this lake; it must end well and have nothing to note.
    pub(crate) fn prints(&self, command: &str) -> String {
        let output = self.run(command);
        assert!(output.status.success(), "{command}: {output:?}");
        assert_eq!(stderr(&output), "", "{command}");
        stdout(&output)
    }

    /// Runs a command line whose `lake` stands for this lake.
    pub(crate) fn run(&self, command: &str) -> Output {
        self.command(command).output().expect("run the command")
    }

    pub(crate) fn command(&self, command: &str) -> Command {
        let mut process = Command::new(env!("CARGO_BIN_EXE_spanlake"));
        for word in command.split(' ') {
            match word {
                "lake" => process.arg(self.path()),
                word => process.arg(word),
            };
        }
        process.env_remove("NO_COLOR").stdin(Stdio::null());
        process
    }
}

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

/// A job with everything that a tree can show.
pub(crate) fn sample() -> Lines {
    let mut lines = Lines::default();
    let job = json!({"run": "nightly"});
    lines.put(0, "INFO", "begin", "", "flights", json!({"context": job, "file": "src/main.rs", "line": 31}));
    lines.put(
        1,
        "INFO",
        "event",
        "",
        "flights",
        json!({"message": "reading", "fields": {"rows": 27004}, "context": job}),
    );
    lines.put(2, "INFO", "begin", "/1", "bronze", json!({"context": {"run": "nightly", "stage": "bronze"}}));
    lines.event(3, "DEBUG", "/1", "parsed", json!({"row": 1})).event(4, "TRACE", "/1", "parsed", json!({}));
    lines.begin(5, "/1/1", "read").end(6, "/1/1", "read", "succeeded", 12);
    lines.put(
        7,
        "INFO",
        "end",
        "/1",
        "27,004 rows",
        json!({
            "task": "bronze", "outcome": "succeeded", "duration_us": 1_234_567, "fields": {"busy_us": 5},
            "context": {"run": "nightly", "stage": "bronze"},
        }),
    );
    lines.put(10, "INFO", "begin", "/2", "silver", json!({"message": "clean and join"}));
    lines.begin(11, "/2/1", "join");
    lines.event(12, "WARN", "/2/1", "airports are missing", json!({"count": 4, "faa": "BQN, SJU", "note": ""}));
    lines.event(13, "ERROR", "/2/1", "the table is not what it should be", json!({"expected": 8, "found": 7.5}));
    lines.put(
        14,
        "ERROR",
        "end",
        "/2/1",
        "join",
        json!({
            "message": "FAILED join", "outcome": "failed", "duration_us": 45_000,
            "error": "join with airports: read airports.csv (line: 1459): invalid digit",
        }),
    );
    lines.begin(20, "/2/2", "join").put(
        25,
        "INFO",
        "end",
        "/2/2",
        "join",
        json!({
            "message": "", "outcome": "succeeded", "duration_us": 5_000,
        }),
    );
    lines.begin(26, "/2/3", "prefetch").end(27, "/2/3", "prefetch", "cancelled", 1_000);
    lines.put(
        30,
        "ERROR",
        "end",
        "/2",
        "silver",
        json!({
            "message": "FAILED clean and join", "outcome": "failed", "duration_us": 20_000, "error": "3 rows rejected",
        }),
    );
    lines.put(40, "INFO", "begin", "/3", "gold", json!({"pid": 6201}));
    lines.put(
        41,
        "WARN",
        "loss",
        "/3",
        "gold",
        json!({
            "message": "12 records lost (full): 2 DEBUG, 10 INFO", "pid": 6201, "file": null, "line": null,
            "fields": {"cause": "full", "count": 12, "debug": 2, "info": 10},
        }),
    );
    lines.put(42, "WARN", "end", "/4", "killed", json!({"outcome": "interrupted"}));
    lines.put(50, "DEBUG", "begin", "/5", "h2::frame", json!({}));
    lines.put(51, "DEBUG", "end", "/5", "h2::frame", json!({"outcome": "succeeded", "duration_us": 7}));
    lines.put(60, "INFO", "end", "/9/1", "orphan", json!({"root": OTHER, "outcome": "succeeded", "duration_us": 77}));
    lines.event(70, "INFO", "-", "started", json!({})).event(71, "DEBUG", "-", "details", json!({}));
    lines.event(72, "ERROR", "-", "the collector does not answer", json!({"url": "http://127.0.0.1:4318"}));
    lines
}

/// Something that acts on a terminal, breaks lines or reorders text, in every place that data can have.
pub(crate) fn hostile() -> Lines {
    const EVIL: &str = "\u{1b}]0;title\u{7}\u{1b}[2J\r\n\u{202e}\u{2066}\u{2028}\u{9b}31m\u{0}\u{feff}";
    let mut lines = Lines::default();
    let evil = json!({
        "message": EVIL, "task": EVIL, "target": EVIL, "module": EVIL, "file": EVIL, "thread": EVIL, "host": EVIL,
        "service": EVIL, "dataflow_id": EVIL, "context": {EVIL: EVIL}, "fields": {EVIL: EVIL, "deep": [{EVIL: EVIL}]},
    });
    let ended = |outcome: &str| {
        let mut ended = evil.clone();
        (ended["outcome"], ended["error"]) = (json!(outcome), json!(format!("{EVIL}: {EVIL}")));
        ended
    };
    lines.put(0, "INFO", "begin", "", EVIL, evil.clone()).put(1, "ERROR", "event", "", EVIL, evil.clone());
    lines.put(2, "INFO", "loss", "", EVIL, evil.clone()).put(3, "WARN", "event", "-", EVIL, evil.clone());
    lines.put(4, "INFO", "begin", "/1", EVIL, evil.clone()).put(5, "ERROR", "end", "/1", EVIL, ended("failed"));
    lines.put(6, "ERROR", "end", "", EVIL, ended(EVIL));
    lines
}
