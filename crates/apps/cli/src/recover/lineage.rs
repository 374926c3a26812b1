//! What a session that is closed here still owes to its lineage.

use spanlake_core::{Category, Error, Stage};
use spanlake_lake::runs::ClosedSession;

/// Sees to the events that a closed session owes. While that fails, the session stays to be closed again.
pub(super) fn complete(closed: &ClosedSession) -> Result<(), Error> {
    match &closed.lineage {
        None => Ok(()),
        Some(destination) => Err(not_sent(closed, destination)),
    }
}

/// Only the program that sent the others knows how to reach the destination.
fn not_sent(closed: &ClosedSession, destination: &str) -> Error {
    let message = "a session owes events of its lineage, which its program sends when it is started again";
    let error = Error::new(Stage::Dispatch, "Recovery", Category::Routing, message);
    error.with("session", &closed.stem).with("lineage", destination)
}
