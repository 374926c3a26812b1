//! Certificates that are made for one test.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};

/// Somebody who signs certificates, which it puts into a folder.
pub(crate) struct Authority {
    folder: PathBuf,
    name: &'static str,
    issuer: Issuer<'static, KeyPair>,
}

/// Files with a certificate and its private key.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new(folder: &Path, name: &'static str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().expect("a key");
        let own = params.self_signed(&key).expect("a certificate");
        fs::write(folder.join(format!("{name}.pem")), own.pem()).expect("a file");
        Self { folder: folder.to_owned(), name, issuer: Issuer::new(params, key) }
    }

    /// The file with its own certificate.
    pub(crate) fn roots(&self) -> PathBuf {
        self.folder.join(format!("{}.pem", self.name))
    }

    /// Who is called `name`, and may be reached as this machine.
    pub(crate) fn sign(&self, name: &str) -> Identity {
        self.sign_until(name, 4096)
    }

    /// The same, until this year.
    pub(crate) fn sign_until(&self, name: &str, year: i32) -> Identity {
        let names = ["127.0.0.1", "localhost"].map(str::to_owned);
        let mut params = CertificateParams::new(names).expect("names");
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let signed = params.signed_by(&key, &self.issuer).expect("a certificate");
        let file = |ending: &str| self.folder.join(format!("{}-{name}{ending}", self.name));
        let identity = Identity { certificate: file(".pem"), key: file(".key") };
        fs::write(&identity.certificate, signed.pem()).expect("a file");
        fs::write(&identity.key, key.serialize_pem()).expect("a file");
        identity
    }
}
