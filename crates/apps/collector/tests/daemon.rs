//! `spanlaked` as somebody runs it: by a file, with tokens, asked for other levels by `spanlake control`, and ended by a signal.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use spanlake_collector::CANARY_TARGET;
use spanlake_core::Secret;
use spanlake_publish::{HttpTransport, PublishLayer};
use spanlake_query::{Filter, Lake};
use tracing_subscriber::prelude::*;

const LONG: Duration = Duration::from_secs(30);

const CONFIG: &str = "\
listen: 127.0.0.1:0
tokens:
  orders: { secret: right, rights: [publish] }
  operator: { file: operator.token, rights: [control] }
queue: { folder: queue, max: 1 GiB }
flush_every: 50 ms
plugins:
  lake: { kind: lake, path: lake, match: { level: DEBUG } }
  errors: { kind: file, path: errors.log, renderer: text, match: { level: ERROR } }
";

/// A folder in which a daemon runs.
struct Stand(tempfile::TempDir);

/// A daemon, and where it listens.
struct Daemon {
    process: Child,
    url: String,
    /// What it says behind that.
    said: Receiver<String>,
}

impl Stand {
    fn with(config: &str) -> Self {
        let scratch = tempfile::tempdir().expect("a folder");
        fs::write(scratch.path().join("spanlaked.yaml"), config).expect("written");
        fs::write(scratch.path().join("operator.token"), "op\n").expect("written");
        Self(scratch)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_spanlaked"));
        command.current_dir(self.0.path()).args(words);
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().expect("run the command")
    }

    fn start(&self) -> Daemon {
        self.start_by(&mut self.command(&["run", "--config", "spanlaked.yaml"]))
    }

    fn start_by(&self, command: &mut Command) -> Daemon {
        let mut process = command.stderr(Stdio::piped()).spawn().expect("it runs");
        let mut lines = BufReader::new(process.stderr.take().expect("it is piped")).lines();
        let line = lines.find_map(|line| line.ok()?.strip_prefix("spanlaked: listening on ").map(str::to_owned));
        let (say, said) = channel();
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(|line| drop(say.send(line))));
        Daemon { process, url: format!("http://{}", line.expect("it says where")), said }
    }

    fn messages(&self) -> Vec<String> {
        let lake = Lake::open(self.path("lake")).expect("a lake");
        let records = lake.read(&Filter::new()).expect("records");
        records.filter(|record| record.target != CANARY_TARGET).map(|record| record.message).collect()
    }
}

impl Daemon {
    fn control(&self, token: &Path, words: &[&str]) -> ExitCode {
        let token = token.to_str().expect("UTF-8");
        let place = ["--collector", &self.url, "--token-file", token];
        spanlake_cli::main_from(["spanlake", "control"].iter().chain(words).chain(&place).copied())
    }

