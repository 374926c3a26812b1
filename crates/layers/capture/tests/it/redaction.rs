//! What must not be read is replaced before it is stored anywhere.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use spanlake_capture::{CaptureLayer, Guard};
use spanlake_core::{Level, LevelFilter, OwnedRecord, Redaction, Report};
use spanlake_scope::observe::{Observe, Observer, Phase, observe};
use spanlake_scope::{ScopeLayer, Task};
use tracing::field::Empty;
use tracing::{Dispatch, error, info, info_span, instrument, warn};
use tracing_subscriber::layer::SubscriberExt;

use crate::support::{LONG, Memory, TestSink, objects};

/// What must not be seen; no part of it is part of anything else here.
const HUSH: &str = "Zq7-Xv9";

/// A number that has the checksum of a card.
const CARD: &str = "4111 1111 1111 1111";

/// Records what `work` says through a layer that redacts; gives the records, as JSON too, and the report.
fn redacted(redaction: Redaction, work: impl FnOnce()) -> (Vec<OwnedRecord>, String, Report) {
    let sink = TestSink::default();
    let (capture, guard) =
        CaptureLayer::builder().redact(redaction).sink(sink.clone()).build().expect("rules that make sense");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), work);
    let report = guard.shutdown(LONG).expect("in time");
    (sink.records(), sink.json(), report)
}

fn fields(record: &OwnedRecord) -> serde_json::Value {
    serde_json::from_str(&record.fields).expect("JSON")
}

/// What a rule has replaced.
fn count(report: &Report, rule: &str) -> u64 {
    report.redacted.iter().find(|redacted| redacted.rule == rule).expect("a rule of this name").count
}

#[test]
fn values_are_denied_by_name_wherever_they_are_recorded() {
    #[instrument(skip_all, fields(password = HUSH, user = "ada"))]
    fn login() {
        let task = Task::current().expect("a task");
        task.bind("session_token", HUSH).expect("a name");
        info!(api_key = HUSH, attempt = 1, "first");
        let inner = info_span!("inner", cookie = Empty, rows = Empty);
        inner.record("cookie", HUSH).record("rows", 3);
        inner.in_scope(|| info!(Password = ?vec![HUSH], secret_number = 42, "second"));
    }
    let (records, json, report) = redacted(Redaction::secrets(), login);
    assert!(!json.contains(HUSH), "{json}");
    let first = records.iter().find(|record| record.message == "first").expect("the first event");
    assert_eq!(first.fields, r#"{"api_key":"***","attempt":1}"#);
    assert_eq!(first.context, r#"{"password":"***","user":"ada","session_token":"***"}"#);
    let second = records.iter().find(|record| record.message == "second").expect("the second event");
    assert_eq!(second.fields, r#"{"Password":"***","secret_number":"***"}"#);
    assert_eq!(second.context, r#"{"password":"***","user":"ada","session_token":"***","cookie":"***","rows":3}"#);
    assert_eq!(count(&report, "deny *password*"), 2);
    assert_eq!([count(&report, "deny *token"), count(&report, "deny *cookie*"), count(&report, "deny pwd")], [1, 1, 0]);
    assert!(report.to_string().ends_with(", 6 values redacted"), "{report}");
}

#[test]
fn values_of_observed_objects_are_denied_by_their_own_name() {
    struct Login;
    impl Observe for Login {
        fn observe(&self, _: Phase, _: &str, out: &mut Observer) {
            out.group("login").value("pwd", HUSH).value("tries", &[1, 2]).value("cards", &["none", CARD]);
            out.record(Level::INFO, "asked").field("session_token", HUSH);
        }
    }
    let sink = TestSink::default();
    let redaction = Redaction::secrets().card_numbers();
    let builder = CaptureLayer::builder().level(LevelFilter::TRACE).redact(redaction).sink(sink.clone());
    let (capture, guard) = builder.build().expect("rules that make sense");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), || observe(&Login, "", |_| ()));
    let report = guard.shutdown(LONG).expect("in time");
    let records = sink.records();
    let dump = records.iter().find(|record| record.message.starts_with("####")).expect("a dump");
    let dump = fields(dump);
    assert_eq!((&dump["login.pwd"], &dump["login.tries"]), (&json!("***"), &json!([1, 2])));
    let cards = dump["login.cards"].as_array().expect("a list");
    assert!(cards[0] == "none" && !cards[1].to_string().contains("1111 1111"), "{cards:?}");
    assert_eq!(dump["observed.within"], json!(["Login"]));
    assert_eq!(count(&report, "deny pwd"), 2, "at either end");
    assert_eq!(count(&report, "deny *token"), 2);
}

#[test]
fn a_rule_for_a_group_denies_all_that_is_in_it() {
    struct Station;
    impl Observe for Station {
        fn observe(&self, _: Phase, _: &str, out: &mut Observer) {
            out.group("site").value("city", "Ulm");
            out.nested("owner", |out| {
                out.group("contact").value("phone", HUSH).value("name", HUSH);
            });
        }
    }
    let sink = TestSink::default();
    let redaction = Redaction::new().deny("owner");
    let builder = CaptureLayer::builder().level(LevelFilter::TRACE).redact(redaction).sink(sink.clone());
    let (capture, guard) = builder.build().expect("rules that make sense");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), || observe(&Station, "", |_| ()));
    guard.shutdown(LONG).expect("in time");
    let records = sink.records();
    let dump = fields(records.iter().find(|record| record.message.starts_with("####")).expect("a dump"));
    assert_eq!((&dump["owner.contact.phone"], &dump["owner.contact.name"]), (&json!("***"), &json!("***")));
    assert_eq!(dump["site.city"], "Ulm");
}

