//! `spanlake runs diff`: how sessions are named, and what differs between two.

use serde_json::Value;
use spanlake_lake::runs::RunStatus;

use crate::jobs::{Job, week};
use crate::lake::{Lake, stderr, stdout};
use crate::runs::shown;

const GOOD: RunStatus = RunStatus::Succeeded;

/// The sessions that a diff has compared, by their dates and jobs.
fn compared(lake: &Lake, names: &str) -> [String; 2] {
    let text = lake.prints(&format!("runs diff {names} --lake lake --json"));
    let document: Value = serde_json::from_str(&text).expect("JSON");
    ["a", "b"].map(|side| {
        let session = document[side]["session"].as_str().expect("a session");
        format!("{} {}", &session[6..8], session.rsplit_once('_').expect("an id").1)
    })
}

#[test]
fn what_matters_most_comes_first() {
    let lake = week();
    let command = "runs diff previous nightly --lake lake";
    assert_eq!(shown(&lake, command, 80), include_str!("expected/diff80.txt"));
    assert_eq!(shown(&lake, command, 200), include_str!("expected/diff200.txt"));
    let back = lake.prints("runs diff nightly previous --lake lake");
    assert!(
        back.contains("\n✓ customers  bronze               recovered\n│ read +3,541, +243 %  written +5,000\n"),
        "{back}"
    );
    assert!(back.contains("\n4 changes: 1 only in A, 1 other status, 1 recovered, 1 faster · 1 unchanged\n"), "{back}");
}

#[test]
fn sessions_have_many_names() {
    let lake = week();
    let table = [
        ("previous nightly", ["23 nightly", "24 nightly"]),
        ("20261122 latest", ["22 nightly", "25 hourly"]),
        ("hourly nightly", ["25 hourly", "24 nightly"]),
        ("20261121_131410_1_0_nightly previous", ["21 nightly", "20 nightly"]),
    ];
    for (names, expected) in table {
        assert_eq!(compared(&lake, names), expected, "{names}");
    }
}

#[test]
fn the_newest_session_of_another_lake_can_be_named() {
    let [one, other] = [Lake::empty(), Lake::empty()];
    Job::new("nightly", 0).run("orders", "bronze", GOOD, 1.0, [5, 5]).put(&one);
    Job::new("nightly", 0).run("orders", "bronze", GOOD, 1.0, [9, 5]).put(&other);
    let text = one.prints(&format!("runs diff latest {} --lake lake", other.path().display()));
    assert!(text.contains(&format!("  2026-11-20 13:14:10  in {}\n", other.path().display())), "{text}");
    assert!(text.contains("\n✓ orders  bronze  other rows  read 5 → 9 (+4, +80 %)\n"), "{text}");
    let same = one.prints(&format!("runs diff latest {} --lake lake", one.path().display()));
    assert!(same.contains("\n\n0 changes · 1 unchanged\ntotal  time 1.00 s as before  read 5 as before  "), "{same}");
}

#[test]
fn a_name_that_means_none_or_several_lists_what_there_is() {
    let (lake, empty) = (week(), Lake::empty());
    let table = [
        (&lake, "latest 2026112", "more than one session has a name that begins so (name: 2026112, "),
        (&lake, "latest weekly", "no session has this name (name: weekly, "),
        (&lake, "previous hourly", "the job has no session before this one ("),
        (&lake, "latest ./nowhere", "cannot read the lake (path: ./nowhere)"),
        (&empty, "latest previous", "the lake has no run logs ("),
    ];
    for (lake, names, expected) in table {
        let output = lake.run(&format!("runs diff {names} --lake lake"));
        assert!(stderr(&output).contains(expected), "{}", stderr(&output));
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""));
    }
    let error = stderr(&lake.run("runs diff latest 2026112 --lake lake"));
    assert!(error.contains("sessions: 20261125_131410_1_0_hourly, 20261124_131410_1_0_nightly, "), "{error}");
}

#[test]
fn the_document_has_both_sides_of_each_change() {
    let lake = week();
    let document: Value =
        serde_json::from_str(&lake.prints("runs diff previous nightly --lake lake --json")).expect("JSON");
    let changes = document["changes"].as_array().expect("changes");
    let told: Vec<_> = changes.iter().filter_map(|change| change["change"].as_str()).collect();
    assert_eq!(told, ["newly_failed", "other_status", "slower", "only_in_b"]);
    let failed = &changes[0];
    assert_eq!((&failed["dataflow_name"], &failed["stage"]), (&"customers".into(), &"bronze".into()));
    assert_eq!((&failed["before"]["status"], &failed["after"]["status"]), (&"succeeded".into(), &"failed".into()));
    assert_eq!(failed["after"]["source_rows_read"], 1_459);
    assert_eq!((&changes[3]["before"], &changes[3]["operation_type"]), (&Value::Null, &"maintenance".into()));
    assert_eq!((&document["summary"]["newly_failed"], &document["summary"]["unchanged"]), (&1.into(), &1.into()));
    assert_eq!((&document["b"]["total_failed"], &document["b"]["status"]), (&1.into(), &"failed".into()));
}
