//! `spanlake tree`: the whole picture, folding, filters, JSON.

use serde_json::{Value, json};

use crate::lake::{Lake, Lines, OTHER, ROOT, sample};

/// The lines that start with a mark or joint of a task, without what stands behind the name.
fn tasks(text: &str) -> Vec<String> {
    let is_task = |line: &&str| line.contains(['✓', '✗', '⊘', '▸', '!', '?', '·']) && !line.contains(" · ");
    let lines = text.lines().filter(is_task).map(|line| line.trim_start_matches(['│', '├', '└', '─', ' ']));
    lines.map(|line| line.split("  ").next().unwrap_or(line).to_owned()).collect()
}

fn document(lake: &Lake, command: &str) -> Value {
    serde_json::from_str(&lake.prints(command)).expect("one JSON document")
}

#[test]
fn a_tree_shows_everything_in_its_place() {
    assert_eq!(sample().lake().prints("tree lake"), include_str!("expected/tree.txt"));
}

#[test]
fn only_what_leads_to_a_failure_is_unfolded() {
    assert_eq!(sample().lake().prints("tree lake --failed"), include_str!("expected/failed.txt"));
}

#[test]
fn depth_folds_levels() {
    let lake = sample().lake();
    assert_eq!(lake.prints("tree lake --depth 0"), include_str!("expected/depth0.txt"));
    let one = lake.prints("tree lake --depth 1");
    assert_eq!(
        tasks(&one),
        ["▸ flights", "✓ bronze /1", "✗ silver /2", "▸ gold /3", "! killed /4", "? (not seen)", "? (not seen) /9"]
    );
    assert!(one.contains("✗ silver /2  20 ms  failed: 3 rows rejected  clean and join  (+3 tasks, 2 records, 1 failed, 1 cancelled, errors)\n"), "{one}");
    assert_eq!(lake.prints("tree lake --depth 9"), lake.prints("tree lake"));
}

#[test]
fn status_unfolds_what_is_asked_for() {
    let text = sample().lake().prints("tree lake --status open,interrupted");
    assert!(text.contains("├─✗ silver /2  20 ms  failed: 3 rows rejected"), "{text}");
    assert!(!text.contains("airports"), "{text}");
    assert!(text.contains(" LOSS 12 records lost"), "{text}");
}

#[test]
fn many_siblings_that_are_folded_share_a_line() {
    let mut lines = Lines::default();
    lines.begin(0, "", "job");
    for number in 1..=40 {
        let (task, name) = (format!("/{number}"), ["read", "parse", "write", "check"][number as usize % 4]);
        let outcome = if number == 30 { "cancelled" } else { "succeeded" };
        lines.begin(number, &task, name).event(number, "INFO", &task, "done", json!({}));
        lines.end(number, &task, name, outcome, 10);
    }
    let text = lines.lake().prints("tree lake --status cancelled");
    let expected = "\
├─✓ 29 tasks  parse, write, check, …  (+29 records)
├─⊘ write /30  10 µs  cancelled
│ │ 13:14:10.030  INFO done
└─✓ 10 tasks  check, read, parse, …  (+10 records)
";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn the_level_folds_records_and_the_tasks_of_libraries() {
    let lake = sample().lake();
    let debug = lake.prints("tree lake --level debug");
    assert!(debug.contains("DEBUG parsed  row=1\n"), "{debug}");
    assert!(debug.contains("✓ bronze /1  1.23 s  → 27,004 rows  (+1 trace)  stage=bronze\n"), "{debug}");
    assert!(debug.contains("✓ h2::frame /5  7 µs\n"), "{debug}");
    let error = lake.prints("tree lake --level error");
    assert!(error.contains("✗ join /2/1  45 ms  failed  (+1 warn)"), "{error}");
    assert!(error.contains("LOSS") && !error.contains("WARN airports"), "{error}");
}

#[test]
fn filters_leave_what_they_select_and_the_path_to_it() {
    let lake = sample().lake();
    let table: [(&str, &[&str]); 9] = [
        ("--text airports", &["▸ flights", "✗ silver /2", "✗ join /2/1"]),
        ("--field row=1 --level debug", &["▸ flights", "✓ bronze /1"]),
        ("--field stage=bronze", &["▸ flights", "✓ bronze /1"]),
        ("--name gold", &["▸ flights", "▸ gold /3"]),
        ("--name bronze", &["▸ flights", "✓ bronze /1", "✓ read /1/1"]),
        ("--target nobody", &[]),
        ("--since 2026-11-20T13:14:10.04Z --until 2026-11-20T13:14:10.042Z", &["? (not seen)", "▸ gold /3"]),
        (&format!("--task {ROOT}/2 --status open"), &["✗ silver"]),
        (&format!("--task {OTHER}"), &["? (not seen)", "? (not seen) /9", "✓ orphan /9/1"]),
    ];
    for (filter, expected) in table {
        assert_eq!(tasks(&lake.prints(&format!("tree lake {filter}"))), expected, "{filter}");
    }
}

