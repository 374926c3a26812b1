//! What a file may say and this program cannot do, told before anything is opened.

use spanlake_config::settings::{Lineage, Renderer, Sink, SinkKind};
use spanlake_config::{Config, Diagnostics};

/// Refuses what the file asks for and is not there.
pub(super) fn check(config: &Config) -> Result<(), Diagnostics> {
    let mut missing = Missing { config, all: Vec::new() };
    for key in ["verbosity", "redact", "processors", "loggers", "pipelines", "flight_recorder", "fold_repeats"] {
        missing.in_this_version(key.to_owned());
    }
    missing.in_this_version("reload.on".to_owned());
    missing.built_without("etl", cfg!(feature = "etl"), "etl");
    if let Some(Some(Lineage::Http(_))) = config.settings().etl.on().map(|etl| &etl.lineage) {
        missing.built_without("etl.lineage", cfg!(feature = "lineage-http"), "lineage-http");
    }
    for (name, sink) in config.settings().sinks.iter() {
        missing.sink(&format!("sinks.{name}"), sink);
    }
    config.refuse(missing.all)
}

struct Missing<'a> {
    config: &'a Config,
    all: Vec<(String, String, String)>,
}

impl Missing<'_> {
    fn in_this_version(&mut self, key: String) {
        if self.config.is_set(&key) {
            self.all.push((key, "not available in this version".to_owned(), "no such key".to_owned()));
        }
    }

    /// A part that is left out by a feature.
    fn built_without(&mut self, key: &str, is_there: bool, feature: &str) {
        if !is_there && self.config.is_set(key) {
            let message = format!("this program was built without the feature `{feature}` of spanlake");
            self.all.push((key.to_owned(), message, "no such key".to_owned()));
        }
    }

    fn sink(&mut self, key: &str, sink: &Sink) {
        self.in_this_version(format!("{key}.processors"));
        self.in_this_version(format!("{key}.backlog"));
        match &sink.kind {
            SinkKind::Stdout(stream) | SinkKind::Stderr(stream) => {
                if !matches!(stream.renderer, Renderer::Text(_)) {
                    self.in_this_version(format!("{key}.renderer"));
                }
            }
            SinkKind::Parquet(_) => self.built_without(key, cfg!(feature = "parquet"), "parquet"),
            SinkKind::Jsonl(_) | SinkKind::SystemLog(_) => {}
            _ => self.in_this_version(key.to_owned()),
        }
    }
}
