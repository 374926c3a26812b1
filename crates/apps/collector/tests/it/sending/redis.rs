//! Redis, the real server: a stream has each record once, a channel is heard by who listens.

use std::collections::BTreeMap;
use std::num::NonZeroU64;

use spanlake_collector::plugins::{Fields, RedisPlugin};
use spanlake_collector::{CollectorBuilder, Match};
use spanlake_core::{Secret, SinkState};

use super::away::{
    Side, expected, is_asked_while_nothing_is_for_it, is_away_and_comes_back, is_away_while_the_collector_restarts,
    is_sent_again_after_a_crash, wanted,
};
use super::server::{Server, free_address, slow_way};
use crate::collecting::stand::{LONG, Stand, publish};

struct Redis {
    server: Server,
    fields: Fields,
    _scratch: tempfile::TempDir,
}

const KEY: &str = "orders";

impl Redis {
    fn new(fields: Fields) -> Self {
        let (scratch, address) = (tempfile::tempdir().expect("a folder"), free_address());
        let (port, folder) = (address.port().to_string(), scratch.path().to_str().expect("UTF-8").to_owned());
        let keeps = ["--save", "", "--appendonly", "yes", "--dir", &folder];
        let arguments = [&["--port", &port, "--bind", "127.0.0.1"], &keeps[..]].concat();
        Self { server: Server::new(address, "redis-server", &arguments), fields, _scratch: scratch }
    }

    fn url(&self) -> Secret<String> {
        Secret::new(format!("redis://{}/0", self.server.address))
    }

    fn connect(&self) -> redis::Connection {
        let client = redis::Client::open(self.url().expose().as_str()).expect("a URL");
        client.get_connection().expect("a connection")
    }

    fn entries(&self) -> Vec<BTreeMap<String, String>> {
        let range = redis::cmd("XRANGE").arg(KEY).arg("-").arg("+").query(&mut self.connect());
        let entries: Vec<(String, Vec<String>)> = range.expect("a stream");
        let pairs = |fields: Vec<String>| {
            fields.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect::<BTreeMap<_, _>>()
        };
        entries.into_iter().map(|(_, fields)| pairs(fields)).collect()
    }
}

impl Side for Redis {
    fn start(&mut self) {
        self.server.start();
        let until = std::time::Instant::now() + LONG;
        // It listens before it has read what it kept.
        while redis::cmd("PING").query::<String>(&mut self.connect()).is_err() {
            assert!(std::time::Instant::now() < until, "it does not answer");
        }
    }

    fn stop(&mut self) {
        self.server.stop();
    }

    fn plug(&self, builder: CollectorBuilder, wanted: Match) -> CollectorBuilder {
        let most = NonZeroU64::new(100_000).expect("not zero");
        let plugin = RedisPlugin::stream(&self.url(), KEY, most).expect("a plugin").fields(self.fields);
        builder.plugin("redis", wanted, plugin)
    }

    fn messages(&mut self) -> Vec<String> {
        let message = |entry: BTreeMap<String, String>| match self.fields {
            Fields::Columns => entry["message"].clone(),
            Fields::Record => {
                let record: serde_json::Value = serde_json::from_str(&entry["record"]).expect("JSON");
                record["message"].as_str().expect("a text").to_owned()
            }
        };
        self.entries().into_iter().map(message).collect()
    }
}

#[test]
fn a_stream_has_everything_once_and_in_order_when_redis_was_away() {
    is_away_and_comes_back(&mut Redis::new(Fields::Columns));
    is_away_and_comes_back(&mut Redis::new(Fields::Record));
}

#[test]
fn whether_redis_is_there_is_known_while_nothing_is_for_it() {
    let mut side = Redis::new(Fields::Columns);
    let plugin = RedisPlugin::stream(&side.url(), KEY, NonZeroU64::MIN).expect("a plugin");
    is_asked_while_nothing_is_for_it(&mut side, plugin);
}

#[test]
fn what_redis_has_not_got_waits_for_the_next_start() {
    is_away_while_the_collector_restarts(&mut Redis::new(Fields::Columns));
}

#[test]
fn a_stream_has_once_what_was_sent_again_after_a_crash() {
    let arrived = is_sent_again_after_a_crash(&mut Redis::new(Fields::Columns), 200);
    assert_eq!(arrived, expected(&["before", "after"]));
}

