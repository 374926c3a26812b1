//! What a collector says of itself.

use std::time::Duration;

use spanlake_collector::{Collector, LakePlugin, Match};

use super::stand::{Stand, publish};

#[test]
fn metrics_count_what_was_kept_refused_and_delivered() {
    let stand = Stand::new();
    let running = stand.start();
    publish(running.publisher(), |_| (0..100).for_each(|row| tracing::info!("{row}")));
    running.wait(|collector| collector.plugins()[0].written >= 100);
    assert!(running.get("/v1/segments").starts_with("HTTP/1.1 405"));
    let metrics = running.get("/metrics");
    assert!(metrics.starts_with("HTTP/1.1 200") && metrics.contains("text/plain; version=0.0.4"), "{metrics}");
    for line in [
        "spanlaked_records_total 100",
        "spanlaked_segments_repeated_total 0",
        r#"spanlaked_refused_total{reason="damaged"} 0"#,
        r#"spanlaked_plugin_errors_total{plugin="lake"} 0"#,
        "# TYPE spanlaked_queue_bytes gauge",
        "spanlaked_queue_streams 1",
        "spanlaked_queue_streams_forgotten_total 0",
        "spanlaked_queue_damaged_segments_total 0",
        "spanlaked_queue_errors_total 0",
        "# TYPE spanlaked_plugin_waiting_segments gauge",
    ] {
        assert!(metrics.lines().any(|told| told == line), "{line} is not in:\n{metrics}");
    }
    let health = running.get("/healthz");
    assert!(health.starts_with("HTTP/1.1 200") && health.ends_with("ok\n"), "{health}");
}

#[test]
fn programs_that_end_well_are_not_remembered_for_long() {
    let stand = Stand::new();
    let builder = Collector::builder(stand.queue().remember_settled_for(Duration::ZERO));
    let builder = builder.listen("127.0.0.1:0".parse().expect("an address")).flush_every(Duration::from_millis(20));
    let running = stand.run(builder.plugin("lake", Match::default(), LakePlugin::jsonl(stand.lake())));
    let spool = stand.scratch.path().join("spool");
    for program in 0..3 {
        publish(running.publisher().spool(&spool), |_| tracing::info!("{program}"));
    }
    running.wait(|collector| collector.plugins()[0].written >= 3 && collector.queue().streams == 0);
    assert_eq!(stand.messages().len(), 3);
}
