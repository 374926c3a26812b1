//! JSONL: what a line may look like, and what a damaged one costs.

use std::fs::OpenOptions;
use std::io::Write;

use proptest::prelude::*;
use spanlake_core::{Kind, Level, Outcome};
use spanlake_query::{Extent, Filter, MAX_LINE_BYTES};

use crate::lake::{ROOT, end, event, line, lines, messages, scan, write};

#[test]
fn all_columns_come_back_as_they_were_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut first = event(1, Level::DEBUG, &format!("3@{ROOT}/1/2"), "a \"quoted\"\n\u{1b}[31m line");
    first.fields = r#"{"big":340282366920938463463374607431768211455,"x":1e400}"#.to_owned();
    first.service = Some("etl".to_owned());
    let last = end(5, &format!("4@{ROOT}/1/2"), "silver", Outcome::Failed);
    // The text is kept as it stands: numbers of any size, and the order of names.
    let text = format!("{}{}", line(&last), line(&last).replace(r#"{"busy_us":1000}"#, &first.fields));
    let path = write(folder.path().join("a.jsonl"), text);

    let (records, damages) = scan(path, &Filter::new());
    assert!(damages.is_empty(), "{damages:?}");
    assert_eq!(records[0], last);
    assert_eq!(records[1].fields, first.fields);
}

#[test]
fn a_line_with_only_some_columns_is_read_and_one_without_ts_or_level_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = concat!(
        "{\"ts\":\"2026-11-20T15:14:10.5+02:00\",\"level\":\"warning\",\"message\":\"foreign\",\"thread\":139753,\"x\":{}}\r\n",
        "\n   \n",
        "{\"level\":\"INFO\",\"message\":\"no ts\"}\n",
        "{\"ts\":\"2026-11-20T13:14:10Z\",\"message\":\"no level\"}\n",
        "{\"ts\":\"yesterday\",\"level\":\"INFO\"}\n",
        "{\"ts\":\"2026-11-20T13:14:10Z\",\"level\":\"LOUD\"}\n",
        "{\"ts\":\"2026-11-20T13:14:10Z\",\"level\":\"INFO\",\"key\":\"7@nobody\"}\n",
        "[1,2]\nnonsense\n",
        "{\"ts\":\"2026-11-20T13:14:11Z\",\"level\":\"INFO\",\"kind\":\"of a later version\",\"line\":[],\"fields\":null}\n",
    );
    let path = write(folder.path().join("a.jsonl"), text);

    let (records, damages) = scan(path, &Filter::new());
    assert_eq!(records.len(), 2);
    let foreign = &records[0];
    assert_eq!((foreign.level, foreign.message.as_str()), (Level::WARN, "foreign"));
    assert_eq!(foreign.ts_us, crate::lake::START_US + 500_000);
    assert_eq!((foreign.key.as_ref(), foreign.thread.as_deref()), (None, Some("139753")));
    assert_eq!((foreign.context.as_str(), foreign.fields.as_str()), ("{}", "{}"));
    assert_eq!((records[1].kind, records[1].line), (Kind::Event, None));
    assert_eq!(damages.len(), 1);
    assert_eq!(damages[0].extent, Extent::Lines { count: 7, first: 4 });
    assert!(damages[0].reason.contains("ts"), "{damages:?}");
}

#[test]
fn a_tail_cut_anywhere_costs_one_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = line(&event(0, Level::INFO, &format!("0@{ROOT}"), "first"));
    let second = line(&event(1, Level::INFO, &format!("1@{ROOT}"), "zwölf"));
    for cut in 1..second.len() - 1 {
        let bytes = [first.as_bytes(), &second.as_bytes()[..cut]].concat();
        let (records, damages) = scan(write(folder.path().join("a.jsonl"), bytes), &Filter::new());
        assert_eq!(messages(&records), ["first"], "cut at {cut}");
        assert_eq!(damages[0].extent, Extent::Lines { count: 1, first: 2 }, "cut at {cut}");
        assert!(damages[0].reason.starts_with("cut at the end of the file: "), "{damages:?}");
    }
    // Only its line end is missing: the record is whole.
    let bytes = format!("{first}{}", second.trim_end());
    assert_eq!(scan(write(folder.path().join("a.jsonl"), bytes), &Filter::new()).0.len(), 2);
}

#[test]
fn a_byte_order_mark_and_invalid_utf8_are_survived() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = line(&event(0, Level::INFO, &format!("0@{ROOT}"), "good"));
    let bytes = [b"\xef\xbb\xbf", good.as_bytes(), b"{\"ts\":\"\xff\xfe\"}\n\0\0\0\n", good.as_bytes()].concat();
    let (records, damages) = scan(write(folder.path().join("a.jsonl"), bytes), &Filter::new());
    assert_eq!(messages(&records), ["good", "good"]);
    assert_eq!(damages[0].extent, Extent::Lines { count: 2, first: 2 });
}

#[test]
fn a_line_longer_than_the_bound_is_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let good = line(&event(0, Level::INFO, &format!("0@{ROOT}"), "good"));
    let path = write(folder.path().join("a.jsonl"), &good);
    let mut file = OpenOptions::new().append(true).open(&path).expect("open");
    let mebibyte = vec![b'x'; 1 << 20];
    (0..MAX_LINE_BYTES / mebibyte.len() + 1).for_each(|_| file.write_all(&mebibyte).expect("write"));
    file.write_all(format!("\n{good}").as_bytes()).expect("write");

    let (records, damages) = scan(path, &Filter::new());
    assert_eq!(messages(&records), ["good", "good"]);
    assert_eq!(damages[0].extent, Extent::Lines { count: 1, first: 2 });
    assert_eq!(damages[0].reason, "longer than 16777216 bytes");
}

#[test]
fn deep_nesting_in_fields_is_kept_as_text() {
    let folder = tempfile::tempdir().expect("a folder");
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let good = line(&event(0, Level::INFO, &format!("0@{ROOT}"), "good"));
    let text = good.replace("\"fields\":{}", &format!("\"fields\":{deep}"));
    let (records, _) = scan(write(folder.path().join("a.jsonl"), text), &Filter::new());
    assert_eq!(records[0].fields, deep);
    // Looking into it must not overflow the stack.
    assert!(!Filter::new().field("b=1".parse().expect("a field")).admits(&records[0]));
}

#[test]
fn damages_say_where_and_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = write(folder.path().join("a.jsonl"), "x\n");
    let damage = scan(&path, &Filter::new()).1.remove(0);
    assert_eq!(damage.to_string(), format!("{}: line 1 is damaged: expected value at column 1", path.display()));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), at in 0usize..600) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut text = lines(&[
            event(0, Level::INFO, &format!("0@{ROOT}"), "first"),
            end(1, &format!("1@{ROOT}"), "work", Outcome::Failed),
        ]).into_bytes();
        let at = at.min(text.len());
        text.splice(at..at, bytes);
        let filter = Filter::new().field("a=b".parse().expect("a field"));
        scan(write(folder.path().join("a.jsonl"), &text), &Filter::new());
        scan(write(folder.path().join("a.jsonl"), &text), &filter);
    }
}