#[test]
fn names_of_objects_and_tasks_are_looked_through() {
    struct Terminal;
    impl Observe for Terminal {
        fn observe(&self, _: Phase, _: &str, out: &mut Observer) {
            out.group("state").value("on", &true);
            out.record(Level::INFO, "asked");
        }
        fn name(&self) -> std::borrow::Cow<'_, str> {
            format!("terminal of {CARD}").into()
        }
        fn is_task(&self) -> bool {
            true
        }
    }
    let sink = TestSink::default();
    let redaction = Redaction::new().card_numbers();
    let builder = CaptureLayer::builder().level(LevelFilter::TRACE).redact(redaction).sink(sink.clone());
    let (capture, guard) = builder.build().expect("rules that make sense");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), || {
        observe(&Terminal, "pay", |_| tracing::info_span!("below").in_scope(|| tracing::debug!("paying")));
    });
    guard.shutdown(LONG).expect("in time");
    let records = sink.records();
    assert!(records.len() > 8, "{records:?}");
    assert!(records.iter().all(|record| !format!("{record:?}").contains(CARD)), "{records:#?}");
    assert!(records[0].task.as_deref().is_some_and(|name| name.starts_with("terminal of ")), "{:?}", records[0].task);
}

#[test]
fn texts_are_replaced_wherever_they_stand() {
    #[derive(Debug)]
    struct Refused(Option<Box<Refused>>);
    impl std::fmt::Display for Refused {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "refused: Bearer {HUSH}")
        }
    }
    impl std::error::Error for Refused {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            self.0.as_deref().map(|cause| cause as _)
        }
    }
    #[instrument(err, fields(message = "paying with 4111-1111-1111-1111", header = "Bearer Zq7-Xv9"))]
    fn pay() -> Result<(), Refused> {
        let cause = Refused(Some(Box::new(Refused(None))));
        warn!(error = &cause as &dyn std::error::Error, card = CARD, "sent bearer {HUSH} for {CARD}");
        info!(order = "4111 1111 1111 1112", at = ?Some(format!("Bearer {HUSH}")), "not a card");
        Err(cause)
    }
    let redaction = Redaction::new().pattern("(?i)bearer [a-z0-9-]+").card_numbers();
    let (records, json, report) = redacted(redaction, || drop(pay()));
    assert!(!json.contains(HUSH) && !json.contains("1111 1111 1111 1111") && !json.contains("4111-1111"), "{json}");
    assert_eq!(records[0].message, "paying with ***");
    assert_eq!(records[1].message, "sent *** for ***");
    assert_eq!(fields(&records[1])["error"], "refused: ***: refused: ***");
    assert_eq!(fields(&records[2])["order"], "4111 1111 1111 1112");
    assert_eq!(fields(&records[2])["at"], r#"Some("***")"#);
    let end = records.last().expect("an end");
    assert_eq!(end.message, "FAILED paying with ***");
    assert_eq!(end.error.as_deref(), Some("refused: ***"));
    // Begin, two in the warning, and the end.
    assert_eq!(count(&report, "card numbers"), 4);
    assert_eq!(objects(&json).len(), records.len());
}

#[test]
fn allowed_names_are_left_alone_and_the_first_rule_that_fits_decides() {
    let redaction = Redaction::new()
        .deny("token_kind")
        .truncate("body", 5)
        .hash("*")
        .allow("message")
        .allow("Token_*")
        .pattern("b");
    let (records, ..) = redacted(redaction, || info!(token_kind = "b", body = "abcdefgh", id = 5, again = "5", "bb"));
    let fields = fields(&records[0]);
    assert_eq!(records[0].message, "bb");
    assert_eq!(fields["token_kind"], "b");
    assert_eq!(fields["body"], "abcde… [truncated, 8 bytes]");
    assert_eq!(fields["id"], fields["again"]);
    assert_eq!(fields["id"].as_str().expect("a hash").len(), "hash:".len() + 32);
}

#[test]
fn hashes_are_the_same_under_one_key_and_not_under_another() {
    let hashed = |redaction: Redaction| {
        let (records, ..) = redacted(redaction.hash("user"), || info!(user = "ada", "hello"));
        fields(&records[0])["user"].as_str().expect("a hash").to_owned()
    };
    let fresh = || hashed(Redaction::new());
    let keyed = |key: u8| hashed(Redaction::new().hash_key([key; 16]));
    assert_eq!(keyed(1), keyed(1));
    assert!(keyed(1) != keyed(2) && fresh() != fresh() && fresh() != keyed(0));
}

