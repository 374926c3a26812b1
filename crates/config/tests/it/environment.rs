//! The environment, when it is asked.

use spanlake_config::{Config, Diagnostics, Format, Origin};

#[test]
fn variables_come_before_the_file() {
    let config = with("queue: { capacity: 1 MiB }", &[("SPANLAKE_QUEUE__CAPACITY", "2 MiB")]).expect("right");
    assert_eq!(config.settings().queue.capacity.as_bytes(), 2 << 20);
    let variable = Origin::Environment { variable: "SPANLAKE_QUEUE__CAPACITY".to_owned() };
    assert_eq!(origin(&config, "queue.capacity"), variable);
}

#[test]
fn the_file_alone_is_not_asked_for_them() {
    let config = Config::from_text("service: a", Format::Yaml, "a.yaml").expect("right");
    let origin = origin(&config, "service");
    assert_eq!(origin, Origin::File { path: "a.yaml".to_owned(), line: 1, column: 10 });
}

#[test]
fn variables_reach_what_has_a_name() {
    let text = "sinks: { console: stderr }\nloggers: { \"orders::db\": { level: INFO } }\n";
    let variables = [
        ("SPANLAKE_SINKS__CONSOLE__LEVEL", "debug"),
        ("SPANLAKE_LOGGERS__ORDERS_DB__LEVEL", "TRACE"),
        ("SPANLAKE_LOGGERS__ROOT__SINKS", "[console]"),
    ];
    let config = with(text, &variables).expect("right");
    let settings = config.settings();
    let level = settings.level_of(settings.sinks.get("console").expect("a sink"));
    assert_eq!(level, spanlake_core::LevelFilter::DEBUG);
    assert_eq!(settings.loggers.names().collect::<Vec<_>>(), ["orders::db", "root"]);
}

#[test]
fn defaults_stay_beside_what_is_said() {
    let config =
        with("", &[("SPANLAKE_SINKS__CONSOLE__LEVEL", "off"), ("SPANLAKE_TASK", "no setting")]).expect("right");
    assert_eq!(config.settings().sinks.names().collect::<Vec<_>>(), ["console", "jsonl", "parquet"]);
}

#[test]
fn wrong_variables_are_told_by_name() {
    let variables =
        [("SPANLAKE_QUEUE__CAPASITY", "1 MiB"), ("SPANLAKE_SERVICE", "[a"), ("SPANLAKE_LEVELS__FILES", "loud")];
    let wrong = with("service: a", &variables).expect_err("wrong").to_string();
    let expected = "error: no YAML: ";
    assert!(wrong.contains(expected), "{wrong}");
    assert!(wrong.contains("--> SPANLAKE_QUEUE__CAPASITY\n"), "{wrong}");
    assert!(wrong.contains("hint: did you mean `capacity`?"), "{wrong}");
    assert!(wrong.contains("unknown word `loud`"), "{wrong}");
}

#[test]
fn a_key_in_what_has_none_is_a_fault_of_the_variable() {
    let variables = [("SPANLAKE_PROCESSORS__0__KIND", "x"), ("SPANLAKE_SERVICE__NAME", "b")];
    let wrong = with("service: a\nprocessors: [strip_markup]", &variables).expect_err("wrong");
    let places: Vec<_> = wrong.iter().map(|wrong| (&*wrong.message, wrong.place())).collect();
    let at = |variable: &str| ("a map cannot stand here", variable.to_owned());
    assert_eq!(places, [at("SPANLAKE_PROCESSORS__0__KIND"), at("SPANLAKE_SERVICE__NAME")]);
}

fn with(text: &str, variables: &[(&str, &str)]) -> Result<Config, Diagnostics> {
    let config = Config::from_text(text, Format::Yaml, "a.yaml").expect("right without them");
    config.with_variables(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

fn origin(config: &Config, key: &str) -> Origin {
    let value = config.values().iter().find(|value| value.key == key);
    value.expect("a value").origin.clone()
}
