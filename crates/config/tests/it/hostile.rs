//! No bytes make the reader panic, or take long.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use spanlake_config::{Config, Format};

const FORMATS: [Format; 3] = [Format::Yaml, Format::Toml, Format::Json];

const FULL: [&str; 3] =
    [include_str!("../files/full.yaml"), include_str!("../files/full.toml"), include_str!("../files/full.json")];

/// What changes the meaning of a file most with the fewest bytes.
const SPLINTERS: [&str; 24] = [
    "{", "}", "[", "]", ":", ",", "\"", "'", "\n", "  ", "\t", "&a ", "*a ", "!x ", "- ", "---\n", "#", "=", "|\n",
    "\\", "\u{feff}", "0", "null", "é",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_texts_do_not_panic(text in ".{0,200}", format in 0_usize..3) {
        read(&text, format);
    }

    #[test]
    fn damaged_files_do_not_panic(
        format in 0_usize..3,
        cuts in prop::collection::vec((0_usize..4_000, 0_usize..12, 0_usize..SPLINTERS.len()), 1..6),
    ) {
        let mut text = FULL[format].to_owned();
        for (at, length, splinter) in cuts {
            let start = floor(&text, at % text.len());
            let end = floor(&text, start + length);
            text.replace_range(start..end, SPLINTERS[splinter]);
        }
        read(&text, format);
    }
}

#[test]
fn every_beginning_of_a_file_is_read() {
    for (format, text) in FULL.iter().enumerate() {
        text.char_indices().step_by(7).for_each(|(at, _)| read(&text[..at], format));
    }
}

#[test]
fn files_that_are_made_to_hurt_take_no_time() {
    let started = Instant::now();
    let deep = 50_000;
    let texts = [
        ("[".repeat(deep), 0),
        ("a: ".repeat(deep), 0),
        ("- ".repeat(deep), 0),
        ("&a ".repeat(deep), 0),
        (format!("a = {}", "[".repeat(deep)), 1),
        (format!("a{}", ".a".repeat(deep)) + " = 1", 1),
        ("[".repeat(deep), 2),
        ("{\"a\":".repeat(deep), 2),
        ((0..20_000).map(|at| format!("key{at}: 1\n")).collect(), 0),
        ((0..20_000).map(|at| format!("key{at} = 1\n")).collect(), 1),
    ];
    for (text, format) in texts {
        read(&text, format);
    }
    assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
}

fn read(text: &str, format: usize) {
    match Config::from_text(text, FORMATS[format], "a") {
        Ok(config) => assert!(!config.values().is_empty()),
        Err(wrong) => assert!(wrong.count() > 0 && !wrong.to_string().contains('\u{1b}')),
    }
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}