    /// Has it read its file again, and waits until it says so.
    fn reload(&self, saying: &str) {
        kill_process(Pid::from_child(&self.process), Signal::HUP).expect("it runs");
        let until = Instant::now() + LONG;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if self.said.recv_timeout(left).expect("it says so").contains(saying) {
                return;
            }
        }
    }

    /// Ends it as a service manager does.
    fn end(mut self) {
        let pid = Pid::from_child(&self.process);
        kill_process(pid, Signal::TERM).expect("it runs");
        assert!(self.process.wait().expect("it ends").success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn it_collects_by_a_file_and_is_controlled() {
    let stand = Stand::with(CONFIG);
    let daemon = stand.start();
    let transport =
        HttpTransport::new(&daemon.url).token(Secret::new("right".to_owned())).build().expect("a transport");
    let builder = PublishLayer::builder(transport).service("orders").send_every(Duration::from_millis(5));
    let (layer, guard) = builder.poll_every(Duration::from_millis(20)).build().expect("a layer");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::error!("first");
        tracing::debug!("too verbose");
        let set = ["set", "--service", "orders", "--task", "load=debug", "--for", "10m"];
        assert_eq!(daemon.control(&stand.path("spanlaked.yaml"), &set), ExitCode::FAILURE, "another token");
        assert_eq!(daemon.control(&stand.path("operator.token"), &set), ExitCode::SUCCESS);
        let until = Instant::now() + LONG;
        while guard.handle().verbosity().get().directives.is_empty() {
            assert!(Instant::now() < until, "it was not followed");
            std::thread::yield_now();
        }
        tracing::info_span!("load").in_scope(|| tracing::debug!("asked for"));
        assert_eq!(daemon.control(&stand.path("operator.token"), &["get"]), ExitCode::SUCCESS);
        assert_eq!(daemon.control(&stand.path("operator.token"), &["clear", "--service", "orders"]), ExitCode::SUCCESS);
    });
    let report = guard.shutdown(LONG).expect("an end in time");
    assert!(report.is_complete(), "{report:?}");
    daemon.end();

    let messages = stand.messages();
    assert_eq!(messages, ["first", "load", "asked for", "load"]);
    let errors = fs::read_to_string(stand.path("errors.log")).expect("a log");
    assert!(errors.contains("first") && !errors.contains("asked for"), "{errors}");

    let listed = stand.run(&["queue", "ls", "queue"]);
    let text = String::from_utf8_lossy(&listed.stdout).into_owned();
    assert!(
        listed.status.success() && text.contains("lake: 0 segments wait") && text.contains("no collector"),
        "{text}"
    );
    assert!(stand.run(&["queue", "verify", "queue"]).status.success());
    assert!(stand.run(&["queue", "repair", "queue"]).status.success());
    assert_eq!(stand.run(&["queue", "ls", "nothing/there"]).status.code(), Some(1));
}

/// Records an error, and gives whether the collector has it.
fn publish(daemon: &Daemon, token: &str, message: &str) -> bool {
    let transport = HttpTransport::new(&daemon.url).token(Secret::new(token.to_owned())).build().expect("a transport");
    let builder = PublishLayer::builder(transport).service("orders").send_every(Duration::from_millis(5));
    let (layer, guard) = builder.build().expect("a layer");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || tracing::error!("{message}"));
    let within = if token == "wrong" { Duration::from_millis(300) } else { LONG };
    let is_there = guard.flush(within).is_complete();
    drop(guard.shutdown(within));
    is_there
}

#[test]
fn a_file_is_read_again_while_it_runs_and_nothing_is_lost() {
    let stand = Stand::with(CONFIG);
    let daemon = stand.start();
    assert!(publish(&daemon, "right", "first"));
    let line = "  errors: { kind: file, path: errors.log, renderer: text, match: { level: ERROR } }\n";
    let next = CONFIG.replace(line, "  others: { kind: file, path: others.log, renderer: text }\n");
    let next = next.replace("secret: right", "secret: next").replace("level: DEBUG", "level: ERROR");
    fs::write(stand.path("spanlaked.yaml"), &next).expect("written");
    daemon.reload("the file was read again");
    assert!(publish(&daemon, "next", "second"));
    fs::write(stand.path("spanlaked.yaml"), next.replace("others:", "others")).expect("written");
    daemon.reload("the settings stay as they are");
    assert!(publish(&daemon, "next", "third"));
    fs::write(stand.path("spanlaked.yaml"), next.replace("max: 1 GiB", "max: 2 GiB")).expect("written");
    daemon.reload("`queue` has changed, and takes a restart");
    assert!(!publish(&daemon, "wrong", "never"));
    daemon.end();

    assert_eq!(stand.messages(), ["first", "second", "third"]);
    let errors = fs::read_to_string(stand.path("errors.log")).expect("a log");
    assert!(errors.contains("first") && !errors.contains("second"), "{errors}");
    let others = fs::read_to_string(stand.path("others.log")).expect("a log");
    assert!(others.contains("second") && others.contains("third"), "{others}");
}

