//! Whole files and line logs by their paths, wherever the lake lies.

mod address;
mod everywhere;
mod faults;
#[cfg(feature = "object-store")]
mod memory;
#[cfg(feature = "s3")]
mod s3;
#[cfg(feature = "s3")]
mod network;
#[cfg(any(feature = "gcs", feature = "azure"))]
mod others;

use spanlake_lake::store::Store;

/// The paths of the files below a folder.
pub(crate) fn paths(store: &mut Store, folder: &str) -> Vec<String> {
    store.list(folder).unwrap().into_iter().map(|stored| stored.path).collect()
}

/// What is in a file, as text.
pub(crate) fn text(store: &mut Store, path: &str) -> Option<String> {
    store.read(path).unwrap().map(|content| String::from_utf8(content).unwrap())
}

/// The code of an error in which no secret is told, at any level.
#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
pub(crate) fn code(error: &spanlake_core::Error, secrets: &[&str]) -> String {
    let first: &(dyn std::error::Error + 'static) = error;
    let causes = std::iter::successors(Some(first), |&error| error.source());
    let told: Vec<String> = causes.map(|error| format!("{error} {error:?} {error:#?}")).collect();
    for secret in secrets {
        assert!(told.iter().all(|told| !told.contains(secret)), "{secret} is in {told:?}");
    }
    error.code().to_string()
}

/// The code of a failure that passes.
#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
pub(crate) const PASSES: &str = "HANDLER::Store::IO::ERROR::RECOVERABLE";

/// The code of one that does not.
#[cfg(feature = "s3")]
pub(crate) const STAYS: &str = "HANDLER::Store::IO::ERROR";
