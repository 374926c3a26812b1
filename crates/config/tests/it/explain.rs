//! Every value says where it comes from.

use spanlake_config::{Config, Format};

#[test]
fn values_say_who_said_so() {
    let text = "service: orders\netl: { store: { options: { key: hush } } }\nsinks:\n  a: { kind: file, path: x, level: WARN }\n  b: stderr\n";
    let config = Config::from_text(text, Format::Yaml, "a.yaml").expect("right");
    let line = |key: &str| {
        let value = config.values().iter().find(|value| value.key == key).expect(key);
        format!("{} ({})", value.value, value.origin)
    };
    assert_eq!(line("service"), "orders (a.yaml:1:10)");
    assert_eq!(line("queue.capacity"), "64 MiB (default)");
    assert_eq!(line("queue.policy"), "drop_lowest (default)");
    assert_eq!(line("queue.spool"), "off (default)");
    assert_eq!(line("sinks.a.kind"), "file (a.yaml:4:14)");
    assert_eq!(line("sinks.a.level"), "WARN (a.yaml:4:36)");
    assert_eq!(line("sinks.b.level"), "INFO (levels.console)");
    assert_eq!(line("shutdown.on"), "[exit, fatal_panic] (default)");
    assert_eq!(line("etl.store.options.key"), "*** (a.yaml:2:33)");
}
