//! Plugins that a file names are those that are built in.

use spanlake_collector::from_settings;
use spanlake_config::{CollectorConfig, Format};

fn start(plugin: &str) -> Result<(), String> {
    let config = format!("plugins:\n  elsewhere: {{ {plugin} }}\n");
    let config =
        CollectorConfig::from_text(&config, Format::Yaml, "spanlaked.yaml").map_err(|wrong| wrong.to_string())?;
    from_settings(&config).map(drop).map_err(|error| error.chain())
}

#[test]
fn what_is_built_in_is_made_and_what_is_not_is_refused() {
    for (built_in, plugin) in [
        (cfg!(feature = "redis"), "kind: redis, url: 'redis://127.0.0.1:6379', name: s, max_len: 10"),
        (cfg!(feature = "redis"), "kind: redis, url: 'redis://127.0.0.1:6379', mode: publish, name: c"),
        (cfg!(feature = "mongodb"), "kind: mongodb, url: 'mongodb://127.0.0.1:27017'"),
        (cfg!(feature = "nats"), "kind: pubsub_nats, url: 'nats://127.0.0.1:4222'"),
        (cfg!(feature = "pubsub-zeromq"), "kind: pubsub_zeromq, listen: '127.0.0.1:0'"),
        (cfg!(feature = "forward"), "kind: forward, url: 'http://127.0.0.1:4600'"),
        (cfg!(feature = "otlp"), "kind: otlp, url: 'http://127.0.0.1:4318', signals: logs"),
    ] {
        let made = start(plugin);
        assert_eq!(made.is_ok(), built_in, "{plugin}: {made:?}");
        let is_told = |error: String| error.contains("not built in") && error.contains("elsewhere");
        assert!(made.err().is_none_or(is_told), "{plugin}");
    }
}

#[test]
fn settings_that_make_no_sense_are_told_before_anything_runs() {
    for (plugin, told) in [
        ("kind: lake, path: lake, jsonl: false, parquet: false", "no format"),
        ("kind: lake, path: 'ftp://bucket/lake'", "elsewhere"),
        ("kind: forward, url: 'ftp://h'", "elsewhere"),
        ("kind: redis", "url"),
        ("kind: redis, url: 'redis://h', max_len: 0", "max_len"),
        ("kind: forward, url: 'http://h', client: { key: a.pem }", "a certificate goes with its key"),
        ("kind: otlp, url: 'http://h', signals: spans", "signals"),
    ] {
        let error = start(plugin).expect_err("wrong");
        assert!(error.contains(told), "{plugin}: {error}");
    }
}

#[test]
fn a_receiver_is_made_where_it_is_built_in_and_refused_where_not() {
    let config = "receive: { jetstream: { site: { url: 'nats://127.0.0.1:4222', batch: 16, ack_wait: 5 s } } }\n";
    let config = CollectorConfig::from_text(config, Format::Yaml, "spanlaked.yaml").expect("it is right");
    let made = from_settings(&config).map(drop).map_err(|error| error.chain().to_string());
    assert_eq!(made.is_ok(), cfg!(feature = "nats"), "{made:?}");
    assert!(made.err().is_none_or(|error| error.contains("without the feature") && error.contains("site")));
}
