//! `--follow`: what comes is shown as it comes.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::lake::{Lake, Lines};

/// Longer than anything takes, on a machine however busy.
const DEADLINE: Duration = Duration::from_secs(60);

/// A command that follows a lake.
struct Following {
    child: Child,
    lines: Receiver<String>,
}

impl Following {
    fn start(lake: &Lake, command: &str) -> Self {
        let mut child = lake.command(command).stdout(Stdio::piped()).spawn().expect("start the command");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// The next lines up to one that contains `last`.
    fn until(&self, last: &str) -> String {
        let mut seen = String::new();
        loop {
            let line =
                self.lines.recv_timeout(DEADLINE).unwrap_or_else(|_| panic!("no line with {last:?} in:\n{seen}"));
            seen.push_str(&line);
            seen.push('\n');
            if line.contains(last) {
                return seen;
            }
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn append(lake: &Lake, text: &str) {
    let mut file = OpenOptions::new().append(true).create(true).open(lake.file()).expect("open");
    file.write_all(text.as_bytes()).expect("append");
}

#[test]
fn a_tree_goes_on_line_by_line() {
    let mut lines = Lines::default();
    lines.begin(0, "", "flights").begin(1, "/1", "bronze").event(2, "INFO", "/1", "reading", json!({}));
    let lake = lines.lake();
    let following = Following::start(&lake, "tree lake --follow --for 10m");
    let start = following.until("2 tasks: 2 open");
    assert!(start.contains("└─▸ bronze /1  open"), "{start}");

    let before = lines.text().len();
    lines.event(3, "DEBUG", "/1", "not shown", json!({}));
    lines.event(4, "WARN", "/1", "a row is bad", json!({"row": 7}));
    lines.begin(5, "/1/1", "parse").put(
        6,
        "INFO",
        "end",
        "/1/1",
        "parse",
        json!({
            "message": "", "outcome": "succeeded", "duration_us": 9,
        }),
    );
    lines.begin(7, "/2", "silver").put(
        8,
        "ERROR",
        "end",
        "/2",
        "silver",
        json!({
            "message": "FAILED silver", "outcome": "failed", "duration_us": 45_000, "error": "join: no such table",
        }),
    );
    lines.event(9, "INFO", "", "going on", json!({})).event(10, "INFO", "-", "outside", json!({}));
    lines.end(11, "", "flights", "cancelled", 1_234_567);
    append(&lake, &lines.text()[before..]);

    let expected = "\
── new from here on ──
│ · bronze /1
│ │ 13:14:10.004  WARN a row is bad  row=7  at src/silver.rs:42
│ │ ▸ parse /1/1  13:14:10.005
│ ▸ silver /2  13:14:10.007
│ ✗ silver /2  45 ms  failed
│ │ error: join  at src/silver.rs:42
│ │        no such table
· flights  e252a11f-d33d-483d-ba08-bc8f642b2f10
│ 13:14:10.009  INFO going on
13:14:10.010  INFO outside
⊘ flights  e252a11f-d33d-483d-ba08-bc8f642b2f10  1.23 s  cancelled
";
    assert_eq!(following.until("⊘ flights"), expected);
}

#[test]
fn records_go_on_line_by_line_and_a_cut_line_waits() {
    let mut lines = Lines::default();
    lines.event(0, "INFO", "-", "first", json!({}));
    let lake = Lake::empty();
    let following = Following::start(&lake, "cat lake --follow --for 10m --level info");
    append(&lake, lines.text());
    assert_eq!(following.until("first").lines().count(), 1);

    let before = lines.text().len();
    lines.event(1, "DEBUG", "-", "not wanted", json!({})).event(2, "INFO", "-", "second", json!({}));
    let (start, end) = lines.text()[before..].split_at(lines.text().len() - before - 9);
    append(&lake, start);
    append(&lake, end);
    assert_eq!(following.until("second").lines().count(), 1);
}

#[test]
fn following_ends_when_its_time_has_passed() {
    let mut lines = Lines::default();
    lines.event(0, "INFO", "-", "first", json!({}));
    let lake = lines.lake();
    assert_eq!(lake.prints("cat lake --follow --for 0s").lines().count(), 1);
    assert!(lake.prints("tree lake --follow --for 10ms").contains("first"));
}
