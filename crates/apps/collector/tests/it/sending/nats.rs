//! NATS, the real server, with a stream that has the subject: so that what nobody heard is there to be looked at.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull;
use async_nats::jetstream::stream::Config;
use futures_util::StreamExt;
use spanlake_collector::plugins::{Form, NatsPlugin};
use spanlake_collector::{CollectorBuilder, Match};
use spanlake_core::Secret;
use tokio::runtime::Runtime;

use super::away::{
    Side, expected, is_asked_while_nothing_is_for_it, is_away_and_comes_back, is_sent_again_after_a_crash,
    one_poisonous_record_drags_no_other_with_it, wanted,
};
use super::server::{Server, free_address, slow_way};
use crate::collecting::stand::{LONG, Stand, publish};

const SUBJECT: &str = "spanlake.records";

struct Nats {
    server: Server,
    runtime: Runtime,
    _scratch: tempfile::TempDir,
}

impl Nats {
    fn new() -> Self {
        let (scratch, address) = (tempfile::tempdir().expect("a folder"), free_address());
        let (port, folder) = (address.port().to_string(), scratch.path().to_str().expect("UTF-8").to_owned());
        let server = Server::new(address, "nats-server", &["-js", "-a", "127.0.0.1", "-p", &port, "-sd", &folder]);
        Self { server, runtime: Runtime::new().expect("a runtime"), _scratch: scratch }
    }

    fn url(&self) -> Secret<String> {
        Secret::new(format!("nats://{}", self.server.address))
    }

    async fn stream(&self) -> Result<jetstream::stream::Stream, async_nats::Error> {
        let client = async_nats::connect(self.url().expose()).await?;
        let subjects = vec![format!("{SUBJECT}.>")];
        let config = Config { name: "RECORDS".to_owned(), subjects, ..Config::default() };
        Ok(jetstream::new(client).get_or_create_stream(config).await?)
    }

    async fn read(&self) -> Result<Vec<(String, String)>, async_nats::Error> {
        let consumer = self.stream().await?.create_consumer(pull::Config::default()).await?;
        let mut messages = consumer.fetch().max_messages(1000).messages().await?;
        let mut read = Vec::new();
        while let Some(message) = messages.next().await {
            let message = message?;
            let record: serde_json::Value = serde_json::from_slice(&message.payload)?;
            let text = record["message"].as_str().unwrap_or_default().to_owned();
            read.push((message.subject.to_string(), text));
        }
        Ok(read)
    }
}

impl Side for Nats {
    fn start(&mut self) {
        self.server.start();
        self.runtime.block_on(self.stream()).expect("a stream");
    }

    fn stop(&mut self) {
        self.server.stop();
    }

    fn plug(&self, builder: CollectorBuilder, wanted: Match) -> CollectorBuilder {
        builder.plugin("nats", wanted, NatsPlugin::new(&self.url(), SUBJECT).expect("a plugin"))
    }

    fn messages(&mut self) -> Vec<String> {
        let read = self.runtime.block_on(self.read()).expect("messages");
        read.into_iter().map(|(_, text)| text).collect()
    }
}

#[test]
fn a_stream_has_everything_once_and_in_order_when_the_server_was_away() {
    is_away_and_comes_back(&mut Nats::new());
}

#[test]
fn whether_a_server_is_there_is_known_while_nothing_is_for_it() {
    let mut side = Nats::new();
    let plugin = NatsPlugin::new(&side.url(), SUBJECT).expect("a plugin");
    is_asked_while_nothing_is_for_it(&mut side, plugin);
}

#[test]
fn a_stream_drops_by_its_id_what_was_sent_again_after_a_crash() {
    let arrived = is_sent_again_after_a_crash(&mut Nats::new(), 200);
    assert_eq!(arrived, expected(&["before", "after"]));
}