#[test]
fn keys_are_shown_whole_when_asked_for() {
    let lake = sample().lake();
    assert!(lake.prints("tree lake --keys").contains(&format!("join  {ROOT}/2/1  45 ms")));
    let top = lake.prints(&format!("tree lake --task {ROOT}/2/1"));
    assert!(top.starts_with(&format!("✗ join  45 ms  failed  {ROOT}/2/1  2026-11-20 13:14:10")), "{top}");
}

#[test]
fn the_document_has_all_of_the_tree() {
    let document = document(&sample().lake(), "tree lake --json");
    let root = &document["tasks"][0];
    assert_eq!((&root["key"], &root["name"], &root["status"]), (&json!(ROOT), &json!("flights"), &json!("open")));
    assert_eq!(root["context"], json!({"run": "nightly"}));
    assert_eq!(root["hidden_tasks"], 1);
    let bronze = &root["tasks"][0];
    assert_eq!((&bronze["hidden"]["debug"], &bronze["duration_us"]), (&json!(1), &json!(1_234_567)));
    let join = &root["tasks"][1]["tasks"][0];
    assert_eq!(join["error"], "join with airports: read airports.csv (line: 1459): invalid digit");
    assert_eq!(join["records"][0]["key"], format!("1@{ROOT}/2/1"));
    assert_eq!(join["records"][1]["fields"], json!({"expected": 8, "found": 7.5}));
    assert_eq!(document["outside"]["records"].as_array().map(Vec::len), Some(2));
    assert_eq!(document["outside"]["hidden"]["debug"], 1);
    assert_eq!((&document["summary"]["losses"], &document["summary"]["tasks"]["failed"]), (&json!(12), &json!(2)));
}

#[test]
fn the_document_folds_as_the_tree_does() {
    let document = document(&sample().lake(), "tree lake --json --depth 1");
    let silver = &document["tasks"][0]["tasks"][1];
    assert_eq!(silver["folded"]["tasks"]["failed"], 2);
    assert_eq!(silver["records"], Value::Null);
}

#[test]
fn an_empty_lake_is_an_empty_tree() {
    let lake = Lake::empty();
    assert_eq!(lake.prints("tree lake"), "0 tasks · 0 records\n");
    assert_eq!(document(&lake, "tree lake --json")["tasks"], json!([]));
}

/// The fields of a dump of the pump.
fn dump(call: u64, phase: &str, values: Value) -> Value {
    let mut fields = json!({
        "observed.object": "pump", "observed.type": "Pump", "observed.method": "run", "observed.phase": phase,
        "observed.call": call,
    });
    fields.as_object_mut().expect("an object").extend(values.as_object().cloned().expect("an object"));
    fields
}

/// A pump at work twice, the second time within itself, and an object outside any task.
fn observed() -> Lines {
    let mut lines = Lines::default();
    let (inputs, outputs) = ("#### pump - Pump - Inputs", "#### pump - Pump - Outputs");
    lines.begin(0, "", "plant");
    lines.event(1, "DEBUG", "", "Entering pump - run", json!({"observed.object": "pump"}));
    lines.event(2, "TRACE", "", inputs, dump(1, "enter", json!({"in.speed": 1.0 / 3.0, "in.mode": "slow"})));
    lines.event(3, "TRACE", "", inputs, dump(2, "enter", json!({"in.speed": 2.0})));
    lines.event(4, "TRACE", "", outputs, dump(2, "exit", json!({"in.speed": 2.0})));
    let after = json!({"in.speed": 123_456.7, "in.mode": "slow", "out.flows": [1.0, 2.5e-7, 3], "out.\u{1b}": null});
    lines.event(5, "TRACE", "", outputs, dump(1, "exit", after));
    lines.end(6, "", "plant", "succeeded", 10);
    lines.event(7, "TRACE", "-", outputs, dump(3, "exit", json!({"lone": true})));
    lines
}

