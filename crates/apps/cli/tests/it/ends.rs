//! How the command ends, and what it tells on stderr.

use std::fs;
use std::io::Read;
use std::process::Stdio;

use serde_json::json;

use crate::lake::{Lake, Lines, sample, stderr, stdout};

#[test]
fn a_lake_that_is_not_there_is_told_with_code_and_cause() {
    let lake = Lake::empty();
    for command in ["tree /nowhere/at/all", "cat /nowhere/at/all", "cat /nowhere/at/all --follow"] {
        let output = lake.run(command);
        assert_eq!(output.status.code(), Some(1), "{command}");
        let expected =
            "spanlake: HANDLER::Lake::IO::ERROR: cannot read the lake (path: /nowhere/at/all)\n  caused by: ";
        assert!(stderr(&output).starts_with(expected), "{}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
}

#[test]
fn a_wrong_command_line_is_told_as_such() {
    let lake = Lake::empty();
    for command in ["tree", "tree lake --level loud", "nonsense"] {
        assert_eq!(lake.run(command).status.code(), Some(2), "{command}");
    }
    let help = lake.run("tree --help");
    assert_eq!((help.status.code(), stderr(&help).as_str()), (Some(0), ""));
    assert!(stdout(&help).contains("Examples:"));
}

#[test]
fn what_is_damaged_is_noted_and_the_rest_is_shown() {
    let lake = Lake::empty();
    let mut text = sample().text().to_owned();
    text.insert_str(0, "no JSON\n");
    text.push_str("{\"ts\":\"2026-11-20T13:14");
    lake.write(text);
    let table = [("tree lake", include_str!("expected/tree.txt")), ("cat lake", include_str!("expected/cat.txt"))];
    for (command, expected) in table {
        let output = lake.run(command);
        assert_eq!(output.status.code(), Some(0), "{command}");
        assert_eq!(stdout(&output), expected, "{command}");
        let note = stderr(&output);
        assert!(note.starts_with("spanlake: note: ") && note.lines().count() == 1, "{note}");
        assert!(note.ends_with("2 lines are damaged, first line 1: expected ident at column 2\n"), "{note}");
    }
}

#[test]
fn many_notes_are_counted() {
    let lake = Lake::empty();
    for number in 0..30 {
        fs::write(lake.path().join(format!("{number}.jsonl")), "x").expect("write");
    }
    let notes = stderr(&lake.run("tree lake"));
    assert_eq!(notes.lines().count(), 21, "{notes}");
    assert!(notes.ends_with("spanlake: note: and 10 more\n"), "{notes}");
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let mut lines = Lines::default();
    for number in 0..5_000 {
        lines.event(
            number % 50_000,
            "INFO",
            "-",
            "a line of some length, so that no pipe takes all of them",
            json!({}),
        );
    }
    let lake = lines.lake();
    for command in ["cat lake", "cat lake --json", "tree lake", "tree lake --json"] {
        let mut child =
            lake.command(command).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("start the command");
        let mut stdout = child.stdout.take().expect("a pipe");
        stdout.read_exact(&mut [0; 100]).expect("the first bytes");
        drop(stdout);
        let output = child.wait_with_output().expect("the end");
        assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""), "{command}");
    }
}

#[test]
fn a_pipe_gets_no_colour_unless_it_is_asked_for() {
    let lake = sample().lake();
    for command in ["tree lake", "cat lake", "tree lake --color never"] {
        assert!(!lake.prints(command).contains('\u{1b}'), "{command}");
    }
    let colored = lake.prints("tree lake --color always");
    assert!(colored.contains("\u{1b}[1m\u{1b}[31mfailed\u{1b}[0m"), "{colored}");
    // Colour is all that is added.
    let mut plain = String::new();
    for (at, part) in colored.split("\u{1b}[").enumerate() {
        plain.push_str(if at == 0 { part } else { part.split_once('m').map_or(part, |(_, text)| text) });
    }
    assert_eq!(plain, lake.prints("tree lake"));
    let output = lake.command("cat lake --color always").env("NO_COLOR", "1").output().expect("run");
    assert!(stdout(&output).contains('\u{1b}'), "what was asked for on the command line wins");
}
