//! What a file may ask for and this program was built without, told before anything is opened.

use spanlake_config::settings::{Compression, Lineage, Sink, SinkKind};
use spanlake_config::{Config, Diagnostics};

/// Refuses what the file asks for and is not there.
pub(super) fn check(config: &Config) -> Result<(), Diagnostics> {
    let mut missing = Missing { config, all: Vec::new() };
    missing.built_without("etl", cfg!(feature = "etl"), "etl");
    if let Some(Some(Lineage::Http(_))) = config.settings().etl.on().map(|etl| &etl.lineage) {
        missing.built_without("etl.lineage", cfg!(feature = "lineage-http"), "lineage-http");
    }
    let in_texts = [".patterns", "redact.secret_texts", "redact.card_numbers"];
    let asks = |key: &str| in_texts.iter().any(|end| key.ends_with(end));
    for value in config.values().iter().filter(|value| asks(&value.key) && value.value != "off") {
        missing.built_without(&value.key, cfg!(feature = "patterns"), "patterns");
    }
    if cfg!(not(unix)) && !config.settings().reload.on.is_empty() {
        let expected = "no signal; the program can call `Reloader::reload`".to_owned();
        missing.all.push(("reload.on".to_owned(), "there are no such signals on this system".to_owned(), expected));
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
    /// A part that is left out by a feature.
    fn built_without(&mut self, key: &str, is_there: bool, feature: &str) {
        if !is_there && self.config.is_set(key) {
            let message = format!("this program was built without the feature `{feature}` of spanlake");
            self.all.push((key.to_owned(), message, "no such key".to_owned()));
        }
    }

    fn sink(&mut self, key: &str, sink: &Sink) {
        match &sink.kind {
            SinkKind::Parquet(_) => self.built_without(key, cfg!(feature = "parquet"), "parquet"),
            SinkKind::RollingFile(rolling) => {
                let key = format!("{key}.compression");
                match rolling.compression {
                    Compression::Gzip => self.built_without(&key, cfg!(feature = "gzip"), "gzip"),
                    Compression::Zstd => self.built_without(&key, cfg!(feature = "zstd"), "zstd"),
                    _ => {}
                }
            }
            _ => {}
        }
    }
}
