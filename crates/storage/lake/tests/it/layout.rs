//! Names of folders and files, and that nothing in a host's name can leave them.

use std::path::Path;

use spanlake_lake::{JsonlSink, LakeFile, LogType, Purpose, layout};

use crate::support::{Script, feed, files, only_file, source, source_with};

#[test]
fn folders_are_those_of_the_design() {
    let folder = |purpose, log_type| layout::folder(Path::new("lake"), purpose, log_type);
    assert_eq!(folder(Purpose::DebugJson, LogType::Records), Path::new("lake/debug_json/records"));
    assert_eq!(folder(Purpose::DebugJson, LogType::SystemLog), Path::new("lake/debug_json/system_log"));
    assert_eq!(folder(Purpose::Analyst, LogType::Records), Path::new("lake/analyst/records"));
    assert_eq!(folder(Purpose::Analyst, LogType::DataflowRunLog), Path::new("lake/analyst/dataflow_run_log"));
    assert_eq!(folder(Purpose::Analyst, LogType::JobRunLog), Path::new("lake/analyst/job_run_log"));
}

#[test]
fn a_name_is_taken_apart_and_put_together() {
    for (name, process, number) in [
        ("20261120T120000.000000Z_obelix_6156_0001.jsonl", "20261120T120000.000000Z_obelix_6156", 1),
        ("20261120T120000.000000Z_a.b-c_1_12345.parquet", "20261120T120000.000000Z_a.b-c_1", 12345),
    ] {
        let file = LakeFile::parse(name).unwrap();
        assert_eq!((&*file.process, file.number), (process, number));
        assert_eq!(file.to_string(), name);
    }
}

#[test]
fn other_names_are_not_those_of_a_lake() {
    for name in [
        "",
        "records.jsonl",
        ".tmp-20261120T120000.000000Z_obelix_6156_0001.parquet",
        "20261120T120000.000000Z_obelix_6156.jsonl",
        "20261120T120000.000000Z_obelix_6156_1.jsonl",
        "20261120T120000.000000Z_obelix_6156_0001",
        "20261120T120000.000000Z_obelix_x_0001.jsonl",
        "20261120T120000.000000Z_ob_elix_6156_0001.jsonl",
        "20261120T120000.000000Z__6156_0001.jsonl",
        "20261120120000.000000Z_obelix_6156_0001.jsonl",
        "20261120T120000.000000Z_obelix_6156_99999999999.jsonl",
        "20261120T120000.000000Z_öbelix_6156_0001.jsonl",
    ] {
        assert_eq!(LakeFile::parse(name), None, "{name}");
    }
}

/// The name of the file that a process on this host writes.
fn file_of_host(host: &str) -> String {
    let lake = tempfile::tempdir().unwrap();
    let mut script = Script::of(&source_with(|source| source.host = host.to_owned()));
    script.event(None, 0, "here", &[]);
    feed(&mut JsonlSink::new(lake.path()), &script.segment()).unwrap();
    let path = only_file(lake.path());
    let folder = lake.path().join("debug_json/records/run_date=2026-11-20");
    assert_eq!(path.parent(), Some(&*folder), "the file lies where it should");
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn no_name_of_a_host_builds_a_path() {
    for (host, safe) in [
        ("obelix", "obelix"),
        ("obelix.example.org", "obelix.example.org"),
        ("../../etc/passwd", "..-..-etc-passwd"),
        ("/", "-"),
        ("a_b\\c\0d\n", "a-b-c-d-"),
        ("öbelix", "-belix"),
        ("", "localhost"),
        (&"x".repeat(300), &"x".repeat(64)),
    ] {
        let name = file_of_host(host);
        assert_eq!(name, format!("20261120T120000.000000Z_{safe}_6156_0001.jsonl"));
        assert_eq!(LakeFile::parse(&name).unwrap().to_string(), name);
    }
}

#[test]
fn processes_and_sinks_that_share_a_lake_share_no_file() {
    let lake = tempfile::tempdir().unwrap();
    let processes = [
        source(),
        source_with(|source| source.pid = 7),
        source_with(|source| source.host = "asterix".to_owned()),
        source_with(|source| source.started_us += 1),
    ];
    for process in &processes {
        // Two sinks in one process are no more likely to know of each other than two processes.
        for mut sink in [JsonlSink::new(lake.path()), JsonlSink::new(lake.path())] {
            let mut script = Script::of(process);
            script.event(None, 0, "here", &[]);
            feed(&mut sink, &script.segment()).unwrap();
        }
    }
    assert_eq!(files(lake.path()).len(), 2 * processes.len());
}
