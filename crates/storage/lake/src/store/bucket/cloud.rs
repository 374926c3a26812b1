//! Clients of buckets on servers, and how a network fails.

use std::error::Error as StdError;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::client::{HttpError, HttpErrorKind};
use object_store::{BackoffConfig, ClientOptions, ObjectStore, Result, RetryConfig};

use crate::store::address::Bucket;
use crate::store::options::Settings;

/// How long to wait for a connection, which is less than for an answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(feature = "s3")]
pub(super) fn s3(bucket: &Bucket, settings: &Settings, timeout: Duration) -> Result<Arc<dyn ObjectStore>> {
    let builder = object_store::aws::AmazonS3Builder::new()
        .with_url(bucket.to_string())
        .with_client_options(options(timeout))
        .with_retry(one_try(timeout));
    let builder = with_all(builder, settings, |builder, key, value| builder.with_config(key, value));
    Ok(Arc::new(builder.build()?))
}

#[cfg(feature = "gcs")]
pub(super) fn gcs(bucket: &Bucket, settings: &Settings, timeout: Duration) -> Result<Arc<dyn ObjectStore>> {
    let builder = object_store::gcp::GoogleCloudStorageBuilder::new()
        .with_url(bucket.to_string())
        .with_client_options(options(timeout))
        .with_retry(one_try(timeout));
    let builder = with_all(builder, settings, |builder, key, value| builder.with_config(key, value));
    Ok(Arc::new(builder.build()?))
}

#[cfg(feature = "azure")]
pub(super) fn azure(bucket: &Bucket, settings: &Settings, timeout: Duration) -> Result<Arc<dyn ObjectStore>> {
    let builder = object_store::azure::MicrosoftAzureBuilder::new()
        .with_url(bucket.to_string())
        .with_client_options(options(timeout))
        .with_retry(one_try(timeout));
    let builder = with_all(builder, settings, |builder, key, value| builder.with_config(key, value));
    Ok(Arc::new(builder.build()?))
}

/// Whether a request did not get through, or no answer did.
pub(super) fn is_of_the_network(error: &(dyn StdError + 'static)) -> bool {
    use HttpErrorKind as Kind;
    let kind = error.downcast_ref::<HttpError>().map(HttpError::kind);
    kind.is_some_and(|kind| matches!(kind, Kind::Connect | Kind::Request | Kind::Timeout | Kind::Interrupted))
}

/// Sets what the builder knows a key for; the rest is for others.
fn with_all<B, K: FromStr>(builder: B, settings: &Settings, with: impl Fn(B, K, &str) -> B) -> B {
    let known = settings.iter().filter_map(|(key, value)| Some((key.parse().ok()?, value)));
    known.fold(builder, |builder, (key, value)| with(builder, key, value))
}

fn options(timeout: Duration) -> ClientOptions {
    ClientOptions::new().with_timeout(timeout).with_connect_timeout(timeout.min(CONNECT_TIMEOUT))
}

/// One try of each request: what is tried again is tried one level above.
fn one_try(timeout: Duration) -> RetryConfig {
    RetryConfig { backoff: BackoffConfig::default(), max_retries: 0, retry_timeout: timeout }
}
