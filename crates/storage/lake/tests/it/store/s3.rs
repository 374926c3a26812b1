//! A real server that speaks S3.

use std::time::Duration;

use spanlake_core::Error;
use spanlake_lake::store::{Store, StoreOptions};
use spanlake_testkit::servers::S3Server;
use uuid::Uuid;

use super::everywhere::{Ground, check};
use super::{STAYS, paths, text};

const KEY: &str = "AKIAQWERTY7";
const SECRET: &str = "hunter2/hunter2+hunter2";
const TOKEN: &str = "IQoJb3JpZ2luX2VjE";

/// What no error tells.
pub(crate) const SECRETS: [&str; 3] = [KEY, SECRET, TOKEN];

/// Nothing here takes so long.
pub(crate) const LONG: Duration = Duration::from_secs(20);

pub(crate) fn options(endpoint: &str) -> StoreOptions {
    StoreOptions::new()
        .option("aws_endpoint", endpoint)
        .option("aws_allow_http", "true")
        .option("aws_region", "us-east-1")
        .option("aws_access_key_id", KEY)
        .option("aws_secret_access_key", SECRET)
        .option("aws_session_token", TOKEN)
        .timeout(LONG)
}

pub(crate) fn open(bucket: &str, options: &StoreOptions) -> Store {
    Store::open(&format!("s3://{bucket}/jobs/lake"), options).unwrap()
}

/// The code of an error that says where, and no secret.
pub(crate) fn code(error: &Error) -> String {
    assert!(error.context().any(|pair| pair.0 == "lake" && pair.1.starts_with("s3://")), "{error}");
    super::code(error, &SECRETS)
}

/// What each kind of operation says of a store that is not to be used.
fn failures(store: &mut Store) -> [Error; 5] {
    let failures = [
        store.read("a").map(drop),
        store.put("a", b"x"),
        store.put_new("a", b"x").map(drop),
        store.list("").map(drop),
        store.remove("a"),
    ];
    failures.map(Result::unwrap_err)
}

#[test]
fn a_bucket_keeps_its_promises() {
    let server = S3Server::start();
    check(|| {
        let (options, bucket) = (options(&server.endpoint()), format!("b-{}", Uuid::new_v4().simple()));
        server.create_bucket(&bucket);
        Ground::new("bucket", move || open(&bucket, &options))
    });
}

#[test]
fn a_lake_lies_below_its_prefix() {
    let server = S3Server::start();
    server.create_bucket("orders");
    let mut store = open("orders", &options(&server.endpoint()));
    store.put("a b/c=ä.json", b"one").unwrap();
    let mut all = Store::open("s3://orders", &options(&server.endpoint())).unwrap();
    assert_eq!(paths(&mut all, ""), ["jobs/lake/a b/c=ä.json"]);
    assert_eq!(text(&mut all, "jobs/lake/a b/c=ä.json").unwrap(), "one");
    assert_eq!((store.location(), all.location()), ("s3://orders/jobs/lake".into(), "s3://orders".into()));
    assert_eq!(format!("{store:?}").matches("location").count(), 1);
    assert!(!format!("{store:?}{all:?}").contains(SECRET));
}

#[test]
fn a_missing_bucket_is_no_missing_file() {
    let server = S3Server::start();
    let mut store = open("nobodys", &options(&server.endpoint()));
    for error in failures(&mut store) {
        assert_eq!(code(&error), STAYS);
        assert!(error.chain().contains("NoSuchBucket"), "{}", error.chain());
    }
}

#[test]
fn a_wrong_key_is_refused() {
    let server = S3Server::start();
    server.create_bucket("orders");
    server.refuse_keys();
    let mut store = open("orders", &options(&server.endpoint()));
    for error in failures(&mut store) {
        assert_eq!(code(&error), STAYS);
    }
}

#[test]
fn the_environment_is_read_when_asked_for() {
    const IN_CHILD: &str = "SPANLAKE_STORE_TEST_CHILD";
    if std::env::var_os(IN_CHILD).is_some() {
        open("orders", &StoreOptions::new().from_env().timeout(LONG)).put("a", b"x").unwrap();
        let unasked = StoreOptions::new().option("aws_metadata_endpoint", "http://127.0.0.1:9").timeout(LONG);
        open("orders", &unasked.retry_timeout(Duration::ZERO)).put("b", b"x").unwrap_err();
        return;
    }
    let server = S3Server::start();
    server.create_bucket("orders");
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "store::s3::the_environment_is_read_when_asked_for", "--nocapture"])
        .env(IN_CHILD, "1")
        .env("AWS_ENDPOINT", server.endpoint())
        .env("AWS_ALLOW_HTTP", "true")
        .env("AWS_ACCESS_KEY_ID", KEY)
        .env("AWS_SECRET_ACCESS_KEY", SECRET)
        .output()
        .unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stderr));
    assert_eq!(paths(&mut open("orders", &options(&server.endpoint())), ""), ["a"]);
}
