//! Tokens that expire: they open nothing any more, their senders keep what they have, and go on with another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use spanlake_collector::intake::Reason;
use spanlake_collector::{CollectorBuilder, LakePlugin, Match, Right, Token, Tokens, from_settings};
use spanlake_config::{CollectorConfig, Format};
use spanlake_core::{Report, Secret};
use spanlake_publish::{Delivered, HttpTransport, Parcel, Transport, Undelivered};

use super::stand::{LONG, Running, Stand, publish, publisher};

/// How long it is watched that nothing gets through.
const WHILE: Duration = Duration::from_millis(500);

const HOUR: Duration = Duration::from_secs(3600);

fn token(secret: &str, expires: SystemTime) -> Token {
    Token::new(format!("of \"{secret}\""), Secret::new(secret.to_owned()), [Right::Publish]).expires(expires)
}

fn opened_by(stand: &Stand, tokens: impl Into<Vec<Token>>) -> CollectorBuilder {
    let tokens = Tokens::new(tokens.into());
    stand.builder().tokens(tokens).plugin("lake", Match::default(), LakePlugin::jsonl(stand.lake()))
}

/// Who has one token, and is given another.
struct Bearer {
    first: HttpTransport,
    next: HttpTransport,
    has_next: Arc<AtomicBool>,
}

impl Transport for Bearer {
    fn name(&self) -> &str {
        self.first.name()
    }

    fn send(&mut self, parcel: &Parcel<'_>, until: Instant) -> Result<Delivered, Undelivered> {
        let has_next = self.has_next.load(Ordering::Relaxed);
        if has_next { &mut self.next } else { &mut self.first }.send(parcel, until)
    }
}

fn transport(running: &Running<'_>, secret: &str) -> HttpTransport {
    HttpTransport::new(running.url()).token(Secret::new(secret.to_owned())).build().expect("a transport")
}

fn assert_is_kept_out(report: &Report, running: &Running<'_>) {
    assert!(report.timed_out && report.pending == 1 && report.lost == 0, "{report:?}");
    let error = report.sinks[0].last_error.clone().unwrap_or_default();
    assert!(error.contains("401") && error.contains("has expired") && !error.contains("s3cret"), "{error}");
    let collector = running.collector();
    assert!(collector.refused(Reason::Expired) > 0 && collector.refused(Reason::Unauthorized) == 0);
}

#[test]
fn who_has_a_token_that_expired_keeps_records_until_it_is_given_another() {
    let stand = Stand::new();
    let (soon, over) = (SystemTime::now() + HOUR, SystemTime::now() - HOUR);
    let running = stand.run(opened_by(&stand, [token("s3cret", soon)]));
    let has_next = Arc::new(AtomicBool::new(false));
    let (first, next) = (transport(&running, "s3cret"), transport(&running, "next"));
    let report = publish(publisher(Bearer { first, next, has_next: Arc::clone(&has_next) }), |guard| {
        tracing::info!("in time");
        assert!(guard.flush(LONG).is_complete());
        running.reload(opened_by(&stand, [token("s3cret", over)]));
        tracing::info!("late, and let in when the token lasts longer");
        assert_is_kept_out(&guard.flush(WHILE), &running);
        running.reload(opened_by(&stand, [token("s3cret", soon)]));
        assert!(guard.flush(LONG).is_complete());
        running.reload(opened_by(&stand, [token("s3cret", over), token("next", soon)]));
        tracing::info!("late, and let in with the next");
        assert_is_kept_out(&guard.flush(WHILE), &running);
        has_next.store(true, Ordering::Relaxed);
        assert!(guard.flush(LONG).is_complete());
    });
    assert_eq!((report.written, report.lost), (3, 0), "{report:?}");
    running.stop();
    let messages = stand.messages().into_iter().collect::<Vec<_>>();
    let texts = ["in time", "late, and let in when the token lasts longer", "late, and let in with the next"];
    assert_eq!(messages, texts.map(|text| (text.to_owned(), 1)));
}

#[test]
fn metrics_tell_when_a_token_expires() {
    let stand = Stand::new();
    let (soon, over) = (SystemTime::now() + HOUR, SystemTime::now() - HOUR);
    let ever = Token::new("ever", Secret::new("e".to_owned()), [Right::Control]);
    let running = stand.run(opened_by(&stand, [token("soon", soon), token("over", over), ever]));
    let metrics = running.get("/metrics");
    let left = |name: &str| {
        let head = format!("spanlaked_token_expires_seconds{{token=\"{name}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&head)?.parse::<f64>().ok())
    };
    let hour = HOUR.as_secs_f64();
    assert!(left(r#"of \"soon\""#).is_some_and(|left| left > 0.0 && left <= hour), "{metrics}");
    assert!(left(r#"of \"over\""#).is_some_and(|left| left <= -hour), "{metrics}");
    assert_eq!(left("ever"), None, "{metrics}");
}

#[test]
fn a_file_says_when_a_token_expires() {
    let stand = Stand::new();
    let queue = stand.scratch.path().join("queue");
    let text = format!(
        "listen: 127.0.0.1:0\nqueue: {{ folder: {queue:?} }}\ntokens:\n  old:\n    secret: s3cret\n    rights: [publish]\n    \
         expires: 2001-01-01T00:00:00+01:00\n"
    );
    let config = CollectorConfig::from_text(&text, Format::Yaml, "spanlaked.yaml").expect("a file");
    let running = stand.run(from_settings(&config).expect("settings"));
    let head = "POST /v1/segments HTTP/1.1\r\nhost: x\r\nauthorization: Bearer s3cret\r\nconnection: close\r\n";
    let answer = running.ask(format!("{head}content-length: 0\r\n\r\n").as_bytes());
    assert!(answer.starts_with("HTTP/1.1 401") && answer.ends_with("the token has expired\n"), "{answer}");
    assert_eq!(running.collector().refused(Reason::Expired), 1);
    running.stop();
}
