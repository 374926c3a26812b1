//! The guide: what it shows can be typed, and what it says of a wrong file is said.

use spanlake_config::{Config, Format};

const GUIDE: &str = include_str!("../../../../docs/configuration.md");

/// What is wrong in the guide's example of a message.
const WRONG: &str = "service: orders\nqueue:\n  capasity: 10 MiB\nloggers: { root: { sinks: [consol] } }\n";

#[test]
fn what_it_shows_can_be_typed() {
    for (language, format) in [("yaml", Format::Yaml), ("toml", Format::Toml)] {
        let blocks = blocks(language);
        assert!(!blocks.is_empty(), "{language}");
        for block in blocks {
            if let Err(wrong) = Config::from_text(block, format, "docs/configuration.md") {
                panic!("{wrong}");
            }
        }
    }
}

#[test]
fn the_whole_example_names_every_section() {
    let [example] = blocks("yaml")[..] else { panic!("one example") };
    let schema: serde_json::Value =
        serde_json::from_str(&spanlake_config::json_schema::<spanlake_config::Settings>()).expect("JSON");
    let sections = schema["properties"].as_object().expect("sections").keys();
    let is_missing = |section: &&String| *section != "publish" && !example.contains(&format!("\n{section}:"));
    let missing: Vec<_> = sections.filter(|section| *section != "service").filter(is_missing).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn messages_are_those_of_the_guide() {
    let wrong = Config::from_text(WRONG, Format::Yaml, "spanlake.yaml").expect_err("wrong").to_string();
    assert_eq!(blocks("text"), [wrong]);
}

fn blocks(language: &str) -> Vec<&'static str> {
    let begin = format!("```{language}\n");
    GUIDE.split(&*begin).skip(1).filter_map(|rest| rest.split("```\n").next()).collect()
}
