//! Data that wants to act on the terminal, break lines, or break the reader.

use std::fs;

use spanlake_core::render::escape::is_harmful;

use crate::lake::{Lake, hostile, sample, stderr, stdout};

fn harmful(text: &str) -> Option<char> {
    text.chars().find(|c| is_harmful(*c) && *c != '\n')
}

#[test]
fn nothing_in_the_data_acts_on_the_terminal() {
    let lake = hostile().lake();
    let commands = [
        "tree lake",
        "tree lake --failed",
        "tree lake --depth 0",
        "tree lake --keys --level trace",
        "tree lake --json",
        "cat lake",
        "cat lake --json",
        "cat lake --follow --for 0s",
    ];
    for command in commands {
        let text = lake.prints(command);
        assert_eq!(harmful(&text), None, "{command}: {text:?}");
        assert!(text.contains("\\u"), "{command} shows the data: {text}");
    }
}

#[test]
fn a_record_is_one_line_whatever_it_holds() {
    let (lake, lines) = (hostile().lake(), hostile().text().lines().count());
    assert_eq!(lake.prints("cat lake --json").lines().count(), lines);
    // Two of them are ends with an error, which stands in a line of its own.
    assert_eq!(lake.prints("cat lake").lines().count(), lines + 2);
    assert_eq!(lake.prints("tree lake --json").lines().count(), 1);
}

#[test]
fn the_name_of_a_file_is_data_too() {
    let lake = Lake::empty();
    fs::write(lake.path().join("a\u{1b}[31m\n\u{202e}.jsonl"), "{\"ts\": 1}\n").expect("write");
    let note = stderr(&lake.run("tree lake"));
    assert_eq!((harmful(&note), note.lines().count()), (None, 1), "{note:?}");
    let error = stderr(&lake.run("tree no\u{1b}[31mwhere"));
    assert_eq!(harmful(&error), None, "{error:?}");
}

#[test]
fn no_cut_and_no_flipped_byte_ends_the_command() {
    let lake = Lake::empty();
    let text = sample().text().to_owned().into_bytes();
    for at in (0..text.len()).step_by(text.len() / 40) {
        let mut broken = text.clone();
        broken[at] ^= 0x15;
        broken.truncate(text.len() - at / 2);
        lake.write(broken);
        for command in ["tree lake", "cat lake"] {
            let output = lake.run(command);
            assert_eq!(output.status.code(), Some(0), "{command} at {at}: {}", stderr(&output));
            assert!(!stdout(&output).is_empty());
        }
    }
}

#[test]
fn a_panic_of_the_decoder_is_only_a_note() {
    let lake = Lake::empty();
    let mut bytes = b"PAR1".to_vec();
    bytes.extend([0xff; 64]);
    bytes.extend(64u32.to_le_bytes());
    bytes.extend(b"PAR1");
    fs::write(lake.path().join("a.parquet"), bytes).expect("write");
    let output = lake.run("tree lake");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
}
