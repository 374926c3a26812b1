//! Certificates of those who are trusted, and our own.

use std::path::Path;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use spanlake_core::{Category, Error, Stage};

/// Those in the file, or without one those that the machine trusts.
pub fn trusted(service: &'static str, file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, Error> {
    match file {
        Some(file) => certificates(service, file),
        None => Ok(rustls_native_certs::load_native_certs().certs),
    }
}

/// Those in a file of PEM.
pub fn certificates(service: &'static str, file: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    read.map_err(|error| invalid(service, "cannot read the certificates").caused_by(error).with("file", file.display()))
}

/// That a setting makes no sense.
pub fn invalid(service: &'static str, why: &str) -> Error {
    Error::new(Stage::Configuration, service, Category::Validation, why)
}
