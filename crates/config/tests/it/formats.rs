//! Three formats, one meaning.

use spanlake_config::settings::{Policy, SinkKind};
use spanlake_config::{Config, Format, Settings};

#[test]
fn three_files_mean_the_same() {
    let [yaml, toml, json] = ["yaml", "toml", "json"].map(settings);
    assert_eq!(yaml, json);
    assert_eq!(yaml, toml);
}

#[test]
fn a_file_means_what_it_says() {
    let settings = settings("yaml");
    assert_eq!(settings.service.as_deref(), Some("orders"));
    assert_eq!(settings.queue.capacity.as_bytes(), 16 << 20);
    assert!(matches!(&settings.queue.policy, Policy::Block(block) if block.timeout.as_millis() == 250));
    assert_eq!(settings.loggers.names().collect::<Vec<_>>(), ["root", "orders::db", "hyper"]);
    assert!(!settings.loggers.get("hyper").expect("a logger").propagate);
    assert!(matches!(settings.sinks.get("tree").expect("a sink").kind, SinkKind::Stdout(_)));
    assert!(settings.fold_repeats.on().is_some());
    assert!(settings.queue.spool.on().is_some());
}

#[test]
fn switches_and_levels_are_words_in_any_case() {
    let texts = ["layers: { log: off }", "layers: { log: OFF }", "layers: { log: false }", "layers: {log: False}"];
    for text in texts {
        let config = Config::from_text(text, Format::Yaml, "a.yaml").expect("right");
        assert!(!config.settings().layers.log, "{text}");
    }
    let config = Config::from_text("levels: { console: warn }", Format::Yaml, "a.yaml").expect("right");
    assert_eq!(config.settings().levels.console, spanlake_core::LevelFilter::WARN);
}

#[test]
fn aliases_repeat() {
    let text = "sinks:\n  a: { kind: file, path: a, renderer: &lines { kind: logfmt } }\n  b: { kind: file, path: b, renderer: *lines }\n";
    let config = Config::from_text(text, Format::Yaml, "a.yaml").expect("right");
    let sinks = &config.settings().sinks;
    let renderer = |name| match &sinks.get(name).expect("a sink").kind {
        SinkKind::File(file) => file.renderer.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(renderer("a"), renderer("b"));
}

fn settings(extension: &str) -> Settings {
    match Config::from_file(format!("tests/files/full.{extension}")) {
        Ok(config) => config.settings().clone(),
        Err(wrong) => panic!("{wrong}"),
    }
}
