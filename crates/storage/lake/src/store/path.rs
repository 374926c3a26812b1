//! Which paths a store takes.

use spanlake_core::{Category, Error, Stage};

use super::SERVICE;
use crate::layout::HIDDEN_PREFIX;

/// Refuses what is not the path of a file inside a lake.
pub(super) fn check(path: &str) -> Result<(), Error> {
    match fault(path) {
        None => Ok(()),
        Some(message) => {
            Err(Error::new(Stage::Handler, SERVICE, Category::Validation, message).with("path", path.escape_debug()))
        }
    }
}

/// Refuses what is neither the path of a folder inside a lake nor empty, which is the lake itself.
pub(super) fn check_folder(folder: &str) -> Result<(), Error> {
    if folder.is_empty() { Ok(()) } else { check(folder) }
}

/// Whether a part of a path says that what is there is not whole yet.
pub(super) fn is_hidden(path: &str) -> bool {
    path.split('/').any(|part| part.starts_with(HIDDEN_PREFIX))
}

fn fault(path: &str) -> Option<&'static str> {
    let has_part = |wanted: &[&str]| path.split('/').any(|part| wanted.contains(&part));
    match path {
        "" => Some("a path is not empty"),
        _ if path.starts_with('/') => Some("a path is relative to its lake"),
        _ if has_part(&[".", ".."]) => Some("a path does not lead up or stay where it is"),
        _ if has_part(&[""]) => Some("a path has no empty part"),
        _ if path.contains(char::is_control) => Some("a path has no control characters"),
        _ => None,
    }
}