#[test]
fn entries_have_the_columns_of_the_lake_and_the_stream_is_cut() {
    let mut side = Redis::new(Fields::Columns);
    side.start();
    let stand = Stand::new();
    let plugin = RedisPlugin::stream(&side.url(), KEY, NonZeroU64::new(10).expect("not zero")).expect("a plugin");
    let running = stand.run(stand.builder().plugin("redis", wanted(), plugin));
    publish(running.publisher().service("orders"), |_| {
        (0..1000).for_each(|row| tracing::info!(row, "earlier"));
        let _job = tracing::info_span!("job", user = "ada").entered();
        tracing::warn!(row = 7, ok = true, "late");
    });
    running.wait(|collector| collector.plugins()[0].written == 1003);
    running.stop();
    let entries = side.entries();
    assert!((10..600).contains(&entries.len()), "about ten of 1,003: {}", entries.len());
    let late = entries.iter().find(|entry| entry["message"] == "late").expect("it is there");
    assert_eq!((late["level"].as_str(), late["service"].as_str()), ("WARN", "orders"));
    assert_eq!((late["fields"].as_str(), late["context"].as_str()), (r#"{"ok":true,"row":7}"#, r#"{"user":"ada"}"#));
    assert!(!late.contains_key("outcome"), "what a record has not is no field: {late:?}");
}

#[test]
fn a_channel_is_heard_by_who_listens() {
    let mut side = Redis::new(Fields::Columns);
    side.start();
    let mut listener = side.connect();
    listener.set_read_timeout(Some(LONG)).expect("a deadline");
    let mut heard = listener.as_pubsub();
    heard.subscribe("orders").expect("a channel");
    let stand = Stand::new();
    let plugin = RedisPlugin::channel(&side.url(), "orders").expect("a plugin");
    let running = stand.run(stand.builder().plugin("redis", wanted(), plugin));
    publish(running.publisher().service("orders"), |_| (0..100).for_each(|row| tracing::info!("before {row}")));
    let messages = (0..100).map(|_| {
        let line: String = heard.get_message().expect("a message").get_payload().expect("a text");
        let record: serde_json::Value = serde_json::from_str(&line).expect("JSON");
        record["message"].as_str().expect("a text").to_owned()
    });
    assert_eq!(messages.collect::<Vec<_>>(), expected(&["before"]));
    running.stop();
}

#[test]
fn what_arrives_after_nobody_waits_for_the_answer_any_more_is_there_once() {
    let (mut side, stand) = (Redis::new(Fields::Columns), Stand::new());
    side.start();
    // Without a plugin all of it waits in the queue, and comes at once afterwards.
    let running = stand.run(stand.builder());
    let text = "\u{1}".repeat(10_000);
    publish(running.publisher().service("orders"), |_| (0..80).for_each(|row| tracing::info!(text, "{row}")));
    running.stop();
    let url = Secret::new(format!("redis://{}/0", slow_way(side.server.address, 400 << 10)));
    let plugin = RedisPlugin::stream(&url, KEY, NonZeroU64::new(1000).expect("not zero")).expect("a plugin");
    let running = stand.run(stand.builder().plugin("redis", wanted(), plugin));
    running.wait(|collector| collector.plugins()[0].written == 80);
    assert!(running.collector().plugins()[0].errors > 0, "an answer came too late");
    running.stop();
    // What is still on its way comes to its end, and then there is nobody but who asks here.
    let until = std::time::Instant::now() + LONG;
    let mut asking = side.connect();
    while redis::cmd("CLIENT").arg("LIST").query::<String>(&mut asking).expect("a list").lines().count() > 1 {
        assert!(std::time::Instant::now() < until, "somebody stays");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(side.messages(), (0..80).map(|row| row.to_string()).collect::<Vec<_>>());
}

#[test]
fn only_a_url_that_is_none_is_refused_at_the_start() {
    let url = |text: &str| Secret::new(text.to_owned());
    let error = RedisPlugin::channel(&url("rediss//:secret@nowhere"), "a").expect_err("it is none");
    assert!(!error.chain().to_string().contains("secret"), "{}", error.chain());
    RedisPlugin::channel(&url("redis://127.0.0.1:1/0"), "a").expect("it need not be there");
}

#[test]
fn nothing_is_missing_when_the_server_was_killed_and_came_back() {
    let (mut side, stand) = (Redis::new(Fields::Columns), Stand::new());
    side.start();
    let running = stand.run(side.plug(stand.builder(), wanted()));
    publish(running.publisher().service("orders"), |guard| {
        (0..2000).for_each(|row| tracing::info!("row {row}"));
        assert!(guard.flush(LONG).is_complete());
        running.wait(|collector| collector.plugins()[0].written >= 1);
        side.server.kill();
        (2000..4000).for_each(|row| tracing::info!("row {row}"));
        assert!(guard.flush(LONG).is_complete());
        running.wait(|collector| collector.plugins()[0].state == SinkState::Retrying);
        side.start();
        (4000..6000).for_each(|row| tracing::info!("row {row}"));
    });
    running.wait(|collector| collector.plugins()[0].written >= 6000);
    running.stop();
    // It may have been killed with some that it had not saved, as it saves once a second: those are gone, and nothing comes twice.
    let mut messages = side.messages();
    assert!(messages.ends_with(&(2000..6000).map(|row| format!("row {row}")).collect::<Vec<_>>()));
    let count = messages.len();
    messages.sort();
    messages.dedup();
    assert_eq!(messages.len(), count);
}

#[test]
fn what_is_no_stream_is_for_people_to_look_at_and_holds_up_nothing() {
    let (mut side, stand) = (Redis::new(Fields::Columns), Stand::new());
    side.start();
    redis::cmd("SET").arg(KEY).arg("a text").exec(&mut side.connect()).expect("a key");
    let running = stand.run(side.plug(stand.builder(), wanted()));
    publish(running.publisher().service("orders"), |_| tracing::info!("not taken"));
    running.wait(|collector| collector.plugins()[0].dead >= 1);
    let error = running.collector().plugins()[0].last_error.clone().expect("an error");
    assert!(error.contains("WRONGTYPE"), "{error}");
    redis::cmd("DEL").arg(KEY).exec(&mut side.connect()).expect("it goes");
    publish(running.publisher().service("orders"), |_| tracing::info!("taken"));
    running.wait(|collector| collector.plugins()[0].written >= 1);
    running.stop();
    assert_eq!(side.messages(), ["taken"]);
}
