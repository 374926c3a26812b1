//! What the address of a lake says: a folder, or a bucket and of which kind.

use std::path::PathBuf;

use spanlake_core::{Category, Error, Stage};

use super::{SERVICE, Store, StoreOptions, redact};

/// Where a lake lies.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Address {
    Folder(PathBuf),
    Bucket(Bucket),
}

/// A bucket, by its URL.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bucket {
    pub(super) kind: BucketKind,
    pub(super) url: String,
}

/// Whose bucket it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BucketKind {
    Memory,
    S3,
    Gcs,
    Azure,
}

/// The schemes of buckets.
const SCHEMES: [(&str, BucketKind); 9] = [
    ("memory", BucketKind::Memory),
    ("s3", BucketKind::S3),
    ("s3a", BucketKind::S3),
    ("gs", BucketKind::Gcs),
    ("az", BucketKind::Azure),
    ("azure", BucketKind::Azure),
    ("adl", BucketKind::Azure),
    ("abfs", BucketKind::Azure),
    ("abfss", BucketKind::Azure),
];

// === impl Address ===

impl Address {
    pub(super) fn parse(lake: &str) -> Result<Self, Error> {
        let Some((scheme, rest)) = lake.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) else {
            return folder(lake, lake);
        };
        let scheme = scheme.to_ascii_lowercase();
        if scheme == "file" {
            return file(lake, rest);
        }
        match SCHEMES.iter().find(|(known, _)| *known == scheme) {
            Some((_, kind)) => Ok(Self::Bucket(Bucket { kind: *kind, url: format!("{scheme}://{rest}") })),
            None => Err(wrong("a lake is a folder, or begins with file://, s3://, gs://, az:// or memory://", lake)),
        }
    }
}

fn folder(path: &str, lake: &str) -> Result<Address, Error> {
    if path.is_empty() { Err(wrong("a lake needs a place", lake)) } else { Ok(Address::Folder(path.into())) }
}

/// The folder of a `file://` URL, whose host is this one.
fn file(lake: &str, rest: &str) -> Result<Address, Error> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    match decoded(path) {
        Some(path) if path.starts_with('/') => folder(&path, lake),
        _ => Err(wrong("a file:// URL has three slashes before the path, and % before two digits only", lake)),
    }
}

/// A text in which `%20` stands for a space, and so on.
fn decoded(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut bytes = parts.next()?.as_bytes().to_vec();
    for part in parts {
        let digits = part.get(..2).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(part.get(2..)?.as_bytes());
    }
    String::from_utf8(bytes).ok()
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

fn wrong(message: &str, lake: &str) -> Error {
    Error::new(Stage::Configuration, SERVICE, Category::Configuration, message).with("lake", redact::location(lake))
}

// === impl Bucket ===

impl Bucket {
    /// There are none in this program.
    pub(super) fn open(self, _options: &StoreOptions) -> Result<Store, Error> {
        Err(self.lacks_feature())
    }

    /// What is said of a kind that this program was built without.
    pub(super) fn lacks_feature(&self) -> Error {
        let feature = match self.kind {
            BucketKind::Memory => "object-store",
            BucketKind::S3 => "s3",
            BucketKind::Gcs => "gcs",
            BucketKind::Azure => "azure",
        };
        wrong(&format!("such a lake needs the feature `{feature}` of spanlake-lake"), &self.url)
    }
}
