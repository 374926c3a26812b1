//! The command line: what the help shows can be typed.

use clap::{CommandFactory, Parser};
use spanlake_cli::args::{
    Args, CAT_EXAMPLES, CHECK_EXAMPLES, DIFF_EXAMPLES, EXAMPLES, EXPLAIN_EXAMPLES, GET_EXAMPLES, LS_EXAMPLES,
    RECOVER_EXAMPLES, RUNS_EXAMPLES, SET_EXAMPLES, TREE_EXAMPLES, VERIFY_EXAMPLES,
};

/// The texts, and how many examples are in each.
const TEXTS: [(&str, usize); 12] = [
    (EXAMPLES, 10),
    (TREE_EXAMPLES, 12),
    (CAT_EXAMPLES, 6),
    (RUNS_EXAMPLES, 7),
    (DIFF_EXAMPLES, 4),
    (LS_EXAMPLES, 3),
    (VERIFY_EXAMPLES, 2),
    (CHECK_EXAMPLES, 2),
    (EXPLAIN_EXAMPLES, 4),
    (RECOVER_EXAMPLES, 4),
    (SET_EXAMPLES, 3),
    (GET_EXAMPLES, 2),
];

/// The command lines among the lines of a help text, without what a shell would take and without the remark behind.
fn command_lines(text: &str) -> Vec<Vec<&str>> {
    let commands = text.lines().filter_map(|line| line.strip_prefix("  spanlake "));
    commands
        .map(|line| line.split("   ").next().unwrap_or(line).split(" > ").next().unwrap_or(line))
        .map(|line| std::iter::once("spanlake").chain(line.split_whitespace()).collect())
        .collect()
}

#[test]
fn every_example_in_the_help_can_be_typed() {
    for (text, least) in TEXTS {
        let lines = command_lines(text);
        assert_eq!(lines.len(), least, "{text}");
        for line in lines {
            Args::try_parse_from(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
        }
    }
}

#[test]
fn help_fits_a_narrow_terminal() {
    for (text, _) in TEXTS {
        let widest = text.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(80), "{widest:?} columns");
    }
}

#[test]
fn the_description_of_the_arguments_is_sound() {
    Args::command().debug_assert();
}

#[test]
fn wrong_values_are_refused() {
    let table = [
        "tree lake --level loud",
        "tree lake --status gone",
        "tree lake --field nothing",
        "tree lake --since soon",
        "tree lake --task no-key",
        "tree lake --format csv",
        "tree lake --depth -1",
        "tree lake --failed --status open",
        "tree lake --json --follow",
        "tree lake --for 10s",
        "cat lake --follow --for never",
        "cat lake --failed",
        "runs",
        "runs lake --status gone",
        "runs lake --failed --status failed",
        "runs lake --limit 0",
        "runs lake --limit 5 --all",
        "runs lake --strip --json",
        "runs lake diff latest previous",
        "runs diff latest",
        "runs diff latest previous --limit 5",
        "recover",
        "recover lake --spool",
        "spool lake",
        "spool ls",
        "spool verify lake --follow",
        "tree",
        "",
    ];
    for line in table {
        let words = std::iter::once("spanlake").chain(line.split_whitespace());
        assert!(Args::try_parse_from(words).is_err(), "{line}");
    }
}

#[test]
fn words_of_levels_are_taken_in_any_case() {
    Args::try_parse_from(["spanlake", "cat", "lake", "-l", "WARN"]).expect("a level");
}

#[test]
fn a_service_that_is_asked_for_levels_has_a_name() {
    for words in [&["set", "debug", "--service", ""][..], &["get", "--service", ""], &["clear", "--service", ""]] {
        let line = ["spanlake", "control"].iter().chain(words);
        Args::try_parse_from(line).expect_err("nobody is called so");
    }
}