#[test]
fn values_stand_below_their_record_and_say_what_changed() {
    let lake = observed().lake();
    let text = lake.prints("tree lake --values");
    let expected = "\
│ 13:14:10.002 TRACE #### pump - Pump - Inputs
│     in:
│       mode = slow
│       speed = 0.33333
│ 13:14:10.003 TRACE #### pump - Pump - Inputs
│     in:
│       speed = 2
│ 13:14:10.004 TRACE #### pump - Pump - Outputs
│     in:
│       speed = 2
│ 13:14:10.005 TRACE #### pump - Pump - Outputs
│     in:
│       mode = slow
│     ~ speed = 0.33333 → 1.2346e+05
│     out:
│       \\u{1b} = null
│       flows = [1, 2.5e-07, 3]

outside any task
│ 2026-11-20 13:14:10.007 TRACE #### pump - Pump - Outputs
│       lone = true
";
    assert!(text.contains(expected), "{text}");
    assert!(!text.contains("Entering"), "the level folds what is no value: {text}");
    assert!(!lake.prints("tree lake").contains("####"), "values are asked for");
}

#[test]
fn the_document_names_the_values_that_changed() {
    let document = document(&observed().lake(), "tree lake --json --values");
    let records = document["tasks"][0]["records"].as_array().expect("records");
    let changed: Vec<_> = records.iter().map(|record| record["changed"].clone()).collect();
    assert_eq!(changed, [json!([]), json!([]), json!([]), json!(["in.speed"])]);
    assert_eq!(records[3]["fields"]["out.flows"], json!([1.0, 2.5e-7, 3]));
}

#[test]
fn values_find_their_own_work_however_it_is_nested_and_interleaved() {
    let (inputs, outputs) = ("#### pump - Pump - Inputs", "#### pump - Pump - Outputs");
    let speed = |speed: i32| json!({"in.speed": speed});
    let mut lines = Lines::default();
    lines.begin(0, "", "plant");
    // Two threads in one method of one object, that which began first ends first.
    lines.event(1, "TRACE", "", inputs, dump(7, "enter", speed(1)));
    lines.event(2, "TRACE", "", inputs, dump(8, "enter", speed(2)));
    lines.event(3, "TRACE", "", outputs, dump(7, "exit", speed(11)));
    lines.event(4, "TRACE", "", outputs, dump(8, "exit", speed(12)));
    // Within its own work it said nothing before.
    lines.event(5, "TRACE", "", inputs, dump(9, "enter", speed(3)));
    lines.event(6, "TRACE", "", outputs, dump(10, "exit", speed(99)));
    lines.event(7, "TRACE", "", outputs, dump(9, "exit", speed(13)));
    lines.end(8, "", "plant", "succeeded", 10);
    let text = lines.lake().prints("tree lake --values");
    let speeds: Vec<_> = text.lines().filter_map(|line| Some(line.split_once("speed = ")?.1)).collect();
    assert_eq!(speeds, ["1", "2", "1 → 11", "2 → 12", "3", "99", "3 → 13"], "{text}");
}

#[test]
fn a_change_is_shown_also_where_values_look_alike() {
    let row = |last: f64| Value::from((0..20).map(f64::from).chain([last]).collect::<Vec<_>>());
    let mut lines = Lines::default();
    let values = |near: f64, last: f64| json!({"in.near": near, "in.row": row(last), "in.same": u64::MAX});
    lines.begin(0, "", "plant");
    lines.event(1, "TRACE", "", "Inputs", dump(1, "enter", values(1.0, 1.0)));
    lines.event(2, "TRACE", "", "Outputs", dump(1, "exit", values(1.000_000_1, 2.0)));
    lines.end(3, "", "plant", "succeeded", 10);
    let text = lines.lake().prints("tree lake --values");
    assert!(text.contains("~ near = 1.0 → 1.0000001\n"), "{text}");
    assert!(
        text.contains("~ row = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, … 21 in all]  (1 of 21 changed)\n"),
        "{text}"
    );
    assert!(text.contains("  same = 18446744073709551615\n"), "{text}");
}

#[test]
fn a_task_of_which_neither_begin_nor_end_was_kept_is_not_called_open() {
    let mut lines = Lines::default();
    lines.begin(0, "", "job");
    lines.event(1, "INFO", "/1", "inside", json!({}));
    lines.end(2, "", "job", "succeeded", 10);
    let text = lines.lake().prints("tree lake");
    assert!(text.contains("? "), "{text}");
    assert!(text.contains("last seen 13:14:10.001 (begin and end not seen)"), "{text}");
}
