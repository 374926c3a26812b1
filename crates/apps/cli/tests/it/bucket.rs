//! Lakes in a bucket, with what reaches it taken from the environment.

use std::process::Output;

use spanlake_lake::runs::{RunRow, RunStatus};
use spanlake_lake::store::{Store, StoreOptions};
use spanlake_testkit::servers::S3Server;

use crate::jobs::{Job, START_US};
use crate::lake::{Lake, stderr, stdout};

const LAKE: &str = "s3://jobs/lake";

/// What reaches the server, by the names of the environment.
fn variables(server: &S3Server) -> [(&'static str, String); 5] {
    [
        ("AWS_ENDPOINT", server.endpoint()),
        ("AWS_ALLOW_HTTP", "true".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "AKIAQWERTY7".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "hunter2".to_owned()),
    ]
}

fn store(server: &S3Server) -> Store {
    let options =
        variables(server).into_iter().fold(StoreOptions::new(), |options, (key, value)| options.option(key, value));
    Store::open(LAKE, &options).expect("a store")
}

fn run(server: &S3Server, command: &str) -> Output {
    Lake::empty().command(command).envs(variables(server)).output().expect("run the command")
}

fn prints(server: &S3Server, command: &str) -> String {
    let output = run(server, command);
    assert!(output.status.success(), "{command}: {output:?}");
    assert_eq!(stderr(&output), "", "{command}");
    stdout(&output)
}

#[test]
fn a_bucket_is_a_lake_like_any_other() {
    let server = S3Server::start();
    server.create_bucket("jobs");
    assert_eq!(prints(&server, &format!("runs {LAKE}")), "no runs\n");
    let job = Job::new("nightly", 0).run("orders", "bronze", RunStatus::Failed, 1.0, [5, 5]);
    let mut open = RunRow::new("customers").status(RunStatus::Running);
    open.start_time = Some(START_US);
    let session = job.begin_in(store(&server), vec![open], None);
    let text = prints(&server, &format!("runs {LAKE}"));
    assert!(text.starts_with("▸ nightly  running  20261120_131410_1_0_nightly"), "{text}");
    assert!(!text.contains("spanlake tree"), "records are not in a bucket: {text}");
    assert_eq!(prints(&server, &format!("recover {LAKE}")), "nothing to recover · 1 session running\n");

    drop(session);
    job.bury(&mut store(&server));
    let text = prints(&server, &format!("runs {LAKE}"));
    assert!(text.ends_with(&format!("\n1 job left behind, closed by  spanlake recover {LAKE}\n")), "{text}");
    let closed = "✓ 20261120_131410_1_0_nightly  2 runs, 1 interrupted\nclosed 1 session: 2 runs, 1 interrupted\n";
    assert_eq!(prints(&server, &format!("recover {LAKE}")), closed);
    Job::new("nightly", 1).run("orders", "bronze", RunStatus::Succeeded, 1.0, [5, 5]).begin_in(
        store(&server),
        vec![],
        None,
    );
    let diff = prints(&server, &format!("runs diff previous nightly --lake {LAKE}"));
    assert!(
        diff.contains("\n! customers          only in A  interrupted  10m 00s\n✓ orders     bronze  recovered\n"),
        "{diff}"
    );
}

#[test]
fn a_bucket_that_refuses_is_told_without_its_secret() {
    let server = S3Server::start();
    server.create_bucket("jobs");
    server.refuse_keys();
    for command in ["runs", "recover"] {
        let output = run(&server, &format!("{command} {LAKE}"));
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).starts_with("spanlake: HANDLER::Store::"), "{}", stderr(&output));
        assert!(!stderr(&output).contains("hunter2") && !stdout(&output).contains("hunter2"));
    }
}
