//! MongoDB, by a server that speaks its protocol over SQLite. It shows what the driver sends and how answers are understood; nothing of
//! replica sets, of the journal, or of how durable a real server is.

use std::path::Path;

use mongodb::bson::{Document, doc};
use mongodb::sync::{Client, Collection};
use spanlake_collector::plugins::{Acknowledged, MongoPlugin};
use spanlake_collector::{CollectorBuilder, Match};
use spanlake_core::Secret;

use super::away::{
    Side, expected, is_asked_while_nothing_is_for_it, is_away_and_comes_back, is_sent_again_after_a_crash, wanted,
};
use super::server::{Server, free_address};
use crate::collecting::stand::{Stand, publish};

struct Mongo {
    server: Server,
    _scratch: tempfile::TempDir,
}

impl Mongo {
    fn new() -> Self {
        let (scratch, address) = (tempfile::tempdir().expect("a folder"), free_address());
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../.venv/bin/nx-27017");
        let path = |name: &str| scratch.path().join(name).to_str().expect("UTF-8").to_owned();
        let port = address.port().to_string();
        let (data, log, pid) = (path("data.db"), path("log"), path("pid"));
        let arguments = ["--host", "127.0.0.1", "--port", &port, "--db", &data, "--log-file", &log, "--pid-file", &pid];
        let program = program.to_str().expect("UTF-8");
        Self { server: Server::new(address, program, &arguments), _scratch: scratch }
    }

    fn url(&self) -> Secret<String> {
        Secret::new(format!("mongodb://{}", self.server.address))
    }

    fn documents(&self) -> Vec<Document> {
        let client = Client::with_uri_str(self.url().expose()).expect("a client");
        let collection: Collection<Document> = client.database("spanlake").collection("records");
        let found = collection.find(doc! {}).sort(doc! { "_id": 1 }).run().expect("a cursor");
        found.map(|document| document.expect("a document")).collect()
    }
}

impl Side for Mongo {
    fn start(&mut self) {
        self.server.start();
    }

    fn stop(&mut self) {
        self.server.stop();
    }

    fn plug(&self, builder: CollectorBuilder, wanted: Match) -> CollectorBuilder {
        let plugin = MongoPlugin::new(&self.url(), "spanlake", "records").expect("a plugin");
        builder.plugin("mongodb", wanted, plugin.acknowledged(Acknowledged::One, false))
    }

    fn messages(&mut self) -> Vec<String> {
        let message = |document: &Document| document.get_str("message").expect("a text").to_owned();
        self.documents().iter().map(message).collect()
    }
}

#[test]
fn a_collection_has_everything_once_and_in_order_when_the_server_was_away() {
    is_away_and_comes_back(&mut Mongo::new());
}

#[test]
fn whether_a_server_is_there_is_known_while_nothing_is_for_it() {
    let mut side = Mongo::new();
    let plugin = MongoPlugin::new(&side.url(), "spanlake", "records").expect("a plugin");
    is_asked_while_nothing_is_for_it(&mut side, plugin);
}

#[test]
fn a_collection_has_once_what_was_sent_again_after_a_crash() {
    let arrived = is_sent_again_after_a_crash(&mut Mongo::new(), 200);
    assert_eq!(arrived, expected(&["before", "after"]));
}

#[test]
fn documents_have_the_columns_of_the_lake_with_their_types() {
    let mut side = Mongo::new();
    side.start();
    let stand = Stand::new();
    let running = stand.run(side.plug(stand.builder(), wanted()));
    publish(running.publisher().service("orders"), |_| {
        let _job = tracing::info_span!("job", user = "ada").entered();
        tracing::warn!(row = 7, ok = true, ratio = 0.5, large = u64::MAX, "late");
    });
    running.wait(|collector| collector.plugins()[0].written == 3);
    running.stop();
    let documents = side.documents();
    let late = documents.iter().find(|document| document.get_str("message").is_ok_and(|text| text == "late"));
    let late = late.expect("it is there");
    let fields = late.get_document("fields").expect("fields");
    // This server keeps JSON, and gives back the smallest number that fits.
    let row = fields.get("row").and_then(|row| row.as_i64().or(row.as_i32().map(i64::from)));
    assert_eq!((row, fields.get_bool("ok").ok(), fields.get_f64("ratio").ok()), (Some(7), Some(true), Some(0.5)));
    assert_eq!(fields.get_str("large").expect("a text"), "18446744073709551615");
    assert_eq!(late.get_document("context").expect("context"), &doc! { "user": "ada" });
    let text = |name: &str| late.get_str(name).expect("a text");
    assert_eq!((text("level"), text("service")), ("WARN", "orders"));
    let (at, ts) = (late.get_datetime("at").expect("a date"), late.get_str("ts").expect("a text"));
    assert_eq!(at.try_to_rfc3339_string().expect("a time")[..19], ts[..19]);
}

#[test]
fn a_name_that_documents_do_not_have_holds_up_nothing() {
    let (mut side, stand) = (Mongo::new(), Stand::new());
    side.start();
    let running = stand.run(side.plug(stand.builder(), wanted()));
    publish(running.publisher().service("orders"), |_| tracing::info!("a\0b" = 7, "with a zero"));
    running.wait(|collector| collector.plugins()[0].written == 1);
    running.stop();
    let documents = side.documents();
    let fields = documents[0].get_document("fields").expect("fields");
    assert_eq!(fields.keys().collect::<Vec<_>>(), ["a\u{fffd}b"]);
}

#[test]
fn only_a_url_that_is_none_is_refused_at_the_start() {
    let url = |text: &str| Secret::new(text.to_owned());
    let error = MongoPlugin::new(&url("http://me:secret@nowhere"), "a", "b").expect_err("it is none");
    assert!(!error.chain().to_string().contains("secret"), "{}", error.chain());
    MongoPlugin::new(&url("mongodb://127.0.0.1:1"), "a", "b").expect("it need not be there");
}
