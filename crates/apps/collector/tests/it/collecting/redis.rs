//! Records in a Redis server: a real one, which goes down and comes back.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::num::NonZeroU64;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use redis::{Client, Commands, Connection};
use spanlake_collector::{CANARY_TARGET, Match, RedisPlugin};
use spanlake_core::{Secret, SinkState};

use super::stand::{LONG, Running, Stand, publish};

/// A server in a folder of its own, which ends with it.
struct Server {
    folder: tempfile::TempDir,
    port: u16,
    /// Whether it has again what it had when it comes back.
    keeps: &'static str,
    process: Option<Child>,
}

impl Server {
    fn start(keeps: &'static str) -> Self {
        let port =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|free| free.local_addr()).expect("a port").port();
        let folder = tempfile::tempdir().expect("a folder");
        let mut server = Self { folder, port, keeps, process: None };
        server.come_up();
        server
    }

    /// Comes back when it can be asked.
    fn come_up(&mut self) {
        let log = File::create(self.folder.path().join("log")).expect("a log");
        let port = self.port.to_string();
        let arguments = ["--port", &port, "--bind", "127.0.0.1", "--save", "", "--appendonly", self.keeps];
        let process = Command::new("redis-server").args(arguments).current_dir(&self.folder).stdout(log).spawn();
        self.process = Some(process.expect("redis-server is installed by `./test setup`"));
        let until = Instant::now() + LONG;
        while self.try_connect().and_then(|mut server| redis::cmd("PING").exec(&mut server)).is_err() {
            assert!(Instant::now() < until, "the server does not come up");
            std::thread::yield_now();
        }
    }

    fn kill(&mut self) {
        let mut process = self.process.take().expect("it runs");
        process.kill().expect("it is killed");
        process.wait().expect("it ends");
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    fn plugin(&self) -> RedisPlugin {
        RedisPlugin::new(&Secret::new(self.url())).expect("a plugin")
    }

    fn try_connect(&self) -> redis::RedisResult<Connection> {
        Client::open(self.url())?.get_connection_with_timeout(Duration::from_secs(1))
    }

    fn connect(&self) -> Connection {
        self.try_connect().expect("a connection")
    }

    /// The messages of a stream's entries.
    fn messages(&self, stream: &str) -> Vec<String> {
        let range = redis::cmd("XRANGE").arg(stream).arg("-").arg("+").to_owned();
        let entries: Vec<(String, (String, String))> = range.query(&mut self.connect()).expect("a stream");
        let line = |(_, (field, line)): &(String, (String, String))| (field == "record").then(|| line.clone());
        entries.iter().filter_map(|entry| message(&line(entry).expect("an entry has a record"))).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
    }
}

/// What a JSON line says, unless it is a canary.
fn message(line: &str) -> Option<String> {
    let record: serde_json::Value = serde_json::from_str(line).expect("JSON");
    (record["target"] != CANARY_TARGET).then(|| record["message"].as_str().expect("a text").to_owned())
}

fn start(stand: &Stand, plugin: RedisPlugin) -> Running<'_> {
    stand.run(stand.builder().plugin("redis", Match::default(), plugin))
}

fn rows(rows: std::ops::Range<u32>) -> Vec<String> {
    rows.map(|row| format!("row {row}")).collect()
}

#[test]
fn every_record_is_an_entry_in_order_and_a_message_to_who_listens() {
    let (server, stand) = (Server::start("no"), Stand::new());
    let mut listening = server.connect();
    let mut listener = listening.as_pubsub();
    listener.subscribe("records").expect("a subscription");
    listener.set_read_timeout(Some(LONG)).expect("a timeout");
    let running = start(&stand, server.plugin().stream("orders").channel("records"));
    publish(running.publisher(), |_| (0..5000).for_each(|row| tracing::info!(row, "row {row}")));
    running.wait(|collector| collector.plugins()[0].written >= 5000);
    running.stop();
    assert_eq!(server.messages("orders"), rows(0..5000));
    let mut heard = Vec::new();
    while heard.len() < 5000 {
        let line: String = listener.get_message().expect("a message").get_payload().expect("a text");
        heard.extend(message(&line));
    }
    assert_eq!(heard, rows(0..5000));
}

#[test]
fn a_stream_keeps_the_newest() {
    let (server, stand) = (Server::start("no"), Stand::new());
    let most = NonZeroU64::new(500).expect("not zero");
    let running = start(&stand, server.plugin().max_len(most));
    publish(running.publisher(), |_| (0..5000).for_each(|row| tracing::info!("row {row}")));
    running.wait(|collector| collector.plugins()[0].written >= 5000);
    running.stop();
    let kept = server.messages("spanlake");
    // It lets go of whole nodes, which have up to 100 entries.
    assert!((499..=600).contains(&kept.len()), "{}", kept.len());
    assert!(kept.ends_with(&rows(4600..5000)));
}

#[test]
fn who_only_publishes_has_no_stream() {
    let (server, stand) = (Server::start("no"), Stand::new());
    let running = start(&stand, server.plugin().channel("records"));
    publish(running.publisher(), |_| tracing::info!("heard by nobody"));
    running.wait(|collector| collector.plugins()[0].written >= 1);
    running.stop();
    let keys: u64 = redis::cmd("DBSIZE").query(&mut server.connect()).expect("a count");
    assert_eq!(keys, 0);
}

#[test]
fn nothing_is_missing_when_the_server_was_killed_and_came_back() {
    let (mut server, stand) = (Server::start("yes"), Stand::new());
    let running = start(&stand, server.plugin());
    publish(running.publisher(), |guard| {
        (0..2000).for_each(|row| tracing::info!("row {row}"));
        assert!(guard.flush(LONG).is_complete());
        running.wait(|collector| collector.plugins()[0].written >= 1);
        server.kill();
        (2000..4000).for_each(|row| tracing::info!("row {row}"));
        assert!(guard.flush(LONG).is_complete());
        running.wait(|collector| collector.plugins()[0].state == SinkState::Retrying);
        server.come_up();
        (4000..6000).for_each(|row| tracing::info!("row {row}"));
    });
    running.wait(|collector| collector.plugins()[0].written >= 6000);
    assert_eq!(running.collector().plugins()[0].dead, 0);
    running.stop();
    let mut messages = server.messages("spanlake");
    // What was not answered may be there twice, as a whole.
    let mut known = std::collections::HashSet::new();
    messages.retain(|message| known.insert(message.clone()));
    assert_eq!(messages, rows(0..6000));
}

#[test]
fn what_is_no_stream_is_for_people_to_look_at_and_holds_up_nothing() {
    let (server, stand) = (Server::start("no"), Stand::new());
    let _: () = server.connect().set("spanlake", "a text").expect("a key");
    let running = start(&stand, server.plugin());
    publish(running.publisher(), |_| tracing::info!("not taken"));
    running.wait(|collector| collector.plugins()[0].dead >= 1);
    let error = running.collector().plugins()[0].last_error.clone().expect("an error");
    assert!(error.contains("WRONGTYPE"), "{error}");
    let _: () = server.connect().del("spanlake").expect("it goes");
    publish(running.publisher(), |_| tracing::info!("taken"));
    running.wait(|collector| collector.plugins()[0].written >= 1);
    running.stop();
    assert!(server.messages("spanlake").contains(&"taken".to_owned()));
}

#[test]
fn an_address_that_is_none_is_told_without_its_password() {
    let error = RedisPlugin::new(&Secret::new("http://ada:s3cret@host".to_owned())).expect_err("no address");
    assert!(error.is_validation() && !error.chain().contains("s3cret"), "{}", error.chain());
}
