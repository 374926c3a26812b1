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
        (cfg!(feature = "redis"), "kind: redis, url: 'redis://127.0.0.1:6379', stream: s, max_len: 10, channel: c"),
        (cfg!(feature = "forward"), "kind: forward, url: 'http://127.0.0.1:4600', token: s3cret"),
        (cfg!(feature = "otlp"), "kind: otlp, url: 'http://127.0.0.1:4318', spans: false"),
    ] {
        let made = start(plugin);
        assert_eq!(made.is_ok(), built_in, "{plugin}: {made:?}");
        let is_told = |error: String| error.contains("without the feature") && error.contains("elsewhere");
        assert!(made.err().is_none_or(is_told), "{plugin}");
    }
}

#[test]
fn settings_that_make_no_sense_are_told_before_anything_runs() {
    for (plugin, told) in [
        ("kind: lake, path: lake, jsonl: false, parquet: false", "no format"),
        ("kind: redis", "url"),
        ("kind: redis, url: 'redis://h', max_len: 0", "max_len"),
        ("kind: forward, url: 'http://h', token: a, token_file: b", "two tokens"),
        ("kind: otlp, url: 'http://h', logs: false, spans: false", "nothing would be sent"),
    ] {
        let error = start(plugin).expect_err("wrong");
        assert!(error.contains(told), "{plugin}: {error}");
    }
}
