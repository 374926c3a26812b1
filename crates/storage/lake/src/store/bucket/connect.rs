//! Clients of each kind of bucket.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use object_store::memory::InMemory;
use object_store::{ObjectStore, Result};

#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
use super::cloud;
use crate::store::address::{Bucket, BucketKind};
use crate::store::options::Settings;

/// A client that was asked for nothing yet; `None` when this program was built without.
#[cfg_attr(
    not(any(feature = "s3", feature = "gcs", feature = "azure")),
    expect(unused_variables, reason = "memory has no settings")
)]
pub(super) fn client(bucket: &Bucket, settings: &Settings, timeout: Duration) -> Result<Option<Arc<dyn ObjectStore>>> {
    match bucket.kind {
        BucketKind::Memory => Ok(Some(memory(&bucket.name))),
        #[cfg(feature = "s3")]
        BucketKind::S3 => cloud::s3(bucket, settings, timeout).map(Some),
        #[cfg(feature = "gcs")]
        BucketKind::Gcs => cloud::gcs(bucket, settings, timeout).map(Some),
        #[cfg(feature = "azure")]
        BucketKind::Azure => cloud::azure(bucket, settings, timeout).map(Some),
        #[cfg(not(all(feature = "s3", feature = "gcs", feature = "azure")))]
        _ => Ok(None),
    }
}

/// The one of its name in this process, so that a writer and a reader meet.
fn memory(name: &str) -> Arc<dyn ObjectStore> {
    static NAMED: LazyLock<Mutex<BTreeMap<String, Arc<InMemory>>>> = LazyLock::new(Mutex::default);
    let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
    let store: &Arc<InMemory> = named.entry(name.to_owned()).or_default();
    Arc::clone(store) as _
}
