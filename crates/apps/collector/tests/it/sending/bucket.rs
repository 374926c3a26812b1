//! A lake in a bucket: one in memory, and one of a server that speaks S3.

use std::collections::BTreeMap;

use spanlake_collector::{BucketPlugin, CollectorBuilder, Formats, Match};
use spanlake_lake::store::{Store, StoreOptions};
use tempfile::TempDir;

use super::away::{Side, expected, is_sent_again_after_a_crash, wanted};
use crate::collecting::stand::{Stand, publish};

/// A bucket, and a folder on the collector's disk.
struct Bucket {
    address: String,
    options: StoreOptions,
    folder: TempDir,
}

impl Bucket {
    fn new(address: &str, options: StoreOptions) -> Self {
        Self { address: address.to_owned(), options, folder: tempfile::tempdir().expect("a folder") }
    }

    fn plugin(&self) -> BucketPlugin {
        let folder = self.folder.path().join("lake");
        BucketPlugin::new(&self.address, &self.options, folder, Formats::Both).expect("a plugin")
    }

    /// The objects below a folder, with their content.
    fn objects(&self, folder: &str) -> BTreeMap<String, Vec<u8>> {
        let mut store = Store::open(&self.address, &self.options).expect("a bucket");
        let paths = store.list(folder).expect("objects").into_iter().map(|stored| stored.path);
        let read = |path: String| {
            let content = store.read(&path).expect("it answers").expect("it is there");
            (path, content)
        };
        paths.map(read).collect()
    }

    fn lines(&self) -> Vec<serde_json::Value> {
        let objects: Vec<u8> = self.objects("debug_json/records").into_values().flatten().collect();
        objects.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
    }
}

/// It is always there.
impl Side for Bucket {
    fn start(&mut self) {}

    fn stop(&mut self) {}

    fn plug(&self, builder: CollectorBuilder, wanted: Match) -> CollectorBuilder {
        builder.plugin("bucket", wanted, self.plugin())
    }

    fn messages(&mut self) -> Vec<String> {
        self.lines().into_iter().map(|line| line["message"].as_str().expect("a text").to_owned()).collect()
    }
}

#[test]
fn a_bucket_has_once_what_was_sent_again_after_a_crash() {
    let mut bucket = Bucket::new("memory://crash/lake", StoreOptions::new());
    assert_eq!(is_sent_again_after_a_crash(&mut bucket, 200), expected(&["before", "after"]));
    let left = Store::folder(bucket.folder.path().join("lake/files")).list("").expect("a folder");
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_lot_is_in_several_objects_and_each_record_once() {
    let (stand, bucket) = (Stand::new(), Bucket::new("memory://many/lake", StoreOptions::new()));
    for part in 0..3 {
        let running = stand.run(stand.builder().plugin("bucket", wanted(), bucket.plugin()));
        publish(running.publisher().service("orders"), |_| {
            (0..5000).for_each(|row| tracing::info!(row, "{part} {row}"));
        });
        running.stop();
    }
    let messages = || bucket.lines().into_iter().map(|line| line["message"].as_str().expect("a text").to_owned());
    assert!(messages().eq((0..3).flat_map(|part| (0..5000).map(move |row| format!("{part} {row}")))));
    let parquet = bucket.objects("analyst/records");
    assert!(parquet.len() >= 3, "{:?}", parquet.keys());
    let is_parquet = |(path, content): (&String, &Vec<u8>)| {
        path.contains("run_date=") && path.ends_with(".parquet") && content.ends_with(b"PAR1")
    };
    assert!(parquet.iter().all(is_parquet));
}

#[test]
fn a_bucket_keeps_what_it_has_where_the_queue_has_lost_what_it_knew() {
    let bucket = Bucket::new("memory://lost/lake", StoreOptions::new());
    for part in 0..3 {
        let stand = Stand::new();
        let running = stand.run(stand.builder().plugin("bucket", wanted(), bucket.plugin()));
        publish(running.publisher().service("orders"), |_| (0..100).for_each(|row| tracing::info!("{part} {row}")));
        running.stop();
    }
    let messages = bucket.lines().into_iter().map(|line| line["message"].as_str().expect("a text").to_owned());
    assert!(messages.eq((0..3).flat_map(|part| (0..100).map(move |row| format!("{part} {row}")))));
}

#[cfg(feature = "s3")]
#[test]
fn a_server_that_speaks_s3_has_the_lake() {
    let server = spanlake_testkit::servers::S3Server::start();
    server.create_bucket("lakes");
    let options = StoreOptions::new()
        .option("aws_endpoint", server.endpoint())
        .option("aws_allow_http", "true")
        .option("aws_region", "eu-central-1")
        .option("aws_access_key_id", "key")
        .option("aws_secret_access_key", "secret");
    let (stand, mut bucket) = (Stand::new(), Bucket::new("s3://lakes/site", options));
    let running = stand.run(bucket.plug(stand.builder(), wanted()));
    publish(running.publisher().service("orders"), |_| (0..100).for_each(|row| tracing::info!("before {row}")));
    running.wait(|collector| collector.plugins()[0].written == 100);
    running.stop();
    assert_eq!(bucket.messages(), expected(&["before"]));
    assert_eq!(bucket.objects("").keys().filter(|path| path.ends_with(".parquet")).count(), 1);
}

#[test]
fn an_address_that_is_none_is_told_at_the_start() {
    for address in ["ftp://lakes", "s4://lakes/site"] {
        BucketPlugin::new(address, &StoreOptions::new(), "unused", Formats::Both).expect_err(address);
    }
}
