//! Secrets are found where they reached a sink, and are not shown.

use std::panic::{AssertUnwindSafe, catch_unwind};

use spanlake_core::Secret;
use spanlake_scope::Task;
use spanlake_test::Capture;
use tracing::{info, info_span};

/// With what JSON shows in another way.
const HUSH: &str = "Zq7\"\\Xv9";

fn found(capture: &Capture) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(|| capture.assert_no_secrets())).err()?;
    let said = panic.downcast_ref::<String>().expect("a text").clone();
    assert!(!said.contains("Zq7") && !said.contains("abcdef"), "{said}");
    Some(said.split_once(" has ").expect("where").1.to_owned())
}

#[test]
fn a_watched_secret_is_found_in_every_part_of_a_record() {
    let watching = || {
        let mut capture = spanlake_test::capture();
        capture.watch(&Secret::new(HUSH));
        capture
    };
    let capture = watching();
    info!(password = %Secret::new(HUSH), "signed in");
    assert_eq!(found(&capture), None);
    info!("signed in with {HUSH}");
    assert_eq!(found(&capture).as_deref(), Some("a watched secret in its message"));
    let capture = watching();
    info!(password = HUSH, "signed in");
    assert_eq!(found(&capture).as_deref(), Some("a watched secret in its fields"));
    let capture = watching();
    info_span!("login", password = HUSH).in_scope(|| ());
    assert_eq!(found(&capture).as_deref(), Some("a watched secret in its context"));
    let capture = watching();
    let fail = || Task::current().expect("a task").fail(&std::io::Error::other(HUSH));
    info_span!("login").in_scope(fail);
    assert_eq!(found(&capture).as_deref(), Some("a watched secret in its error"));
}

#[test]
fn what_looks_like_a_secret_is_found_without_being_watched() {
    for secret in [
        "Authorization: bearer abcdef.123",
        "eyJhbGciOiJIUzI1NiJ9.abcdef.xyz",
        "AKIAABCDEFGHIJKLMNOP",
        "ghp_abcdefabcdefabcdefabcdefabcdefabcdef",
        "xoxb-abcdef-123456",
        "-----BEGIN RSA PRIVATE KEY-----",
    ] {
        let capture = spanlake_test::capture();
        info!("nothing yet, not even a bearer");
        assert_eq!(found(&capture), None);
        info!(secret, "here");
        assert_eq!(found(&capture).as_deref(), Some("what looks like a secret in its fields"), "{secret}");
    }
}

#[test]
fn a_file_is_looked_through_line_by_line() {
    let mut capture = spanlake_test::capture();
    capture.watch(&Secret::new(4711));
    capture.watch(&Secret::new(""));
    capture.assert_no_secrets_in("fine\nfine\n");
    let said = catch_unwind(AssertUnwindSafe(|| capture.assert_no_secrets_in("fine\npin=4711\n"))).expect_err("found");
    assert_eq!(said.downcast_ref::<String>().expect("a text"), "line 2 has a watched secret");
}
