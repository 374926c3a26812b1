//! A bucket: whole objects below a prefix, by way of the `object_store` crate.

mod thread;
mod tries;
mod failure;
#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
mod cloud;
mod connect;
mod redact;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload};
use spanlake_core::{Category, Error, Stage};

use super::address::Bucket;
use super::{Backend, Made, SERVICE, Store, StoreOptions, Stored};
use redact::Redactor;
use thread::Thread;
use tries::{Answer, Patience};

/// A lake in a bucket.
struct Objects {
    location: String,
    /// What stands before every path: nothing, or the path of a folder.
    prefix: String,
    client: Arc<dyn ObjectStore>,
    thread: Thread,
    patience: Patience,
    redactor: Redactor,
}

// === impl Bucket ===

impl Bucket {
    /// Makes a client, and the thread that it works on.
    pub(super) fn open(self, options: &StoreOptions) -> Result<Store, Error> {
        let settings = options.settings();
        let redactor = Redactor::new(&settings);
        let wrong = |error: &object_store::Error| self.wrong("cannot set up").caused_by(redactor.chain(error));
        let client = connect::client(&self, &settings, options.timeout).map_err(|error| wrong(&error))?;
        let client = client.ok_or_else(|| self.lacks_feature())?;
        let prefix = Path::from_url_path(&self.path).map_err(|error| wrong(&error.into()))?.to_string();
        let thread = Thread::spawn().map_err(|error| Error::io(SERVICE, "cannot start a thread", error))?;
        let patience = Patience { timeout: options.timeout, retry_timeout: options.retry_timeout };
        Ok(Store::new(Objects { location: self.to_string(), prefix, client, thread, patience, redactor }))
    }
}

// === impl Objects ===

impl Objects {
    /// Where the object of a path is; of the empty path it is the prefix.
    fn object(&self, path: &str) -> Result<Path, Error> {
        Path::parse(format!("{}/{path}", self.prefix)).map_err(|error| {
            let message = "a bucket does not take such a path";
            Error::new(Stage::Handler, SERVICE, Category::Validation, message).caused_by(error)
        })
    }

    /// Lets the thread do something until it is done or cannot be, and waits for that.
    fn run<T, F>(
        &self,
        message: &str,
        work: impl Fn(Arc<dyn ObjectStore>) -> F + Send + 'static,
    ) -> Result<Answer<T>, Error>
    where
        T: Send + 'static,
        F: Future<Output = object_store::Result<T>> + Send,
    {
        let (client, patience) = (Arc::clone(&self.client), self.patience);
        let tried = async move { patience.tried(move || work(Arc::clone(&client))).await };
        let answer = self.thread.run(patience.timeout, tried).and_then(|answer| answer);
        answer.map_err(|error| Error::io(SERVICE, message, error))
    }

    fn error(&self, message: &str, error: &object_store::Error) -> Error {
        let told = Error::new(Stage::Handler, SERVICE, Category::Io, message).caused_by(self.redactor.chain(error));
        if failure::can_pass(error) { told.recoverable() } else { told }
    }

    fn stored(&self, meta: &ObjectMeta) -> Option<Stored> {
        let path = meta.location.as_ref().strip_prefix(&*self.prefix)?.trim_start_matches('/').to_owned();
        Some(Stored { path, bytes: meta.size, modified_us: meta.last_modified.timestamp_micros() })
    }
}

impl Backend for Objects {
    fn location(&self) -> String {
        self.location.clone()
    }

    fn list(&mut self, folder: &str) -> Result<Vec<Stored>, Error> {
        let message = "cannot list the objects";
        let folder = self.object(folder)?;
        let listed = self.run(message, move |client| {
            let folder = folder.clone();
            async move { client.list(Some(&folder)).try_collect::<Vec<ObjectMeta>>().await }
        })?;
        let listed = listed.result.map_err(|error| self.error(message, &error))?;
        Ok(listed.iter().filter_map(|meta| self.stored(meta)).collect())
    }

    fn read(&mut self, path: &str) -> Result<Option<Vec<u8>>, Error> {
        let message = "cannot read the object";
        let object = self.object(path)?;
        let read = self.run(message, move |client| {
            let object = object.clone();
            async move { client.get(&object).await?.bytes().await }
        })?;
        match read.result {
            Ok(content) => Ok(Some(content.into())),
            Err(error) if failure::is_absent(&error) => Ok(None),
            Err(error) => Err(self.error(message, &error)),
        }
    }

    fn put(&mut self, path: &str, content: &[u8]) -> Result<(), Error> {
        let message = "cannot put the object";
        let put = self.put_as(path, content, PutMode::Overwrite, message)?;
        put.result.map_err(|error| self.error(message, &error))
    }

    fn put_new(&mut self, path: &str, content: &[u8]) -> Result<Made, Error> {
        let message = "cannot put the new object";
        let put = self.put_as(path, content, PutMode::Create, message)?;
        match put.result {
            Ok(()) => Ok(Made::Yes),
            Err(error) if failure::is_taken(&error) => Ok(if put.tries > 1 { Made::Unclear } else { Made::No }),
            Err(error) => Err(self.error(message, &error)),
        }
    }

    fn appends(&self) -> bool {
        false
    }

    fn append(&mut self, _path: &str, _lines: &[u8]) -> Result<(), Error> {
        let message = "a bucket has whole objects only, which nobody appends to";
        Err(Error::new(Stage::Handler, SERVICE, Category::Validation, message))
    }

    /// What was put there is durable.
    fn sync(&mut self, _path: &str) -> Result<(), Error> {
        Ok(())
    }

    fn remove(&mut self, path: &str) -> Result<(), Error> {
        let message = "cannot remove the object";
        let object = self.object(path)?;
        let removed = self.run(message, move |client| {
            let object = object.clone();
            async move { client.delete(&object).await }
        })?;
        match removed.result {
            Err(error) if !failure::is_absent(&error) => Err(self.error(message, &error)),
            _ => Ok(()),
        }
    }
}

impl Objects {
    fn put_as(&self, path: &str, content: &[u8], mode: PutMode, message: &str) -> Result<Answer<()>, Error> {
        let (object, content) = (self.object(path)?, PutPayload::from(content.to_vec()));
        self.run(message, move |client| {
            let (object, content, mode) = (object.clone(), content.clone(), mode.clone());
            async move { client.put_opts(&object, content, mode.into()).await.map(drop) }
        })
    }
}

/// Nothing of the client, which knows credentials.
impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Objects").field("location", &self.location).finish_non_exhaustive()
    }
}
