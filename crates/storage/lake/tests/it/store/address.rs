//! Which addresses lead where, and what is said of the others.

use std::path::Path;

use spanlake_lake::store::{Store, StoreOptions};

fn open(address: &str) -> Result<Store, spanlake_core::Error> {
    Store::open(address, &StoreOptions::new())
}

#[test]
fn folders_are_paths_or_file_addresses() {
    let table = [
        ("lake", "lake"),
        ("./some/lake", "./some/lake"),
        ("/var/lake", "/var/lake"),
        ("file:///var/a%20lake", "/var/a lake"),
        ("FILE://localhost/var/lake", "/var/lake"),
        ("a:b/c", "a:b/c"),
    ];
    for (address, path) in table {
        let store = open(address).unwrap();
        assert_eq!(store.local().unwrap().1, Path::new(path), "{address}");
        assert_eq!((store.location(), store.appends()), (path.to_owned(), true), "{address}");
    }
}

#[test]
fn addresses_that_lead_nowhere_are_refused_without_their_secrets() {
    let table = [
        ("", "empty"),
        ("ftp://user:hunter2@host/lake?hunter2", "begins with"),
        ("file://host/lake", "three slashes"),
        ("file:///lake%2", "digits"),
        ("s3:///lake", "does not name its bucket"),
        ("s3://AKIA:hunter2@bucket/lake", "no user"),
        ("s3://AKIA:hun/hunter2@bucket/lake", "no user"),
        ("gs://bucket/lake?token=hunter2", "no query"),
        ("abfss://container:hunter2@account.dfs.core.windows.net/lake", "no user"),
        ("az://container/lake?sv=2024&sig=hunter2", "no query"),
    ];
    for (address, reason) in table {
        let error = open(address).unwrap_err();
        assert_eq!(error.code().to_string(), "CONFIGURATION::Store::CONFIGURATION::ERROR", "{address}");
        let told = format!("{error:?}");
        assert!(told.contains(reason) && !told.contains("hun"), "{address}: {told}");
    }
}

#[test]
fn a_feature_that_is_off_is_named() {
    let table = [
        ("memory://a", "object-store", cfg!(feature = "object-store")),
        ("s3://a/b", "s3", cfg!(feature = "s3")),
        ("gs://a/b", "gcs", cfg!(feature = "gcs")),
        ("az://a/b", "azure", cfg!(feature = "azure")),
        ("abfss://a@b.dfs.core.windows.net/c", "azure", cfg!(feature = "azure")),
    ];
    for (address, feature, is_on) in table {
        // What else a client lacks, such as the name of an account, is another matter.
        let told = open(address).map_or_else(|error| error.to_string(), |store| store.location());
        assert!(told.contains(address), "{told}");
        assert_eq!(told.contains(&format!("`{feature}`")), !is_on, "{told}");
    }
}

#[test]
fn options_are_shown_without_their_values() {
    let options = StoreOptions::new().option("AWS_Secret_Access_Key", "hunter2").option("aws_region", "hunter2");
    let shown = format!("{options:?}");
    assert!(shown.contains(r#""aws_secret_access_key": "***""#) && !shown.contains("hunter2"), "{shown}");
}
