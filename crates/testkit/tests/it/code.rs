//! Rust source without comments, literals and tests, so that a rule about code does not trip over a text.

use std::iter::Peekable;
use std::str::CharIndices;

/// The source with every comment, text and character literal, and every item under `#[cfg(test)]`, replaced by spaces;
/// lines stay where they are.
pub(crate) fn bare(source: &str) -> String {
    without_tests(&without_texts(source))
}

fn without_texts(source: &str) -> String {
    let mut bare = String::with_capacity(source.len());
    let mut chars = source.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let rest = &source[at..];
        let length = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => text(rest),
            'r' | 'b' | 'c' if !follows_word(source, at) => prefixed_text(rest),
            '\'' => character(rest),
            _ => 0,
        };
        if length == 0 {
            bare.push(c);
        } else {
            blank(&mut bare, &rest[..length]);
            skip_to(&mut chars, at + length);
        }
    }
    bare
}

fn without_tests(bare: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(bare.len()), bare);
    while let Some(at) = rest.find("#[cfg(test)]") {
        let (before, test) = rest.split_at(at);
        let (item, after) = test.split_at(item(test));
        out.push_str(before);
        blank(&mut out, item);
        rest = after;
    }
    out + rest
}

/// Length of the item that starts here: to its `;`, or to the brace that closes its body.
fn item(bare: &str) -> usize {
    let mut depth = 0;
    for (at, c) in bare.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return at + 1,
            _ => {}
        }
        if c == '}' && depth == 0 {
            return at + 1;
        }
    }
    bare.len()
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let pairs = rest.as_bytes().windows(2).enumerate();
    for (at, pair) in pairs {
        match pair {
            b"/*" => depth += 1,
            b"*/" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 2;
        }
    }
    rest.len()
}

/// Length of a literal that starts with a quote and ends with one that no backslash precedes.
fn text(rest: &str) -> usize {
    let mut escaped = false;
    let inside = rest[1..].find(|c| match c {
        _ if escaped => {
            escaped = false;
            false
        }
        '\\' => {
            escaped = true;
            false
        }
        _ => c == '"',
    });
    inside.map_or(rest.len(), |at| at + 2)
}

/// Length of `r"…"`, `br#"…"#`, `b"…"`, `c"…"` and their like; 0 for anything else.
fn prefixed_text(rest: &str) -> usize {
    let prefix = rest.len() - rest.trim_start_matches(['b', 'c', 'r']).len();
    let hashes = rest[prefix..].len() - rest[prefix..].trim_start_matches('#').len();
    let start = prefix + hashes;
    match rest[start..].strip_prefix('"') {
        _ if prefix > 2 => 0,
        None => 0,
        Some(inside) if rest[..prefix].contains('r') => {
            let end = format!("\"{}", "#".repeat(hashes));
            inside.find(&end).map_or(rest.len(), |at| start + 1 + at + end.len())
        }
        Some(_) => start + text(&rest[start..]),
    }
}

/// Length of a character literal; 0 for a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        Some((_, '\\')) => rest[2..].get(1..).and_then(|inside| inside.find('\'')).map_or(0, |at| at + 4),
        Some(_) => chars.next().filter(|(_, c)| *c == '\'').map_or(0, |(at, _)| at + 1),
        None => 0,
    }
}

fn follows_word(source: &str, at: usize) -> bool {
    source[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_')
}

fn blank(out: &mut String, text: &str) {
    out.extend(text.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
}

fn skip_to(chars: &mut Peekable<CharIndices<'_>>, end: usize) {
    while chars.next_if(|(at, _)| *at < end).is_some() {}
}

#[test]
fn comments_and_literals_are_blanked() {
    let source = "a // b.unwrap()\nlet c = \"d \\\" e\"; /* f /* g */ h */ i('\\'', 'j', 'k) r#\"l \" m\"# bn";
    let words: Vec<_> = bare(source).split_whitespace().map(str::to_owned).collect();
    assert_eq!(words, ["a", "let", "c", "=", ";", "i(", ",", ",", "'k)", "bn"]);
    assert_eq!(bare(source).lines().count(), source.lines().count());
}

#[test]
fn tests_are_blanked_and_what_follows_is_not() {
    let source = "fn a() { b }\n#[cfg(test)]\nmod tests {\n fn c() { d }\n}\n#[cfg(test)]\nuse e;\nfn f() {}";
    let words: Vec<_> = bare(source).split_whitespace().map(str::to_owned).collect();
    assert_eq!(words, ["fn", "a()", "{", "b", "}", "fn", "f()", "{}"]);
}
