//! TLS with certificates that were made for the test: who is trusted gets records and is let in, and nobody else.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use spanlake_collector::intake::Reason;
use spanlake_collector::{CollectorBuilder, LakePlugin, Match, Tls};
use spanlake_publish::transport::HttpTransportBuilder;
use spanlake_publish::{Guard, HttpTransport, OtlpTransport, PublishLayerBuilder};
use tracing_subscriber::prelude::*;

use super::authority::{Authority, Identity};
use super::stand::{LONG, Running, Stand, publish, publisher};

/// How long it is watched that nothing gets through.
const WHILE: Duration = Duration::from_millis(500);

fn secured(stand: &Stand, own: &Identity, clients: Option<&Path>) -> CollectorBuilder {
    let tls = Tls::new(&own.certificate, &own.key, clients).expect("certificates");
    stand.builder().tls(tls).plugin("lake", Match::default(), LakePlugin::jsonl(stand.lake()))
}

fn to(address: SocketAddr, roots: &Authority) -> HttpTransportBuilder {
    HttpTransport::new(format!("https://{address}")).roots(roots.roots())
}

fn over(transport: HttpTransportBuilder) -> PublishLayerBuilder {
    publisher(transport.build().expect("a transport"))
}

#[test]
fn a_collector_that_is_not_trusted_gets_nothing_until_it_is() {
    let stand = Stand::new();
    let (ours, strange) =
        (Authority::new(stand.scratch.path(), "ours"), Authority::new(stand.scratch.path(), "strange"));
    let first = stand.run(secured(&stand, &strange.sign("collector"), None));
    let address = first.address;
    let mut running = Some(first);
    let report = publish(over(to(address, &ours)), |guard| {
        tracing::info!("for the right one");
        waits(guard, running.as_ref(), "UnknownIssuer");
        running.take().into_iter().for_each(Running::stop);
        running = Some(stand.run(secured(&stand, &ours.sign_until("old", 1999), None).listen(address)));
        waits(guard, running.as_ref(), "expired");
        running.take().into_iter().for_each(Running::stop);
        running = Some(stand.run(secured(&stand, &ours.sign("collector"), None).listen(address)));
        assert!(guard.flush(LONG).is_complete());
    });
    assert_eq!((report.written, report.lost), (1, 0), "{report:?}");
    running.take().into_iter().for_each(Running::stop);
    assert_eq!(stand.messages().into_iter().collect::<Vec<_>>(), [("for the right one".to_owned(), 1)]);
}

/// Nothing gets through, nothing is lost, and both sides know why.
fn waits(guard: &Guard, running: Option<&Running<'_>>, why: &str) {
    let until = Instant::now() + LONG;
    loop {
        let report = guard.flush(WHILE);
        assert!(report.timed_out && report.pending == 1 && report.lost == 0, "{report:?}");
        let error = report.sinks[0].last_error.clone().unwrap_or_default();
        if error.contains(why) {
            break;
        }
        // It has not tried again since it was turned away otherwise.
        assert!(Instant::now() < until, "{error}");
    }
    running.expect("it runs").wait(|collector| collector.refused(Reason::Handshake) > 0);
}

