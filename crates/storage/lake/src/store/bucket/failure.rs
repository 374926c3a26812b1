//! What a failure of a client means: nothing there, the name taken, or something that passes.

use std::error::Error as StdError;
use std::iter::successors;

use object_store::Error;

/// What servers call a bucket that is not there: a missing object is no error, a missing bucket is one.
const NO_BUCKET: [&str; 3] = ["NoSuchBucket", "ContainerNotFound", "specified bucket does not exist"];

/// What S3 says when others work on the same name at this moment: the name may be free afterwards.
const CONFLICTS: [&str; 2] = ["ConditionalRequestConflict", "OperationAborted"];

/// What S3 says, as if the client were wrong, when a body did not arrive in time.
const LATE: &str = "<Code>RequestTimeout</Code>";

/// Whether there is no such object.
pub(super) fn is_absent(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. }) && !says(error, &NO_BUCKET)
}

/// Whether there is such an object already.
pub(super) fn is_taken(error: &Error) -> bool {
    matches!(error, Error::AlreadyExists { .. }) && !says(error, &CONFLICTS)
}

/// Whether another try can help.
pub(super) fn can_pass(error: &Error) -> bool {
    match error {
        Error::AlreadyExists { .. } => says(error, &CONFLICTS),
        Error::Generic { .. } => {
            status(error).is_some_and(|status| status >= 500 || [408, 429].contains(&status))
                || says(error, &[LATE])
                || causes(error).any(is_of_the_network)
        }
        _ => false,
    }
}

/// The HTTP status, which stands in the text only: the type that has it cannot be named.
fn status(error: &Error) -> Option<u16> {
    error.to_string().split_once("status code: ")?.1.get(..3)?.parse().ok()
}

fn says(error: &Error, words: &[&str]) -> bool {
    let text = error.to_string();
    words.iter().any(|word| text.contains(word))
}

fn causes(error: &Error) -> impl Iterator<Item = &(dyn StdError + 'static)> {
    successors(Some(error as &(dyn StdError + 'static)), |&error| error.source())
}

#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
use super::cloud::is_of_the_network;

/// Nothing but memory.
#[cfg(not(any(feature = "s3", feature = "gcs", feature = "azure")))]
fn is_of_the_network(_error: &(dyn StdError + 'static)) -> bool {
    false
}
