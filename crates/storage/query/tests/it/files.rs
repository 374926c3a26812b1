//! Which files of a lake are read.

use spanlake_core::Level;
use spanlake_query::{Filter, Format, Lake};

use crate::lake::{ROOT, event, file_name, line, messages, scan, write};

fn one(message: &str) -> String {
    line(&event(0, Level::INFO, &format!("0@{ROOT}"), message))
}

fn names(lake: &Lake) -> Vec<String> {
    let files = lake.files().expect("find files");
    let relative = |path: &std::path::Path| path.strip_prefix(lake.path()).expect("below").display().to_string();
    files.iter().map(|file| relative(&file.path)).collect()
}

#[test]
fn records_of_any_partition_pattern_are_found_and_other_logs_are_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    write(path.join("debug_json/records/run_date=2026-11-20").join(file_name(1, "jsonl")), one("by day"));
    write(path.join("debug_json/records/2026/11/20/13").join(file_name(2, "jsonl")), one("by hour"));
    write(path.join("debug_json/records").join(file_name(3, "jsonl")), one("flat"));
    write(path.join("debug_json/system_log/run_date=2026-11-20/a.jsonl"), one("another log"));
    write(path.join("analyst/job_run_log/run_date=2026-11-20/a.parquet"), "no records");
    write(path.join("debug_json/records/notes.txt"), "no records");

    let (records, damages) = scan(path, &Filter::new());
    let mut found = messages(&records);
    found.sort_unstable();
    assert_eq!(found, ["by day", "by hour", "flat"]);
    assert!(damages.is_empty(), "{damages:?}");
}

#[test]
fn temporary_files_and_folders_are_passed_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let records = folder.path().join("debug_json/records/run_date=2026-11-20");
    write(records.join(".20261120_obelix_1_0001.jsonl"), "{");
    write(records.join("_tmp_obelix_1_0001.jsonl"), "{");
    write(records.join("_tmp/a.jsonl"), "{");
    write(records.join(".hidden/a.parquet"), "{");
    write(records.join(file_name(1, "jsonl")), one("kept"));

    let (records, damages) = scan(folder.path(), &Filter::new());
    assert_eq!(messages(&records), ["kept"]);
    assert!(damages.is_empty(), "{damages:?}");
}

#[test]
fn of_a_process_and_partition_one_format_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let lake = folder.path();
    let (jsonl, parquet) = (lake.join("debug_json/records"), lake.join("analyst/records"));
    write(jsonl.join("day=1").join(file_name(1, "jsonl")), one("a"));
    write(jsonl.join("day=1").join(file_name(2, "jsonl")), one("b"));
    write(parquet.join("day=1").join(file_name(1, "parquet")), "the same records");
    write(parquet.join("day=2").join(file_name(2, "parquet")), "JSONL of that day is gone");
    write(parquet.join("day=1/20261120T131410.000000Z_obelix_9_0001.parquet"), "another process");

    let opened = Lake::open(lake).expect("open");
    let expected = [
        "debug_json/records/day=1/20261120T131410.000000Z_obelix_6156_0001.jsonl",
        "debug_json/records/day=1/20261120T131410.000000Z_obelix_6156_0002.jsonl",
        "analyst/records/day=1/20261120T131410.000000Z_obelix_9_0001.parquet",
        "analyst/records/day=2/20261120T131410.000000Z_obelix_6156_0002.parquet",
    ];
    assert_eq!(names(&opened), expected);
    assert_eq!(names(&opened.clone().format(Format::Jsonl)), expected[..2]);
    let only_parquet = names(&opened.format(Format::Parquet));
    assert_eq!(only_parquet.len(), 3);
    assert!(only_parquet.iter().all(|name| name.ends_with(".parquet")));
}

#[test]
fn files_of_a_process_come_by_number_and_not_by_letter() {
    let folder = tempfile::tempdir().expect("a folder");
    for number in [10_000, 9_999, 1] {
        write(folder.path().join(file_name(number, "jsonl")), one(&number.to_string()));
    }
    assert_eq!(messages(&scan(folder.path(), &Filter::new()).0), ["1", "9999", "10000"]);
}

#[test]
fn any_folder_inside_or_above_a_lake_can_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let day = folder.path().join("prod/lake/debug_json/records/run_date=2026-11-20");
    write(day.join(file_name(1, "jsonl")), one("a"));
    write(folder.path().join("prod/lake/analyst/records/run_date=2026-11-20").join(file_name(1, "parquet")), "same");
    write(folder.path().join("prod/lake/analyst/job_run_log/a.parquet"), "other");

    for path in ["", "prod", "prod/lake", "prod/lake/debug_json", "prod/lake/debug_json/records"] {
        let (records, damages) = scan(folder.path().join(path), &Filter::new());
        assert_eq!((messages(&records), damages.len()), (vec!["a"], 0), "{path}");
    }
    assert_eq!(messages(&scan(&day, &Filter::new()).0), ["a"]);
}

#[test]
fn a_single_file_is_known_by_its_extension_or_its_first_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = write(folder.path().join("service.log"), one("a"));
    assert_eq!(messages(&scan(&log, &Filter::new()).0), ["a"]);

    let parquet = write(folder.path().join("export"), "PAR1 and no more");
    let damages = scan(&parquet, &Filter::new()).1;
    assert!(!damages[0].reason.contains("line"), "{damages:?}");

    let lake = Lake::open(&parquet).expect("open").format(Format::Jsonl);
    assert_eq!(lake.files().expect("files")[0].format, Format::Jsonl);
}

#[test]
fn a_missing_lake_is_an_error_and_an_empty_one_is_not() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(scan(folder.path(), &Filter::new()).0.is_empty());

    let error = Lake::open(folder.path().join("nowhere")).expect_err("no lake");
    assert_eq!(error.code().to_string(), "HANDLER::Lake::IO::ERROR");
    assert!(error.chain().starts_with("cannot read the lake (path: "), "{}", error.chain());
}
