//! MongoDB: a collection with a document for each record.

use std::time::Duration;

use mongodb::bson::{Bson, DateTime, Document, doc};
use mongodb::error::ErrorKind;
use mongodb::options::{Acknowledgment, ClientOptions, ConnectionString, InsertManyOptions, WriteConcern};
use mongodb::sync::{Client, Database};
use serde_json::{Map, Value};
use spanlake_core::{Category, Error, Record, Secret, Stage};

use super::columns::Columns;
use super::{Pieces, Place, Plugin, Portion};

/// How long a server is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// A document with this `_id` is there already.
const DUPLICATE_KEY: i32 = 11000;

/// Documents of one command.
const COMMAND_DOCUMENTS: usize = 1000;

const SERVICE: &str = "MongoPlugin";

/// Inserts each record as a document with the columns of the lake.
///
/// `_id` says where the record stands in the collector's queue, so that one that is written again after a crash is there once, and
/// `_id`s of one collector are in the order of its queue. `ts` is a text with microseconds, as in the lake; `at` is the same time as a
/// date, in milliseconds, for queries and for indexes by which documents expire.
pub struct MongoPlugin {
    address: ConnectionString,
    database: String,
    collection: String,
    concern: WriteConcern,
    columns: Columns,
    session: Option<Database>,
}

/// Who has to have a document before it counts as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acknowledged {
    /// The primary.
    One,
    /// Most members of the replica set.
    #[default]
    Majority,
}

// === impl MongoPlugin ===

impl MongoPlugin {
    /// A collection at a server such as `mongodb://127.0.0.1:27017`, most of whose members are to have a document. Fails when the URL is
    /// none; it connects when there is something to write.
    pub fn new(
        url: &Secret<String>,
        database: impl Into<String>,
        collection: impl Into<String>,
    ) -> Result<Self, Error> {
        // Without a cause: it might quote a password.
        let wrong = |_| Error::new(Stage::Configuration, SERVICE, Category::Validation, "the server's URL is none");
        let address = ConnectionString::parse(url.expose()).map_err(wrong)?;
        let plugin = Self {
            address,
            database: database.into(),
            collection: collection.into(),
            concern: WriteConcern::majority(),
            columns: Columns::default(),
            session: None,
        };
        Ok(plugin)
    }

    /// Who has to have a document, and whether that is to be in the journal on the disk.
    #[must_use]
    pub fn acknowledged(mut self, by: Acknowledged, journaled: bool) -> Self {
        let by = match by {
            Acknowledged::One => Acknowledgment::Nodes(1),
            Acknowledged::Majority => Acknowledgment::Majority,
        };
        self.concern = WriteConcern::builder().w(by).journal(journaled.then_some(true)).build();
        self
    }

    fn connect(&self) -> mongodb::error::Result<Database> {
        let mut options = ClientOptions::parse(self.address.clone()).run()?;
        options.server_selection_timeout = Some(PATIENCE);
        options.connect_timeout = Some(PATIENCE);
        options.app_name.get_or_insert_with(|| "spanlaked".to_owned());
        Ok(Client::with_options(options)?.database(&self.database))
    }

    fn document(&mut self, queue: u64, place: Place, record: &Record<'_>) -> Result<Document, Error> {
        let Place { entry, at } = place;
        let mut document = Document::new();
        document.insert("_id", format!("{queue:016x}-{entry:016}-{at:08}"));
        document.insert("at", DateTime::from_millis(record.ts_ns.div_euclid(1_000_000)));
        document.extend(members(self.columns.of(record)?));
        Ok(document)
    }
}

impl Plugin for MongoPlugin {
    fn write(&mut self, portion: &Portion<'_>) -> Result<(), Error> {
        let documents = portion.records().map(|(place, record)| self.document(portion.queue(), place, record));
        let documents: Vec<Document> = documents.collect::<Result<_, _>>()?;
        let session = self.session.take().map_or_else(|| self.connect(), Ok).map_err(failed)?;
        let collection = session.collection::<Document>(&self.collection);
        let written = documents.chunks(COMMAND_DOCUMENTS).try_for_each(|documents| {
            // One that is there already keeps none of the others back.
            let options = InsertManyOptions::builder().ordered(false).write_concern(Some(self.concern.clone())).build();
            let inserted = collection.insert_many(documents).with_options(options).run();
            inserted.map(drop).or_else(|error| if is_repeat(&error) { Ok(()) } else { Err(failed(error)) })
        });
        // Who refuses documents is there.
        self.session = Some(session).filter(|_| written.as_ref().err().is_none_or(|error| !error.is_recoverable()));
        written
    }

    /// Each document has an `_id` of its own.
    fn pieces(&self) -> Pieces {
        Pieces::Records
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }

    fn reach(&mut self) -> Result<(), Error> {
        let session = self.session.take().map_or_else(|| self.connect(), Ok).map_err(failed)?;
        session.run_command(doc! { "ping": 1 }).run().map_err(failed)?;
        self.session = Some(session);
        Ok(())
    }
}

/// Whether nothing is wrong but that documents are there already.
fn is_repeat(error: &mongodb::error::Error) -> bool {
    let ErrorKind::InsertMany(many) = &*error.kind else {
        return false;
    };
    let failures = many.write_errors.as_deref().unwrap_or_default();
    many.write_concern_error.is_none()
        && !failures.is_empty()
        && failures.iter().all(|error| error.code == DUPLICATE_KEY)
}

/// A document that is refused will be refused again. Whatever else is wrong somebody may put right while the records wait.
fn failed(error: mongodb::error::Error) -> Error {
    let is_refused = match &*error.kind {
        ErrorKind::InsertMany(many) => many.write_errors.iter().flatten().any(|error| error.code != DUPLICATE_KEY),
        ErrorKind::InvalidArgument { .. } => true,
        _ => false,
    };
    let failed = Error::new(Stage::Handler, SERVICE, Category::Io, "the server does not take documents");
    let failed = failed.caused_by(error);
    if is_refused { failed } else { failed.recoverable() }
}

/// What is no number there, which are those above the largest signed one, is a text.
fn bson(value: Value) -> Bson {
    match value {
        Value::Null => Bson::Null,
        Value::Bool(value) => Bson::Boolean(value),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => Bson::Int64(whole),
            None if number.is_u64() => Bson::String(number.to_string()),
            None => number.as_f64().map_or_else(|| Bson::String(number.to_string()), Bson::Double),
        },
        Value::String(text) => Bson::String(text),
        Value::Array(values) => Bson::Array(values.into_iter().map(bson).collect()),
        Value::Object(fields) => Bson::Document(members(fields).collect()),
    }
}

/// A name ends with its first zero there, so that one with a zero in it is none.
fn members(fields: Map<String, Value>) -> impl Iterator<Item = (String, Bson)> {
    let name = |name: String| if name.contains('\0') { name.replace('\0', "\u{fffd}") } else { name };
    fields.into_iter().map(move |(key, value)| (name(key), bson(value)))
}

impl std::fmt::Debug for MongoPlugin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = (&self.database, &self.collection);
        f.debug_tuple("MongoPlugin").field(&place).finish()
    }
}
