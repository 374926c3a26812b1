//! Where a lake with run logs is: a folder or a bucket, and what to type to go on there.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use spanlake_core::{Error, TaskKey};
use spanlake_lake::store::{Store, StoreOptions};

/// Whether a lake is named by a URL.
pub(crate) fn is_url(lake: &Path) -> bool {
    lake.to_str().is_some_and(|lake| lake.contains("://"))
}

/// The store of a lake. Credentials of a bucket are taken from the environment. A folder must be there.
pub(crate) fn open(lake: &Path) -> Result<Store, Error> {
    let store = open_or_new(lake)?;
    if let Some((_, folder)) = store.local() {
        fs::read_dir(folder).map_err(|error| unreadable(folder, error))?;
    }
    Ok(store)
}

/// The store of a lake that need not be there yet.
pub(crate) fn open_or_new(lake: &Path) -> Result<Store, Error> {
    match lake.to_str() {
        Some(lake) => Store::open(lake, &StoreOptions::new().from_env()),
        // No URL.
        None => Ok(Store::folder(lake)),
    }
}

/// `spanlake tree lake --task …`, for a task by its key; `None` where that would not lead to its records.
pub(crate) fn tree_command(lake: &Path, key: &str) -> Option<String> {
    let key: TaskKey = key.parse().ok().filter(|_| !is_url(lake))?;
    Some(format!("spanlake tree {} --task {key}", shell_word(&lake.to_string_lossy())))
}

/// `spanlake recover lake`
pub(crate) fn recover_command(lake: &Path) -> String {
    format!("spanlake recover {}", shell_word(&lake.to_string_lossy()))
}

/// A text as one word of a shell.
fn shell_word(text: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

fn unreadable(folder: &Path, error: std::io::Error) -> Error {
    Error::io("RunLogs", "cannot read the lake", error).with("path", folder.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_can_be_pasted() {
        let key = "e252a11f-d33d-483d-ba08-bc8f642b2f10/1/2";
        let table = [
            ("lake", Some(format!("spanlake tree lake --task {key}"))),
            ("my lake's", Some(format!(r"spanlake tree 'my lake'\''s' --task {key}"))),
            ("$(x)", Some(format!("spanlake tree '$(x)' --task {key}"))),
            ("s3://bucket/lake", None),
        ];
        for (lake, expected) in table {
            assert_eq!(tree_command(Path::new(lake), key), expected);
        }
        assert_eq!(tree_command(Path::new("lake"), "x; rm"), None, "no key");
    }
}
