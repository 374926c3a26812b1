//! Levels that somebody asks for at a collector reach programs that send by NATS, and are taken back.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use spanlake_core::Level;
use spanlake_publish::{Guard, PublishLayer, PublishLayerBuilder};
use tracing_subscriber::prelude::*;

use super::server::{Nats, until};
use crate::collecting::stand::{LONG, Running, Stand};

fn control(running: &Running<'_>, words: &[&str]) {
    let url = running.url();
    let place = ["--collector", &url];
    let words = ["spanlake", "control"].iter().chain(words).chain(&place).copied();
    assert_eq!(spanlake_cli::main_from(words), ExitCode::SUCCESS);
}

/// Asks after a second, as often as it may.
fn builder(nats: &Nats) -> PublishLayerBuilder {
    let builder = PublishLayer::builder(nats.transport()).service("orders").send_every(Duration::from_millis(5));
    builder.poll_every(Duration::from_secs(1))
}

fn wait_for(guard: &Guard, directives: &str) -> Duration {
    let begun = Instant::now();
    let staying = || {
        let followed = guard.handle().verbosity().get().directives;
        followed.iter().map(|directive| directive.clone().staying().to_string()).collect::<Vec<_>>().join(",")
    };
    until(directives, || staying() == directives);
    begun.elapsed()
}

#[test]
fn what_is_asked_for_reaches_an_idle_program_and_is_taken_back() {
    let (nats, stand) = (Nats::start(), Stand::new());
    let running = nats.collect(&stand);
    let (layer, guard) = builder(&nats).build().expect("a layer");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        tracing::debug!("before");
        control(&running, &["set", "--service", "other", "trace"]);
        control(&running, &["set", "--service", "orders", "--task", "load=trace", "--for", "10m"]);
        let took = wait_for(&guard, "task=load=trace");
        assert!(took < Duration::from_secs(10), "{took:?}");
        tracing::info_span!("load").in_scope(|| tracing::trace!("while"));
        tracing::debug!("elsewhere");
        control(&running, &["clear", "--service", "orders"]);
        wait_for(&guard, "");
        tracing::info_span!("load").in_scope(|| tracing::trace!("after"));
    });
    assert!(guard.shutdown(LONG).expect("an end in time").is_complete());
    nats.wait_until_empty();
    running.wait(|collector| collector.plugins()[0].written >= 5);
    running.stop();
    let verbose = stand.records().into_iter().filter(|record| record.level > Level::INFO);
    assert_eq!(verbose.map(|record| record.message).collect::<Vec<_>>(), ["while"]);
}

#[test]
fn it_outlives_collector_and_server_reaches_who_starts_late_and_ends_by_itself() {
    let (mut nats, stand) = (Nats::start(), Stand::new());
    let running = nats.collect(&stand);
    control(&running, &["set", "--service", "orders", "orders::db=debug", "--for", "10m"]);
    let told = |nats: &Nats| nats.state("SPANLAKE_VERBOSITY").state.last_sequence;
    until("it is told", || {
        nats.with(async |context| Ok(context.get_stream("SPANLAKE_VERBOSITY").await.is_ok())) && told(&nats) == 1
    });
    running.stop();
    nats.server.stop();
    nats.server.start();
    // No collector is there.
    let (late, guard) = builder(&nats).build().expect("a layer");
    wait_for(&guard, "orders::db=debug");
    let left = guard.handle().verbosity().get().directives.iter().find_map(|directive| directive.lasts());
    assert!(left.is_some_and(|left| left < Duration::from_secs(600)), "the time that is left: {left:?}");

    // What is told already is not told again.
    let running = nats.collect(&stand);
    control(&running, &["set", "--service", "else", "debug"]);
    until("the next is told", || told(&nats) == 2);
    control(&running, &["set", "--service", "orders", "orders::db=trace", "--for", "3s"]);
    wait_for(&guard, "orders::db=trace");
    wait_for(&guard, "");
    drop((late, guard));
    running.stop();
}