#[test]
fn only_who_shows_a_certificate_of_ours_is_let_in() {
    let stand = Stand::new();
    let (ours, strange) =
        (Authority::new(stand.scratch.path(), "ours"), Authority::new(stand.scratch.path(), "strange"));
    let running = stand.run(secured(&stand, &ours.sign("collector"), Some(&ours.roots())));
    let shows = [
        (None, Reason::Unauthorized),
        (Some(strange.sign("client")), Reason::Unauthorized),
        (Some(ours.sign_until("old", 1999)), Reason::Expired),
    ];
    for (client, reason) in shows {
        let (transport, before) = (to(running.address, &ours), running.collector().refused(reason));
        let transport = match &client {
            Some(client) => transport.client_certificate(&client.certificate, &client.key),
            None => transport,
        };
        let (layer, guard) = over(transport).build().expect("a layer");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || tracing::info!("kept out"));
        let report = guard.flush(WHILE);
        assert!(report.timed_out && report.pending == 1 && report.lost == 0, "{report:?}");
        assert!(report.sinks[0].last_error.is_some(), "{client:?}");
        running.wait(|collector| collector.refused(reason) > before);
        let _ = guard.shutdown(Duration::ZERO);
    }
    let client = ours.sign("client");
    let transport = to(running.address, &ours).client_certificate(&client.certificate, &client.key);
    assert_eq!(publish(over(transport), |_| tracing::info!("let in")).written, 1);
    let url = format!("https://{}", running.address);
    for (otlp, what) in [(OtlpTransport::new(&url), "HTTP"), (OtlpTransport::grpc(&url), "gRPC")] {
        let otlp = otlp.roots(ours.roots()).client_certificate(&client.certificate, &client.key);
        let otlp = publisher(otlp.build().expect("a transport"));
        assert_eq!(publish(otlp, |_| tracing::info!("let in by OTLP over {what}")).written, 1);
    }
    let (roots, certificate, key) = (ours.roots(), &client.certificate, &client.key);
    let asks = |shown: &[&std::ffi::OsStr]| {
        let place = ["spanlake", "control", "get", "--collector", &url, "--roots"].map(std::ffi::OsString::from);
        let words = place.into_iter().chain([roots.as_os_str().to_owned()]);
        spanlake_cli::main_from(words.chain(shown.iter().map(|word| (*word).to_owned())))
    };
    let shown = ["--certificate".as_ref(), certificate.as_os_str(), "--key".as_ref(), key.as_os_str()];
    assert_eq!(asks(&shown), std::process::ExitCode::SUCCESS);
    assert_eq!(asks(&[]), std::process::ExitCode::FAILURE, "who asks for levels shows one too");
    running.stop();
    assert_eq!(
        stand.messages().into_keys().collect::<Vec<_>>(),
        ["let in", "let in by OTLP over HTTP", "let in by OTLP over gRPC"]
    );
}

#[test]
fn a_thing_that_speaks_no_tls_is_turned_out_and_counted() {
    let stand = Stand::new();
    let ours = Authority::new(stand.scratch.path(), "ours");
    let running = stand.run(secured(&stand, &ours.sign("collector"), None));
    let plain = HttpTransport::new(running.url()).build().expect("a transport");
    let (layer, guard) = publisher(plain).build().expect("a layer");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || tracing::info!("in the open"));
    running.wait(|collector| collector.refused(Reason::Handshake) > 0);
    let report = guard.shutdown(Duration::ZERO);
    assert!(report.is_err(), "{report:?}");
    assert_eq!(publish(over(to(running.address, &ours)), |_| tracing::info!("under seal")).written, 1);
    running.stop();
    assert_eq!(stand.messages().into_keys().collect::<Vec<_>>(), ["under seal"]);
}

#[test]
fn certificates_that_cannot_be_used_are_told_before_anything_runs() {
    let scratch = tempfile::tempdir().expect("a folder");
    let ours = Authority::new(scratch.path(), "ours");
    let (one, other) = (ours.sign("one"), ours.sign("other"));
    let empty = scratch.path().join("empty");
    std::fs::write(&empty, "no certificate").expect("a file");
    let gone = scratch.path().join("gone");
    for (chain, key, clients, told) in [
        (&one.certificate, &other.key, None, "do not fit"),
        (&one.certificate, &gone, None, "private key"),
        (&gone, &one.key, None, "certificates"),
        (&empty, &one.key, None, "no certificate"),
        (&one.certificate, &one.key, Some(empty.as_path()), "no certificate"),
    ] {
        let error = Tls::new(chain, key, clients).expect_err("unusable").chain();
        assert!(error.contains(told), "{error}");
        assert!(!error.contains("BEGIN"), "no key is shown: {error}");
    }
    let error = to("127.0.0.1:1".parse().expect("an address"), &ours).roots(&empty).build().expect_err("no roots");
    assert!(error.chain().contains("there are none"), "{}", error.chain());
}
