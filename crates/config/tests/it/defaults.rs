//! Without a word, everything is as without a file.

use spanlake_config::settings::{Policy, SinkKind};
use spanlake_config::{Config, Format};

#[test]
fn empty_files_have_the_defaults() {
    for (text, format) in [("", Format::Yaml), ("# nothing\n", Format::Yaml), ("", Format::Toml), ("{}", Format::Json)]
    {
        let config = Config::from_text(text, format, "empty").expect("right");
        assert!(config.is_empty());
        let settings = config.settings();
        let sinks: Vec<_> = settings.sinks.names().collect();
        assert_eq!(sinks, ["console", "jsonl", "parquet"]);
        assert!(matches!(settings.queue.policy, Policy::DropLowest));
    }
}

#[test]
fn defaults_are_those_of_the_lake() {
    let config = Config::from_text("sinks: { a: jsonl }", Format::Yaml, "a.yaml").expect("right");
    let SinkKind::Jsonl(jsonl) = &config.settings().sinks.get("a").expect("a sink").kind else {
        panic!("no JSON lines");
    };
    assert_eq!(jsonl.max_file.as_bytes(), spanlake_lake::DEFAULT_MAX_FILE_BYTES.get());
    assert_eq!(jsonl.max_unsynced.as_bytes(), spanlake_lake::DEFAULT_MAX_UNSYNCED_BYTES.get() as u64);
    assert_eq!(config.settings().lake.partition, spanlake_lake::Partition::default());
    let queue = &config.settings().queue;
    assert_eq!(queue.capacity.as_bytes(), spanlake_core::buffer::DEFAULT_CAPACITY_BYTES.get() as u64);
    assert_eq!(*queue.drain_every, spanlake_core::pump::DEFAULT_DRAIN_EVERY);
    assert_eq!(*queue.flush_every, spanlake_core::pump::DEFAULT_FLUSH_EVERY);
}

#[test]
fn a_key_with_nothing_behind_it_is_empty() {
    let config = Config::from_text("queue:\nloggers:\nlake:\n  limits:\n", Format::Yaml, "a.yaml").expect("right");
    assert!(config.settings().loggers.is_empty());
}
