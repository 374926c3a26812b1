//! What the address of a lake says: a folder, or a bucket and of which kind.

use std::fmt;
use std::path::PathBuf;

use spanlake_core::{Category, Error, Stage};

use super::SERVICE;

/// Where a lake lies.
#[derive(Debug)]
pub(super) enum Address {
    Folder(PathBuf),
    Bucket(Bucket),
}

/// A place in a bucket. Nothing in it is secret.
#[derive(Debug)]
pub(super) struct Bucket {
    pub(super) kind: BucketKind,
    scheme: String,
    /// The bucket's own name; `container@account` of some.
    pub(super) name: String,
    /// The folder in it, as it stands in the URL.
    pub(super) path: String,
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
        let parsed = match lake.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) {
            None => folder(lake.to_owned()),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("file") => file(rest),
            Some((scheme, rest)) => bucket(scheme.to_ascii_lowercase(), rest),
        };
        parsed.map_err(|message| wrong(message, &without_credentials(lake)))
    }
}

fn folder(path: String) -> Result<Address, &'static str> {
    if path.is_empty() { Err("the address of a lake is empty") } else { Ok(Address::Folder(path.into())) }
}

/// The folder of a `file://` URL, whose host is this one.
fn file(rest: &str) -> Result<Address, &'static str> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    match decoded(path).filter(|path| path.starts_with('/')) {
        Some(path) => folder(path),
        None => Err("a file:// address has three slashes before the path, and % before two digits only"),
    }
}

fn bucket(scheme: String, rest: &str) -> Result<Address, &'static str> {
    let Some((_, kind)) = SCHEMES.iter().find(|(known, _)| *known == scheme) else {
        return Err("a lake is a folder, or its address begins with file://, s3://, gs://, az:// or memory://");
    };
    let (name, path) = rest.split_once('/').unwrap_or((rest, ""));
    let has_user = name.contains('@') && *kind != BucketKind::Azure;
    if has_user || name.contains(':') || rest.contains(['?', '#']) {
        return Err("the address of a lake has no user and no query; credentials are options");
    }
    if name.is_empty() && *kind != BucketKind::Memory {
        return Err("the address of a lake does not name its bucket");
    }
    let path = path.trim_matches('/').to_owned();
    Ok(Address::Bucket(Bucket { kind: *kind, scheme, name: name.to_owned(), path }))
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
    let is_scheme_char = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(is_scheme_char)
}

/// An address without user, query and fragment.
fn without_credentials(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return address.to_owned() };
    let place = rest.split(['?', '#']).next().unwrap_or_default();
    format!("{scheme}://{}", &place[end_of_user(place)..])
}

/// Where the host begins, behind a scheme. A password may have a slash in it, so that a colon before the first one makes
/// everything suspicious up to the last `@`.
pub(super) fn end_of_user(place: &str) -> usize {
    let authority = place.split('/').next().unwrap_or_default();
    let suspicious = if authority.contains(':') { place } else { authority };
    suspicious.rfind('@').map_or(0, |at| at + 1)
}

fn wrong(message: &str, lake: &str) -> Error {
    Error::new(Stage::Configuration, SERVICE, Category::Configuration, message).with("lake", lake)
}

// === impl Bucket ===

impl Bucket {
    /// A setting is at fault.
    #[cfg(feature = "object-store")]
    pub(super) fn wrong(&self, message: &str) -> Error {
        wrong(message, &self.to_string())
    }

    /// This program was built without buckets of its kind.
    pub(super) fn lacks_feature(&self) -> Error {
        let feature = match self.kind {
            BucketKind::Memory => "object-store",
            BucketKind::S3 => "s3",
            BucketKind::Gcs => "gcs",
            BucketKind::Azure => "azure",
        };
        wrong(&format!("such a lake needs the feature `{feature}` of spanlake-lake"), &self.to_string())
    }

    /// There are none in this program.
    #[cfg(not(feature = "object-store"))]
    pub(super) fn open(self, _options: &super::StoreOptions) -> Result<super::Store, Error> {
        Err(self.lacks_feature())
    }
}

/// Its address.
impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, name, path, .. } = self;
        let slash = if path.is_empty() { "" } else { "/" };
        write!(f, "{scheme}://{name}{slash}{path}")
    }
}