#[test]
fn only_what_is_allowed_is_kept_when_the_rest_is_denied() {
    let redaction = Redaction::new().allow("rows").deny("*");
    let (records, ..) = redacted(redaction, || {
        let load = info_span!("load", rows = 1, table = "orders", message = "loading orders").entered();
        Task::current().expect("a task").fail(&std::io::Error::other(HUSH));
        error!(rows = 2, other = HUSH, "{HUSH}");
        drop(load);
    });
    assert!(records.iter().all(|record| record.message == "***"), "{records:?}");
    assert!(records.iter().all(|record| record.context == r#"{"rows":1,"table":"***"}"#), "{records:?}");
    assert_eq!(records[1].fields, r#"{"rows":2,"other":"***"}"#);
    assert_eq!(records[2].error.as_deref(), Some("***"));
}

#[test]
fn no_file_of_the_spool_ever_holds_what_is_redacted() {
    let folder = tempfile::tempdir().expect("a folder");
    let sink = Memory::default();
    sink.change(|state| state.blocked = true);
    let redaction = Redaction::secrets().secret_texts();
    let builder = CaptureLayer::builder().redact(redaction).spool(folder.path().join("spool")).sink(sink.clone());
    let (capture, guard) = builder.build().expect("a spool");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(capture), || {
        let _load = info_span!("load", password = HUSH, table = "Kp4-orders").entered();
        info!(token = HUSH, "Authorization: Bearer {HUSH}");
    });
    let spooled = bytes_below(folder.path());
    let holds = |text: &str| spooled.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(holds("Kp4-orders"), "what was recorded is there");
    assert!(!holds(HUSH));
    sink.change(|state| state.blocked = false);
    guard.shutdown(LONG).expect("in time");
}

fn bytes_below(folder: &Path) -> Vec<u8> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { bytes_below(&path) } else { fs::read(path).expect("a file") }).collect()
}

#[test]
fn each_layer_of_a_stack_has_its_own_rules() {
    let layer = |redaction: Option<Redaction>| {
        let sink = TestSink::default();
        let builder = CaptureLayer::builder().sink(sink.clone());
        let builder = redaction.into_iter().fold(builder, |builder, redaction| builder.redact(redaction));
        let (capture, guard) = builder.build().expect("a layer");
        (capture, guard, sink)
    };
    let open = layer(None);
    let denies = layer(Some(Redaction::new().deny("user")));
    let hashes = layer(Some(Redaction::new().deny("table")));
    let stack = tracing_subscriber::registry().with(open.0).with(ScopeLayer::new()).with(denies.0).with(hashes.0);
    tracing::subscriber::with_default(stack, || {
        let _load = info_span!("load", user = "ada", table = "orders").entered();
        info!(user = "ada", table = "orders", "wrote batch");
    });
    let kept = |guard: Guard, sink: TestSink| {
        guard.shutdown(LONG).expect("in time");
        let records = sink.records();
        assert_eq!(records.len(), 3);
        assert!(records.iter().all(|record| record.context == records[0].context));
        assert_eq!(records[1].fields, records[0].context);
        records[0].context.clone()
    };
    assert_eq!(kept(open.1, open.2), r#"{"user":"ada","table":"orders"}"#);
    assert_eq!(kept(denies.1, denies.2), r#"{"user":"***","table":"orders"}"#);
    assert_eq!(kept(hashes.1, hashes.2), r#"{"user":"ada","table":"***"}"#);
}

#[test]
fn a_value_of_the_context_counts_once_however_often_it_is_written() {
    let (capture, guard) = CaptureLayer::builder().redact(Redaction::secrets()).build().expect("a layer");
    let drain = capture.drain_handle();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(capture));
    let said = Arc::new(std::sync::Barrier::new(2));
    tracing::dispatcher::with_default(&dispatch, || {
        let load = info_span!("load", password = HUSH).entered();
        for _ in 0..3 {
            info!("a segment of its own");
            drain.drain_records();
        }
        Task::current().expect("a task").bind("token", HUSH).expect("a name");
        let (there, span, waits) = (dispatch.clone(), load.clone(), Arc::clone(&said));
        let other = std::thread::spawn(move || {
            tracing::dispatcher::with_default(&there, || span.in_scope(|| info!("from another thread")));
            waits.wait();
        });
        said.wait();
        other.join().expect("no panic");
        info!("again");
    });
    let report = guard.report();
    assert_eq!([count(&report, "deny *password*"), count(&report, "deny *token")], [1, 1]);
    assert_eq!(drain.drain_json().matches(HUSH).count(), 0);
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    for (redaction, hint) in
        [(Redaction::new().pattern("(["), "(["), (Redaction::new().deny(""), "a rule has an empty name")]
    {
        let refused = CaptureLayer::builder().redact(redaction).build().expect_err("no sense");
        assert_eq!(refused.code().to_string(), "CONFIGURATION::Redaction::VALIDATION::ERROR");
        assert!(format!("{refused:?}").contains(hint), "{refused:?}");
    }
}
