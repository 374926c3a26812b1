//! What the documents name is there, and nothing names somebody's machine.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::tree::{FILES, assert_kept, files_named, read};

/// Files and folders of the tree, from the root.
static PLACES: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    let folders = |file: &'static str| file.match_indices('/').map(move |(at, _)| &file[..at]);
    FILES.iter().flat_map(|file| folders(file).chain([file.as_str()])).collect()
});

/// Folders below which people have their files, written so that this file does not name one.
const HOMES: [&str; 4] = [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/"), concat!("/wo", "rk/")];

#[test]
fn links_lead_somewhere() {
    let broken = documents().flat_map(|document| {
        let links = links(&read(document));
        links.into_iter().filter(move |link| !leads(document, link)).map(move |link| format!("{document}: {link}"))
    });
    assert_kept(broken, "correct the link");
}

#[test]
fn paths_exist() {
    let broken = documents().flat_map(|document| {
        let paths = paths(&read(document));
        paths.into_iter().filter(|path| !PLACES.contains(path.as_str())).map(move |path| format!("{document}: {path}"))
    });
    assert_kept(broken, "correct the path");
}

#[test]
fn recipes_exist() {
    let justfile = read("justfile");
    let exists = |recipe: &str| justfile.lines().any(|line| line.split([' ', ':']).next() == Some(recipe));
    let broken = documents().flat_map(|document| {
        let recipes: Vec<_> = code(&read(document)).iter().filter_map(|code| recipe(code)).collect();
        recipes.into_iter().filter(|recipe| !exists(recipe)).map(move |recipe| format!("{document}: just {recipe}"))
    });
    assert_kept(broken, "name a recipe of the justfile");
}

#[test]
fn no_file_names_somebodys_machine() {
    let broken = FILES.iter().flat_map(|file| {
        let text = read(file);
        let lines: Vec<_> = (1..).zip(text.lines()).filter(|(_, line)| names_a_home(line)).map(|(at, _)| at).collect();
        lines.into_iter().map(move |at| format!("{file}:{at}"))
    });
    assert_kept(broken, "say it without a path from the root of a machine");
}

#[test]
fn the_changelog_has_a_place_for_what_is_new() {
    assert!(read("CHANGELOG.md").lines().any(|line| line == "## [Unreleased]"), "open one: `## [Unreleased]`");
}

fn documents() -> impl Iterator<Item = &'static str> {
    files_named(".md")
}

// === links ===

/// Targets of a document's links, those to other sites left out.
fn links(document: &str) -> Vec<String> {
    let prose = prose(document);
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:")).map(str::to_owned).collect()
}

/// Whether a link leads to a place of the tree, and to a heading in it if it names one.
fn leads(document: &str, link: &str) -> bool {
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    let place = if path.is_empty() { document.to_owned() } else { resolve(document, path) };
    let exists = PLACES.contains(place.as_str());
    exists && (heading.is_empty() || headings(&read(&place)).contains(heading))
}

/// A path relative to a document, from the root.
fn resolve(document: &str, path: &str) -> String {
    let mut parts: Vec<_> = document.split('/').collect();
    parts.pop();
    for part in path.trim_end_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The names that links know headings by.
fn headings(document: &str) -> BTreeSet<String> {
    let headings = prose(document);
    let headings = headings
        .lines()
        .filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')));
    headings.map(slug).collect()
}

fn slug(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect::<String>().to_lowercase()
}

// === prose and code ===

/// The document without fenced blocks.
fn prose(document: &str) -> String {
    document.split("```").step_by(2).collect()
}

/// Fenced lines and spans between backticks.
fn code(document: &str) -> Vec<String> {
    let fenced = document.split("```").skip(1).step_by(2).flat_map(|block| block.lines().skip(1));
    let prose = prose(document);
    let spans = prose.split('`').skip(1).step_by(2);
    fenced.chain(spans).map(str::to_owned).collect()
}

/// Words of a document's code that begin with a folder of the tree, so that they are meant as paths.
fn paths(document: &str) -> Vec<String> {
    let is_path_char = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let words =
        code(document).into_iter().flat_map(|code| code.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let words = words.filter(|word| word.chars().all(is_path_char));
    let words = words.map(|word| word.trim_start_matches("./").trim_end_matches(['/', '.']).to_owned());
    words.filter(|word| word.split_once('/').is_some_and(|(top, _)| PLACES.contains(top))).collect()
}

/// The recipe that a line of code names.
fn recipe(code: &str) -> Option<String> {
    let mut words = code.split_whitespace();
    words.next().filter(|word| *word == "just")?;
    words.next().map(str::to_owned)
}

// === machines ===

fn names_a_home(line: &str) -> bool {
    let inside_a_path = |c: char| c.is_alphanumeric() || "._-~}".contains(c);
    HOMES.iter().any(|home| line.match_indices(home).any(|(at, _)| !line[..at].ends_with(inside_a_path)))
}

#[test]
fn homes_are_found_and_sites_are_not() {
    let home = HOMES[0];
    assert!(names_a_home(&format!("see {home}x")) && names_a_home(&format!("file://{home}x")));
    assert!(!names_a_home(&format!("https://a.org{home}x")));
}
