//! `spanlake config`: what is wrong with a file, what holds by it, and its schema.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::lake::{stderr, stdout};
use crate::terminal::{plain, shows};

const WRONG: &str = "service: orders\nqueue:\n  capasity: 10 MiB\nsinks: { console: \"\\e[31mred\" }\n";

const TOLD: &str = "\
error: unknown key `capasity`
 --> wrong.yaml:3:3
  |
3 |   capasity: 10 MiB
  |   ^^^^^^^^
  = key: queue.capasity
  = expected: `capacity`, `records`, `policy`, `drain_every`, `flush_every`, `backlog` or `spool`
  = hint: did you mean `capacity`?

error: there is no kind `\\u{1b}[31mred`
 --> wrong.yaml:4:19
  |
4 | sinks: { console: \"\\e[31mred\" }
  |                   ^^^^^^^^^^^
";

struct Folder(TempDir);

impl Folder {
    fn with(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        files.iter().for_each(|(name, text)| fs::write(folder.path().join(name), text).expect("written"));
        Self(folder)
    }

    fn command(&self, command: &str) -> Command {
        let mut process = Command::new(env!("CARGO_BIN_EXE_spanlake"));
        process.current_dir(self.0.path()).args(command.split(' ')).env_remove("NO_COLOR");
        process
    }

    fn run(&self, command: &str) -> Output {
        self.command(command).output().expect("run the command")
    }
}

#[test]
fn faults_are_told_all_at_once() {
    let folder = Folder::with(&[("wrong.yaml", WRONG), ("right.toml", "service = \"orders\"\n")]);
    let output = folder.run("config check wrong.yaml right.toml");
    assert_eq!(output.status.code(), Some(1));
    let told = stdout(&output);
    assert!(told.starts_with(TOLD), "{told}");
    assert!(told.ends_with("✗ wrong.yaml  2 faults\n✓ right.toml\n"), "{told}");
    assert_eq!(stderr(&output), "");
    assert!(folder.run("config check right.toml").status.success());
}

#[test]
fn colours_change_no_word() {
    let folder = Folder::with(&[("right.yaml", "service: orders\n")]);
    let shown = shows(folder.command("config explain right.yaml service"), 80);
    assert!(shown.contains("\u{1b}["), "{shown}");
    assert_eq!(plain(&shown), "service  orders  right.yaml:1:10\n");
    let wrong = Folder::with(&[("wrong.yaml", WRONG)]);
    let output = wrong.run("config check wrong.yaml --color always");
    let told = stdout(&output);
    assert!(told.contains("\u{1b}[") && !told.contains("\u{1b}[31mred"), "{told}");
    assert!(plain(&told).starts_with(TOLD), "{told}");
}

#[test]
fn values_are_explained() {
    let folder = Folder::with(&[("a.yaml", "queue: { capacity: 1 MiB }\n")]);
    let output = folder.run("config explain a.yaml queue");
    let told = stdout(&output);
    assert!(told.starts_with("queue.capacity     1 MiB        a.yaml:1:20\n"), "{told}");
    assert!(told.contains("\nqueue.policy       drop_lowest  default\n"), "{told}");
    let output = folder.run("config explain a.yaml --set --json");
    assert_eq!(stdout(&output), "{\"key\":\"queue.capacity\",\"value\":\"1 MiB\",\"from\":\"a.yaml:1:20\"}\n");
    let output = folder.run("config explain a.yaml queu");
    assert_eq!(
        stderr(&output),
        "spanlake: CONFIGURATION::Config::VALIDATION::ERROR: there is no such key (key: queu)\n"
    );
}

#[test]
fn the_environment_is_asked_when_told_to() {
    let folder = Folder::with(&[("a.yaml", "service: orders\n")]);
    let explain = |words: &str| {
        let output = folder.command(words).env("SPANLAKE_SERVICE", "billing").output().expect("run the command");
        stdout(&output)
    };
    assert_eq!(explain("config explain a.yaml service"), "service  orders  a.yaml:1:10\n");
    assert_eq!(explain("config explain a.yaml service --env"), "service  billing  SPANLAKE_SERVICE\n");
}

#[test]
fn the_schema_is_the_committed_one() {
    let output = Folder::with(&[]).run("config schema");
    let committed = include_str!("../../../../../docs/spanlake.schema.json");
    assert_eq!(stdout(&output), committed);
}
