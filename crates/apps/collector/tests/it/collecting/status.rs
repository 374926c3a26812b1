//! What a collector says of itself.

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
        "spanlaked_queue_damaged_segments_total 0",
        "spanlaked_queue_errors_total 0",
        "# TYPE spanlaked_plugin_waiting_segments gauge",
    ] {
        assert!(metrics.lines().any(|told| told == line), "{line} is not in:\n{metrics}");
    }
    let health = running.get("/healthz");
    assert!(health.starts_with("HTTP/1.1 200") && health.ends_with("ok\n"), "{health}");
}