#[test]
fn who_subscribes_to_a_level_gets_notifications_of_it() {
    let mut side = Nats::new();
    side.start();
    let mut heard = side.runtime.block_on(async {
        let client = async_nats::connect(side.url().expose()).await.expect("a connection");
        let subscriber = client.subscribe(format!("{SUBJECT}.warning")).await.expect("a subscription");
        client.flush().await.expect("the server knows of it");
        subscriber
    });
    let stand = Stand::new();
    let plugin = NatsPlugin::new(&side.url(), SUBJECT).expect("a plugin").form(Form::Notification);
    let running = stand.run(stand.builder().plugin("nats", wanted(), plugin));
    publish(running.publisher().service("orders"), |_| {
        tracing::info!("quiet");
        tracing::warn!(row = 7, "loud");
    });
    let message = side.runtime.block_on(async { tokio::time::timeout(LONG, heard.next()).await });
    let payload = message.expect("in time").expect("a message").payload;
    let frames: [&[u8]; 2] = [b"warning", &payload];
    let record = spanlake_wire::notification::read(&frames, 1 << 20, 0).expect("a notification");
    assert_eq!((record.message.as_str(), record.fields.len()), ("loud", 1));
    let silence = side.runtime.block_on(async { tokio::time::timeout(Duration::from_millis(100), heard.next()).await });
    assert!(silence.is_err(), "what is quiet has another subject");
    running.stop();
}

#[test]
fn what_is_longer_than_the_server_takes_goes_to_the_dead_letters_and_holds_up_nothing() {
    let (mut side, stand) = (Nats::new(), Stand::new());
    side.start();
    let running = stand.run(side.plug(stand.builder(), wanted()));
    let send = |program: &dyn Fn()| drop(publish(running.publisher().service("orders"), |_| program()));
    send(&|| tracing::info!("before"));
    running.wait(|collector| collector.plugins()[0].written == 1);
    // What JSON has to escape takes six bytes for each.
    let text = "\u{1}".repeat(60_000);
    send(&|| tracing::info!(one = text, two = text, three = text, "too long"));
    running.wait(|collector| collector.plugins()[0].dead == 1);
    send(&|| tracing::info!("after"));
    running.wait(|collector| collector.plugins()[0].written == 2);
    running.stop();
    assert_eq!(side.messages(), ["before", "after"]);
}

#[test]
fn what_is_too_long_drags_nothing_of_others_to_the_dead_letters() {
    let text = "\u{1}".repeat(60_000);
    one_poisonous_record_drags_no_other_with_it(&mut Nats::new(), || {
        tracing::info!(one = text, two = text, three = text, "poison");
    });
}

#[test]
fn what_takes_a_slow_network_longer_than_an_answer_is_waited_for_arrives_too() {
    let (mut side, stand) = (Nats::new(), Stand::new());
    side.start();
    // Without a plugin all of it waits in the queue, and comes at once afterwards.
    let running = stand.run(stand.builder());
    let text = "\u{1}".repeat(10_000);
    publish(running.publisher().service("orders"), |_| (0..80).for_each(|row| tracing::info!(text, "{row}")));
    running.stop();
    let url = Secret::new(format!("nats://{}", slow_way(side.server.address, 640 << 10)));
    let plugin = NatsPlugin::new(&url, SUBJECT).expect("a plugin");
    let running = stand.run(stand.builder().plugin("nats", wanted(), plugin));
    running.wait(|collector| collector.plugins()[0].written == 80);
    assert_eq!(running.collector().plugins()[0].errors, 0);
    running.stop();
    assert_eq!(side.messages(), (0..80).map(|row| row.to_string()).collect::<Vec<_>>());
}

#[test]
fn only_what_is_wrong_in_the_settings_is_refused_at_the_start() {
    let url = |text: &str| Secret::new(text.to_owned());
    for (address, subject) in [("nats://nowhere:port", "a"), ("nats://nowhere", "a.*"), ("nats://nowhere", "a b")] {
        let error = NatsPlugin::new(&url(address), subject).expect_err("it is wrong");
        assert!(!error.is_recoverable(), "{}", error.code());
    }
    NatsPlugin::new(&url("nats://127.0.0.1:1"), "a.b").expect("it need not be there");
}
