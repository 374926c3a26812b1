//! What other systems send is in the collector's lake, under the tasks that they have.

mod rotel;
mod stand;

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use spanlake_collector::receive::{Pull, Subscribe};
use spanlake_core::{Kind, Level, Outcome};
use spanlake_query::Status;
use spanlake_wire::level::Severity;

use stand::{Stand, here};

/// A file of the tests' Python.
fn installed(file: &str) -> PathBuf {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../.venv").join(file);
    assert!(file.exists(), "there is no {}; `./test setup` makes it", file.display());
    file
}

fn python(script: &str) -> Command {
    let mut command = Command::new(installed("bin/python"));
    command.arg(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("python").join(script));
    command
}

#[test]
fn a_program_with_distlog_has_its_task_tree() {
    let stand = Stand::new();
    let collector = stand.start(|builder| builder.pull(Pull::new(here())));
    let port = collector.pulling().next().expect("it pulls").port();
    let sent = python("send_distlog.py").arg(port.to_string()).status().expect("python");
    assert!(sent.success());
    let records = stand.stop_with(collector, 9);
    assert_eq!(records.len(), 9, "{records:#?}");
    let tree = stand.tree();
    let root = tree.roots().next().expect("one root");
    assert_eq!((root.name(), root.status()), (Some("load orders"), Status::Succeeded));
    let children: Vec<_> = root.tasks().map(|task| (task.name().map(str::to_owned), task.status())).collect();
    assert_eq!(children, [(Some("read".to_owned()), Status::Succeeded), (Some("write".to_owned()), Status::Failed)]);
    let slow = records.iter().find(|record| record.level == Level::WARN).expect("a warning");
    assert_eq!(slow.message, "slow\nvery slow");
    let read = records.iter().find(|record| record.message == "500 rows").expect("it is there");
    assert!(read.context.contains(r#""table":"orders""#), "{}", read.context);
    let failed = records.iter().find(|record| record.outcome == Some(Outcome::Failed)).expect("an end");
    assert!(failed.error.as_ref().is_some_and(|error| error.contains("no room")), "{failed:?}");
}

#[test]
fn notifications_of_a_publisher_are_records() {
    let stand = Stand::new();
    let mut process =
        python("publish_notifications.py").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python");
    let mut line = String::new();
    BufReader::new(process.stdout.take().expect("it is piped")).read_line(&mut line).expect("a port");
    let collector = stand.start(|builder| {
        let mut subscribe = Subscribe::new(format!("127.0.0.1:{}", line.trim()));
        (subscribe.level, subscribe.service) = (Severity::Info, "legacy".to_owned());
        builder.subscribe(subscribe)
    });
    let records = stand.stop_with(collector, 101);
    drop(process.stdin.take());
    assert!(process.wait().expect("it ends").success());
    assert_eq!(records.len(), 101, "what was not asked for and what is no notification is not there");
    let row = records.iter().find(|record| record.message == "row 7").expect("it is there");
    assert_eq!((row.level, row.service.as_deref()), (Level::INFO, Some("legacy")));
    assert_eq!(row.fields, r#"{"rows":7,"ratio":0.5,"ok":true}"#, "a value that is none is no field");
    let critical = records.iter().find(|record| record.message == "at the end").expect("it is there");
    assert_eq!((critical.level, critical.ts_us), (Level::ERROR, 1_795_168_800_000_001));
}

#[test]
fn logs_and_spans_of_an_sdk_of_opentelemetry_are_tasks_and_records_by_http_and_by_grpc() {
    ["http", "grpc"].into_iter().for_each(logs_and_spans_of_an_sdk_are_tasks_and_records);
}

fn logs_and_spans_of_an_sdk_are_tasks_and_records(protocol: &str) {
    let stand = Stand::new();
    let collector = stand.start(|builder| builder);
    let endpoint = format!("http://{}", collector.address());
    let sent = python("send_otlp.py").args([protocol, &endpoint]).status().expect("python");
    assert!(sent.success());
    let records = stand.stop_with(collector, 9);
    assert!(records.iter().all(|record| record.service.as_deref() == Some("orders") && record.host == "obelix"));
    assert_eq!(
        records.iter().filter(|record| record.kind == Kind::Event).count(),
        3 + 1,
        "logs, and what the span says of its error"
    );
    let tree = stand.tree();
    let root = tree.roots().next().expect("one trace");
    // A span names its parent and nothing above, so that all of a trace are children of its root.
    let children: Vec<_> =
        root.tasks().map(|task| (task.name().unwrap_or_default().to_owned(), task.status())).collect();
    let (succeeded, failed) = (Status::Succeeded, Status::Failed);
    assert_eq!(children, [("job".into(), succeeded), ("read".into(), succeeded), ("write".into(), failed)]);
    let warning = records.iter().find(|record| record.message == "500 rows").expect("it is there");
    let read = records.iter().find(|record| record.message == "read").expect("it is there");
    assert_eq!(warning.key.as_ref().map(|key| &key.task), read.key.as_ref().map(|key| &key.task));
    assert_eq!((warning.level, warning.target.as_str()), (Level::WARN, "orders.load"));
    assert!(read.context.contains(r#""rows":500,"ratio":0.5"#), "{}", read.context);
    let failed = records.iter().find(|record| record.outcome == Some(Outcome::Failed)).expect("an end");
    assert_eq!(failed.error.as_deref(), Some("ValueError: no room"));
}
