//! Records of many files in order of time.

use spanlake_core::{Level, OwnedRecord};
use spanlake_query::{Filter, Lake};

use crate::lake::{OTHER, ROOT, begin, event, line, lines, messages, write};

fn read(path: &std::path::Path, filter: &Filter) -> Vec<OwnedRecord> {
    Lake::open(path).expect("open").read(filter).expect("read").collect()
}

#[test]
fn files_of_several_processes_are_merged() {
    let folder = tempfile::tempdir().expect("a folder");
    let of = |root: &str, times: &[i64]| -> String {
        let record = |ms: &i64| line(&event(*ms, Level::INFO, &format!("{ms}@{root}"), &ms.to_string()));
        times.iter().map(record).collect()
    };
    write(folder.path().join("a_1.jsonl"), of(ROOT, &[1, 4, 5]));
    write(folder.path().join("a_2.jsonl"), of(ROOT, &[9, 10]));
    write(folder.path().join("b_1.jsonl"), of(OTHER, &[2, 3, 7, 11]));
    write(folder.path().join("c_1.jsonl"), "");
    let records = read(folder.path(), &Filter::new());
    assert_eq!(messages(&records), ["1", "2", "3", "4", "5", "7", "9", "10", "11"]);
}

#[test]
fn a_clock_that_was_set_back_does_not_reorder_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = |seq| format!("{seq}@{ROOT}");
    let records = [event(5, Level::INFO, &key(0), "cause"), event(1, Level::INFO, &key(1), "effect")];
    write(folder.path().join("a.jsonl"), lines(&records));
    assert_eq!(messages(&read(folder.path(), &Filter::new())), ["cause", "effect"]);
}

#[test]
fn a_name_selects_the_tasks_below_it_across_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let parent = [begin(0, &format!("0@{ROOT}"), "nightly"), begin(1, &format!("0@{ROOT}/1"), "load")];
    let child = [begin(2, &format!("0@{ROOT}/1/1"), "in a child process"), begin(3, &format!("0@{OTHER}"), "other")];
    write(folder.path().join("z.jsonl"), lines(&parent));
    write(folder.path().join("a.jsonl"), lines(&child));
    let records = read(folder.path(), &Filter::new().name("load"));
    assert_eq!(messages(&records), ["load", "in a child process"]);
}

#[test]
fn damages_of_all_files_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path().join("a.jsonl"), "x\n");
    write(folder.path().join("b.jsonl"), "y");
    let lake = Lake::open(folder.path()).expect("open");
    let mut timeline = lake.read(&Filter::new()).expect("read");
    assert_eq!(timeline.by_ref().count(), 0);
    assert_eq!(timeline.damages().len(), 2);
}
