//! A collector's file: its defaults, its schema, and what is told of one that is wrong.

use std::path::Path;
use std::time::Duration;

use spanlake_config::settings::collector::{Collector, PluginKind};
use spanlake_config::{CollectorConfig, Format, json_schema};

use super::broken::{files_of, says};

const WRONG: &str = "\
listen: 0.0.0.0:4600
tokens:
  orders: { rights: [publish, write] }
receive: { zeromq_pull: { listen: everywhere } }
plugins:
  lake: { kind: lake, path: lake, jsonl: off, parquet: off }
  cache: { kind: rediss }
  print: { kind: print, match: { levels: INFO } }
limits: { body: 0 B }
";

fn read(text: &str) -> Result<CollectorConfig, String> {
    CollectorConfig::from_text(text, Format::Yaml, "spanlaked.yaml").map_err(|told| told.to_string())
}

#[test]
fn an_empty_file_has_the_defaults() {
    let config = read("").expect("it is right");
    let settings = config.settings();
    assert_eq!(settings.listen.as_str(), "127.0.0.1:4600");
    assert_eq!((settings.queue.folder.as_str(), settings.queue.max.as_bytes()), ("spanlaked", 10 << 30));
    assert_eq!((settings.limits.connections.get(), settings.limits.patience), (1024, Duration::from_secs(30)));
    assert!(settings.tls.on().is_none() && settings.receive.zeromq_pull.on().is_none());
    assert_eq!(settings.plugins.iter().count(), 0);
}

#[test]
fn a_word_is_a_plugin_and_a_map_says_more() {
    let config = read("plugins: { print: print, lake: { kind: lake, path: a, match: { level: WARN, target: [db] } } }");
    let config = config.expect("it is right");
    let plugins: Vec<_> = config.settings().plugins.iter().collect();
    assert!(matches!(plugins[0], ("print", plugin) if matches!(plugin.kind, PluginKind::Print(_))));
    assert_eq!(plugins[1].1.common.r#match.target, ["db"]);
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let told = read(WRONG).expect_err("it is wrong");
    for part in [
        "unknown word `write`",
        "there is no kind `rediss`",
        "unknown key `levels`",
        "did you mean `level`?",
        "the lake has no format",
        "key: limits.body",
    ] {
        assert!(told.contains(part), "{part} is not in:\n{told}");
    }
    let two = read("tokens: { a: { rights: [publish] } }\n").expect_err("it is wrong");
    assert!(two.contains("a token stands here or in a file") && two.contains("one of `secret` and `file`"), "{two}");
}

#[test]
fn messages_are_those_that_were_looked_at() {
    let files = files_of("tests/broken/collector");
    assert!(files.len() >= 6, "{} files", files.len());
    let message = |file: &Path| CollectorConfig::from_file(file).expect_err("it is wrong").to_string();
    let wrong: Vec<_> = files.iter().filter(|file| !says(file, &message(file))).collect();
    assert!(wrong.is_empty(), "{wrong:?}: look at them, then run with SPANLAKE_BLESS=1");
}

#[test]
fn strangers_and_addresses_that_are_none_are_told() {
    let told =
        read("listen: 0.0.0.0:4600\nreceive: { zeromq_pull: { listen: everywhere } }\n").expect_err("it is wrong");
    assert!(told.contains("strangers would be let in") && told.contains("spanlaked.yaml:1:9"), "{told}");
    assert!(told.contains("this is no address") && told.contains("key: receive.zeromq_pull.listen"), "{told}");
    read("listen: 0.0.0.0:4600\ntokens: { a: { secret: x, rights: [publish] } }\n").expect("with a token it is right");
}

#[test]
fn the_committed_schema_is_this_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/spanlaked.schema.json");
    let schema = json_schema::<Collector>();
    if std::env::var_os("SPANLAKE_BLESS").is_some() {
        std::fs::write(&path, &schema).expect("written");
    }
    assert_eq!(std::fs::read_to_string(&path).expect("a schema"), schema, "run with SPANLAKE_BLESS=1");
}
