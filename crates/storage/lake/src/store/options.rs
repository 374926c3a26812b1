//! How a bucket is reached.

use std::collections::BTreeMap;
#[cfg(feature = "object-store")]
use std::ffi::OsString;
use std::fmt;
use std::time::Duration;

/// Default of [`StoreOptions::timeout`]: 30 seconds.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Default of [`StoreOptions::retry_timeout`]: 10 seconds.
pub const DEFAULT_RETRY_TIMEOUT: Duration = Duration::from_secs(10);

/// Names and values of options.
pub(super) type Settings = BTreeMap<String, String>;

/// Beginnings of the environment variables that are options.
#[cfg(feature = "object-store")]
const ENVIRONMENT: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];

/// How a bucket is reached. A folder needs none of it.
///
/// | setting | default |
/// |---|---|
/// | [`option`](Self::option) | none |
/// | [`from_env`](Self::from_env) | the environment is not read |
/// | [`timeout`](Self::timeout) | [`DEFAULT_TIMEOUT`] |
/// | [`retry_timeout`](Self::retry_timeout) | [`DEFAULT_RETRY_TIMEOUT`] |
///
/// ```
/// use spanlake_lake::store::StoreOptions;
///
/// let options = StoreOptions::new().option("aws_region", "eu-central-1").option("aws_secret_access_key", "secret");
/// assert!(!format!("{options:?}").contains("secret\""), "values are never shown");
/// ```
#[derive(Clone)]
#[must_use]
pub struct StoreOptions {
    options: Settings,
    is_from_env: bool,
    pub(super) timeout: Duration,
    pub(super) retry_timeout: Duration,
}

impl StoreOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self {
            options: BTreeMap::new(),
            is_from_env: false,
            timeout: DEFAULT_TIMEOUT,
            retry_timeout: DEFAULT_RETRY_TIMEOUT,
        }
    }

    /// Sets an option by the name that the `object_store` crate has for it, such as `aws_endpoint`, `aws_access_key_id`,
    /// `google_service_account` or `azure_storage_account_name`. One of another kind of bucket is passed over.
    pub fn option(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.insert(key.into().to_ascii_lowercase(), value.into());
        self
    }

    /// Takes options from the environment as it is when a store is opened: `AWS_*`, `GOOGLE_*` and `AZURE_*`. What is
    /// set by [`option`](Self::option) comes before it.
    pub fn from_env(mut self) -> Self {
        self.is_from_env = true;
        self
    }

    /// How long an operation may take with all its tries; then it fails, and can be tried again.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How long a request that failed is tried again, with pauses that grow, when another try can help. With zero it is
    /// not.
    pub fn retry_timeout(mut self, timeout: Duration) -> Self {
        self.retry_timeout = timeout;
        self
    }

    /// All options, those of the environment with them when that was asked for.
    #[cfg(feature = "object-store")]
    pub(super) fn settings(&self) -> Settings {
        let given = |name: &str| self.is_from_env && ENVIRONMENT.iter().any(|start| name.starts_with(start));
        let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        let environment = std::env::vars_os().filter_map(text).filter(|(name, _)| given(name));
        let mut settings: Settings = environment.map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
        settings.extend(self.options.clone());
        settings
    }
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// Keys, and of a value only that there is one.
impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options: BTreeMap<&str, &str> = self.options.keys().map(|key| (key.as_str(), "***")).collect();
        f.debug_struct("StoreOptions")
            .field("options", &options)
            .field("from_env", &self.is_from_env)
            .field("timeout", &self.timeout)
            .field("retry_timeout", &self.retry_timeout)
            .finish()
    }
}
