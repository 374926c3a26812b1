//! Files open with a sentence, do not panic where they must not, and have a reason to be long.

use crate::code::bare;
use crate::tree::{assert_kept, files_named, read};

/// Lines of a file at which it should be asked whether it is two.
const MAX_LINES: usize = 500;

/// Longer files, each with its reason.
const LONG: [(&str, &str); 4] = [
    ("crates/core/src/value.rs", "one encoding, its writer and its reader side by side"),
    ("crates/core/src/segment/writer.rs", "one frame after the other, as docs/format.md lists them"),
    ("crates/core/tests/it/pump.rs", "one behaviour of the pump after the other"),
    ("crates/core/tests/it/segment.rs", "one way to write, cut or damage a segment after the other"),
];

/// Folders whose code runs inside other people's programs.
const GUESTS: [&str; 6] = [
    "crates/core/src/",
    "crates/config/src/",
    "crates/wire/src/",
    "crates/layers/",
    "crates/storage/lake/src/",
    "crates/spanlake/src/",
];

/// What a guest does not do: stop the program, or write where the program writes.
const RUDE: [&str; 13] = [
    ".unwrap()",
    ".unwrap_err()",
    ".expect(",
    ".expect_err(",
    "panic!",
    "unreachable!",
    "todo!",
    "unimplemented!",
    "print!",
    "println!",
    "eprint!",
    "eprintln!",
    "dbg!",
];

/// Where it is done all the same: the file, the line's code, and why it is no harm. A constant needs no proof: what
/// would panic there does not compile.
const PROVEN: [(&str, &str, &str); 2] = [
    ("crates/core/src/value.rs", "unreachable!(\"the line above took the fields out\")", "the line above did"),
    (
        "crates/layers/scope/src/local.rs",
        "unreachable!(\"work that was taken has a result\")",
        "`with` returns what the closure returned, and the closure took the work",
    ),
];

/// The one module that may hold `unsafe`, which maps files.
const UNSAFE: &str = "crates/core/src/disk/mapping.rs";

#[test]
fn files_open_with_a_sentence() {
    let broken = files_named(".rs").filter(|file| !opens_with_sentence(&read(file)));
    assert_kept(broken.map(str::to_owned), "open the file with `//!` and one sentence that says what it is about");
}

#[test]
fn guests_neither_panic_nor_print() {
    let broken = guest_files().flat_map(|file| {
        let lines = rude_lines(&read(file));
        lines
            .into_iter()
            .filter(move |(_, line)| !is_proven(file, line))
            .map(move |(at, line)| format!("{file}:{at}: {line}"))
    });
    assert_kept(broken, "return an error, take a default, or prove it in the list PROVEN");
}

#[test]
fn proofs_are_needed() {
    let gone = |file: &str, code: &str| !rude_lines(&read(file)).iter().any(|(_, line)| line.contains(code));
    let broken = PROVEN.iter().filter(|(file, code, _)| gone(file, code));
    assert_kept(broken.map(|(file, code, _)| format!("{file}: {code}")), "take it out of the list PROVEN");
}

#[test]
fn unsafe_stands_in_one_module() {
    let is_unsafe =
        |file: &str| ["unsafe {", "unsafe fn", "unsafe impl"].iter().any(|word| bare(&read(file)).contains(word));
    let broken = files_named(".rs").filter(|file| *file != UNSAFE && is_unsafe(file));
    assert_kept(broken.map(str::to_owned), "do without `unsafe`; only the module that maps files has it");
}

#[test]
fn unsafe_has_its_proof_beside_it() {
    let source = read(UNSAFE);
    let lines: Vec<&str> = source.lines().collect();
    let unproven = |at: &usize| {
        lines[*at].trim_start().starts_with("unsafe {")
            && !lines[..*at].iter().rev().take(5).any(|line| line.contains("SAFETY:"))
    };
    let broken = (0..lines.len()).filter(unproven);
    assert_kept(broken.map(|at| format!("{UNSAFE}:{}", at + 1)), "say in a `SAFETY:` comment why it is sound");
}

#[test]
fn long_files_have_a_reason() {
    let lines = |file: &str| read(file).lines().count();
    let in_ledger = |file: &str| LONG.iter().any(|(long, _)| *long == file);
    let too_long = files_named(".rs").filter(|file| lines(file) > MAX_LINES && !in_ledger(file));
    let broken = too_long.map(|file| format!("{file} has {} lines", lines(file)));
    assert_kept(broken, "is it two things? If it is one, its reason goes into the list LONG");

    let short = LONG.iter().filter(|(file, _)| lines(file) <= MAX_LINES);
    assert_kept(short.map(|(file, _)| format!("{file} is short enough")), "take it out of the list LONG");
}

/// Whether the first paragraph is a documentation comment that ends as a sentence does, or another file's text.
fn opens_with_sentence(source: &str) -> bool {
    let paragraph = source.lines().map_while(|line| line.strip_prefix("//! "));
    let paragraph = paragraph.collect::<Vec<_>>().join(" ");
    paragraph.ends_with(['.', '?', ':']) || source.starts_with("#![doc = include_str!(")
}

fn guest_files() -> impl Iterator<Item = &'static str> {
    let is_guest = |file: &str| GUESTS.iter().any(|folder| file.starts_with(folder)) && file.contains("/src/");
    files_named(".rs").filter(move |file| is_guest(file))
}

/// Lines whose code has something rude in it, with their numbers.
fn rude_lines(source: &str) -> Vec<(usize, String)> {
    let bare = bare(source);
    let lines = (1..).zip(bare.lines()).zip(source.lines());
    let rude = lines.filter(|((_, bare), _)| !is_constant(bare) && RUDE.iter().any(|rude| has_word(bare, rude)));
    rude.map(|((at, _), line)| (at, line.trim().to_owned())).collect()
}

/// Whether the compiler evaluates all of the line.
fn is_constant(bare: &str) -> bool {
    let item = bare.trim_start().trim_start_matches("pub(crate) ").trim_start_matches("pub ");
    item.starts_with("const ") && !item.starts_with("const fn") && item.trim_end().ends_with(';')
}

/// Whether `word` stands in the line and is not the end of a longer one, as `print!` is of `eprint!`.
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') || word.starts_with('.'))
}

fn is_proven(file: &str, line: &str) -> bool {
    PROVEN.iter().any(|(proven, code, _)| *proven == file && line.contains(code))
}

#[test]
fn rude_code_is_found_and_talk_of_it_is_not() {
    let source = "a.unwrap();\n// b.unwrap()\n\"panic!\";\nc.unwrap_or(0);\neprintln!();\nd\n    .expect(\"e\");\n";
    let lines: Vec<_> = rude_lines(source).into_iter().map(|(at, _)| at).collect();
    assert_eq!(lines, [1, 5, 7]);
}
