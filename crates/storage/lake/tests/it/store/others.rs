//! Clients of other servers: no secret of theirs is told either.

use std::net::TcpListener;
use std::time::Duration;

use spanlake_lake::store::{Store, StoreOptions};

use super::{PASSES, code};

/// Where nobody listens.
fn endpoint() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn failed(address: &str, options: StoreOptions, secrets: &[&str]) {
    let options = options.timeout(Duration::from_secs(20)).retry_timeout(Duration::ZERO);
    let mut store = Store::open(address, &options).unwrap();
    assert_eq!(store.location(), address);
    for error in [store.put("a", b"x").unwrap_err(), store.list("").unwrap_err()] {
        assert_eq!(code(&error, secrets), PASSES, "{error:?}");
    }
}

#[cfg(feature = "azure")]
#[test]
fn azure_tells_no_key() {
    let endpoint = endpoint();
    let options = StoreOptions::new()
        .option("azure_storage_account_name", "orders")
        .option("azure_storage_endpoint", &endpoint)
        .option("azure_allow_http", "true");
    let with_key = options.clone().option("azure_storage_account_key", "aHVudGVyMmh1bnRlcjI=");
    failed("az://container/lake", with_key, &["aHVudGVyMmh1bnRlcjI"]);
    let with_sas = options.option("azure_storage_sas_key", "?sv=2024-11-04&sp=rw&sig=hunter2%2Fhunter2");
    failed("az://container/lake", with_sas, &["hunter2", "sig="]);
}

#[cfg(feature = "gcs")]
#[test]
fn google_tells_no_key() {
    let account = format!(
        r#"{{"private_key": "private", "private_key_id": "hunter2hunter2hunter2", "client_email": "a@b",
            "disable_oauth": true, "gcs_base_url": "{}"}}"#,
        endpoint()
    );
    let options = StoreOptions::new().option("google_service_account_key", account).option("allow_http", "true");
    failed("gs://bucket/lake", options, &["hunter2"]);
}