#[test]
fn what_fails_is_said_with_its_reason() {
    let away = "  away: { kind: forward, url: 'http://127.0.0.1:1' }\n\
        receive: { zeromq_subscribe: { gone: { publisher: '127.0.0.1:1' } } }\n";
    let stand = Stand::with(&format!("{CONFIG}{away}"));
    let daemon = stand.start();
    let until = Instant::now() + LONG;
    let mut missing = vec![
        ("spanlaked: plugin `away`: fails: ", "127.0.0.1:1"),
        ("spanlaked: publisher `127.0.0.1:1`: fails: ", "refused"),
    ];
    while !missing.is_empty() {
        let line = daemon.said.recv_timeout(until.saturating_duration_since(Instant::now())).expect("it says so");
        missing.retain(|(begin, why)| {
            assert!(!line.starts_with(begin) || line.contains(why), "{line}");
            !line.starts_with(begin)
        });
    }
    daemon.end();
}

#[cfg(target_os = "linux")]
#[test]
fn as_many_files_may_be_open_as_the_system_allows() {
    let stand = Stand::with(CONFIG);
    let mut command = Command::new("sh");
    command.current_dir(stand.0.path()).args(["-c", "ulimit -Sn 64 && exec \"$@\"", "sh"]);
    command.args([env!("CARGO_BIN_EXE_spanlaked"), "run", "--config", "spanlaked.yaml"]);
    let daemon = stand.start_by(&mut command);
    let limits = fs::read_to_string(format!("/proc/{}/limits", daemon.process.id())).expect("its limits");
    let files = limits.lines().find(|line| line.starts_with("Max open files")).expect("there is one");
    let [soft, hard] = [3, 4].map(|at| files.split_whitespace().nth(at).expect("a number"));
    assert!(soft == hard && soft != "64", "{files}");
    daemon.end();
}

#[test]
fn that_nothing_takes_what_comes_is_said() {
    let stand = Stand::with("listen: 127.0.0.1:0\nqueue: { folder: queue }\n");
    let daemon = stand.start();
    assert!(daemon.said.recv_timeout(LONG).expect("a line").contains("there are no plugins"));
    daemon.end();
}

#[test]
fn a_check_finds_what_a_start_would_find() {
    for (wrong, told) in [
        ("  site: { kind: forward, url: 'ftp://127.0.0.1' }\n", "site"),
        ("  ../lake: { kind: lake, path: lake }\n", "../lake"),
        ("tls: { certificate: nothing.pem, key: nothing.pem }\n", "nothing.pem"),
        #[cfg(feature = "nats")]
        ("receive: { jetstream: { site: { url: 'http://127.0.0.1' } } }\n", "site"),
        #[cfg(feature = "nats")]
        ("receive: { jetstream: { site: { url: 'nats://127.0.0.1', stream: a.b } } }\n", "site"),
        #[cfg(feature = "nats")]
        (
            "receive: { jetstream: { site: { url: 'nats://127.0.0.1', client: { roots: nothing.pem } } } }\n",
            "nothing.pem",
        ),
        #[cfg(feature = "nats")]
        (
            "receive: { jetstream: { site: { url: 'nats://127.0.0.1', credentials: operator.token } } }\n",
            "operator.token",
        ),
    ] {
        let stand = Stand::with(&format!("{CONFIG}{wrong}"));
        for command in ["check", "run"] {
            let output = stand.run(&[command, "--config", "spanlaked.yaml"]);
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.code() == Some(1) && text.contains(told), "{command}: {text}");
        }
        assert!(!stand.path("queue").exists());
    }
}

#[test]
fn what_is_wrong_with_a_file_is_told_at_once_and_nothing_is_opened() {
    let wrong = CONFIG.replace("listen: 127.0.0.1:0", "listen: everywhere").replace("kind: lake", "kind: lakes");
    let stand = Stand::with(&wrong);
    for command in ["check", "run"] {
        let output = stand.run(&[command, "--config", "spanlaked.yaml"]);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("spanlaked.yaml:1:9") && text.contains("did you mean `lake`?"), "{text}");
    }
    assert!(!stand.path("queue").exists() && !stand.path("lake").exists());
    let right = Stand::with(CONFIG);
    assert!(right.run(&["check", "--config", "spanlaked.yaml"]).status.success());
    assert!(!right.path("queue").exists());
    let schema = right.run(&["schema"]).stdout;
    assert!(serde_json::from_slice::<serde_json::Value>(&schema).is_ok_and(|schema| schema["title"] == "spanlaked"));
}
