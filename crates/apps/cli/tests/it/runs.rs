//! `spanlake runs`: jobs with their runs, filters, strips, JSON, and lakes that are not as they should be.

use std::fs;

use serde_json::Value;
use spanlake_capture::CaptureLayer;
use spanlake_core::render::escape::is_harmful;
use spanlake_etl::{EtlLayer, Run};
use spanlake_lake::JsonlSink;
use spanlake_lake::runs::{JobRow, Row, RunRow, RunStatus, Stem, TableWriter, put_line};
use spanlake_scope::Task;
use tracing::{error, info_span};
use tracing_subscriber::prelude::*;

use crate::jobs::{Job, START_US, week};
use crate::lake::{Lake, stderr, stdout};
use crate::terminal::{plain, shows};

const GOOD: RunStatus = RunStatus::Succeeded;
const BAD: RunStatus = RunStatus::Failed;

/// What a command shows on a terminal of this width, with `lake` for where the lake is.
pub(crate) fn shown(lake: &Lake, command: &str, columns: u16) -> String {
    plain(&shows(lake.command(command), columns)).replace(&*lake.path().to_string_lossy(), "lake")
}

/// Names of the sessions that are shown, by their dates.
fn sessions(text: &str) -> Vec<String> {
    let words = text.lines().filter(|line| !line.starts_with([' ', '│', '├', '└'])).flat_map(str::split_whitespace);
    words.filter_map(Stem::parse).map(|stem| stem.to_string()).collect()
}

/// Marks and dataflows of the runs that are shown.
fn runs(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("├─").or(line.strip_prefix("└─")));
    lines.map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect()
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn a_week_fits_terminals_of_any_width() {
    let lake = week();
    assert_eq!(shown(&lake, "runs lake", 80), include_str!("expected/runs80.txt"));
    assert_eq!(shown(&lake, "runs lake", 200), include_str!("expected/runs200.txt"));
    let wide = shown(&lake, "runs lake --wide", 80);
    assert_eq!(wide, lake.prints("runs lake").replace(&*lake.path().to_string_lossy(), "lake"));
}

#[test]
fn a_terminal_has_colour_unless_it_is_not_wanted() {
    let lake = week();
    let colored = shows(lake.command("runs lake"), 200);
    assert!(colored.contains("\u{1b}[1m\u{1b}[31m✗\u{1b}[0m \u{1b}[1mnightly\u{1b}[0m"), "{colored}");
    assert_eq!(plain(&colored), shows(lake.command("runs lake --color never"), 200));
}

#[test]
fn filters_select_runs_and_jobs() {
    let lake = week();
    let job = |text: &str| sessions(&lake.prints(text)).len();
    let failed = lake.prints("runs lake --failed");
    assert_eq!(runs(&failed), ["! forecast", "✗ customers"]);
    assert!(failed.contains("2,405,860 rows · +43 MiB · -40 MiB  (+4 runs)\n"), "{failed}");
    assert!(failed.contains("\norders     bronze") && failed.contains("✓✓✓✓✗"), "the strip has the others: {failed}");
    assert_eq!(runs(&lake.prints("runs lake --status failed")), runs(&failed));
    assert_eq!(runs(&lake.prints("runs lake --status skipped,running")), ["– airports"; 3]);
    assert_eq!(runs(&lake.prints("runs lake --stage gold --stage silver --limit 2")).len(), 4);
    assert_eq!(runs(&lake.prints("runs lake --dataflow price* --dataflow forecast")), ["✓ prices", "! forecast"]);
    assert_eq!(runs(&lake.prints("runs lake --dataflow price")), [""; 0]);
    assert_eq!(job("runs lake --job hourly"), 1);
    assert_eq!(job("runs lake --job 2026112 --limit 3"), 3);
    assert_eq!(job("runs lake --since 2026-11-24"), 2);
    assert_eq!(job("runs lake --since 2026-11-21T13:14:10Z --until 2026-11-23T13:14:10Z"), 2);
    assert_eq!(lake.prints("runs lake --stage copper"), "no runs\n");
}

#[test]
fn only_as_many_jobs_are_read_as_are_shown() {
    let lake = Lake::empty();
    for day in 0..100 {
        let job = Job::new("nightly", -day).run("orders", "bronze", GOOD, 1.0, [day, day]);
        if day < 30 {
            job.put(&lake)
        } else {
            job.put_bytes(&lake, b"damaged\n")
        };
    }
    let text = lake.prints("runs lake");
    assert_eq!(sessions(&text).len(), spanlake_cli::args::DEFAULT_JOBS);
    assert!(text.ends_with("20 jobs · 20 runs: 20 succeeded · 80 older jobs with --all\n"), "{text}");
    let text = lake.prints("runs lake --limit 1");
    assert!(
        text.ends_with("\n\n1 job · 1 run: 1 succeeded · 99 older jobs with --all\n") && !text.contains("last runs")
    );
    let strip = lake.prints("runs lake --strip");
    assert_eq!(strip.lines().count(), 2);
    assert!(strip.contains(&format!("\norders  bronze  {}   1.00 s   1.00 s\n", "✓".repeat(30))), "{strip}");
    let all = lake.run("runs lake --all");
    assert_eq!((sessions(&stdout(&all)).len(), all.status.code()), (100, Some(0)));
    assert!(stderr(&all).ends_with("spanlake: note: and 50 more\n"), "{}", stderr(&all));
}

#[test]
fn jobs_and_runs_are_lines_of_json_with_all_columns() {
    let lake = week();
    let lines = objects(&lake.prints("runs lake --json --failed"));
    let text = |line: &'_ Value, name: &str| line[name].as_str().expect("text").to_owned();
    let told = lines.iter().map(|line| (text(line, "_type"), text(line, "session"), text(line, "state")));
    let (hourly, nightly) = ("20261125_131410_1_0_hourly", "20261124_131410_1_0_nightly");
    let expected = [
        (JobRow::TYPE, hourly, "left behind"),
        (RunRow::TYPE, hourly, "left behind"),
        (JobRow::TYPE, nightly, "finished"),
        (RunRow::TYPE, nightly, "finished"),
    ];
    assert!(told.eq(expected.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned()))), "{lines:?}");
    let columns = |row: &Value| row.as_object().expect("an object").len() - 2;
    assert_eq!((columns(&lines[2]), columns(&lines[3])), (JobRow::COLUMNS.len(), RunRow::COLUMNS.len()));
    assert_eq!((&lines[3]["source_rows_read"], &lines[3]["retry_attempts"]), (&1_459.into(), &2.into()));
    assert_eq!((&lines[1]["error_message"], &lines[1]["status"]), (&"interrupted".into(), &"failed".into()));
    assert_eq!(objects(&lake.prints("runs lake --json --all")).len(), 6 + 25);
}

#[test]
fn nothing_in_a_log_acts_on_the_terminal() {
    const EVIL: &str = "\u{1b}]0;title\u{7}\u{1b}[2J\r\n\u{202e}\u{2066}\u{2028}\u{9b}31m\u{0}\u{feff}";
    let lake = Lake::empty();
    let mut job = Job::new(EVIL, 0).run_with(EVIL, EVIL, BAD, 1.0, [1, 1], |run| {
        run.operation_type = Some(EVIL.to_owned());
        run.error_message = Some(format!("{EVIL}: {EVIL}"));
        run.task_key = Some(format!("{EVIL}; rm"));
        run.configure = Some(format!("{{\"a\": \"{EVIL}"));
    });
    job.row.engine_name = Some(EVIL.to_owned());
    job = job.run_with("odd", "x", GOOD, 1.0, [i64::MIN, i64::MAX], |run| {
        (run.status, run.duration_seconds) = (Some(EVIL.to_owned()), Some(1e300));
        (run.destination_bytes_added, run.retry_attempts) = (Some(-1), Some(i64::MIN));
    });
    job.put(&lake);
    Job::new("other", 1).run(EVIL, EVIL, GOOD, 1.0, [1, 1]).put(&lake);
    let diff = format!("runs diff other {} --lake lake", job.stem());
    let harmful = |text: &str| text.chars().find(|c| is_harmful(*c) && *c != '\n');
    for command in ["runs lake", "runs lake --json", "runs lake --strip", &diff, &format!("{diff} --json")] {
        let text = lake.prints(command);
        assert_eq!(harmful(&text), None, "{command}: {text:?}");
        assert!(text.contains("\\u"), "{command} shows the data: {text}");
    }
    assert!(!lake.prints("runs lake").contains("spanlake tree"), "what is no key is no command");
}

#[test]
fn what_cannot_be_read_is_a_note() {
    let lake = Lake::empty();
    let job = Job::new("nightly", 0).run("orders", "bronze", GOOD, 1.0, [5, 5]);
    let mut log = b"{\"_type\":\"other\"}\n".to_vec();
    put_line(&mut log, &job.runs[0]);
    let path = job.put_bytes(&lake, &log);
    let output = lake.run("runs lake");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        stderr(&output),
        format!("spanlake: note: {}: line 1 is damaged: its `_type` is that of no row\n", path.display())
    );
    assert!(stdout(&output).starts_with("! nightly  left behind  20261120_131410_1_0_nightly"), "{}", stdout(&output));

    fs::remove_file(path).expect("remove");
    let mut table = TableWriter::new::<RunRow>().expect("a table");
    table.add(&job.runs[0]).expect("a row");
    let folder = lake.path().join("analyst/dataflow_run_log");
    fs::create_dir_all(&folder).expect("create");
    fs::write(folder.join(format!("dataflow_{}.parquet", job.stem())), table.finish().expect("a file")).expect("write");
    assert_eq!(runs(&lake.prints("runs lake")), ["✓ orders"], "Parquet alone");
}

#[test]
fn a_lake_without_runs_is_no_error_and_none_at_all_is() {
    let lake = Lake::empty();
    assert_eq!(lake.prints("runs lake"), "no runs\n");
    assert_eq!(
        (lake.prints("runs lake --strip"), lake.prints("runs lake --json")),
        ("no runs\n".to_owned(), String::new())
    );
    let table = [
        (
            "runs /nowhere/at/all",
            "spanlake: HANDLER::RunLogs::IO::ERROR: cannot read the lake (path: /nowhere/at/all)\n",
        ),
        ("runs ftp://host/lake", "spanlake: CONFIGURATION::Store::CONFIGURATION::ERROR: a lake is a folder"),
    ];
    for (command, expected) in table {
        let output = lake.run(command);
        assert!(stderr(&output).starts_with(expected), "{}", stderr(&output));
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""));
    }
}

#[test]
fn a_session_that_runs_shows_its_open_runs() {
    let lake = Lake::empty();
    let job = Job::new("nightly", 0).run("orders", "bronze", GOOD, 1.0, [5, 5]);
    let mut open = RunRow::new("customers").status(RunStatus::Running);
    open.start_time = Some(START_US);
    let _session = job.begin(&lake, vec![open], None);
    let text = lake.prints("runs lake");
    assert!(
        text.starts_with("▸ nightly  running  20261120_131410_1_0_nightly  2026-11-20 13:14:10  last heard of "),
        "{text}"
    );
    assert_eq!(runs(&text), ["✓ orders", "▸ customers"]);
    assert!(text.ends_with("1 job · 2 runs: 1 succeeded, 1 running\n"), "{text}");
    assert_eq!(objects(&lake.prints("runs lake --json"))[0]["status"], "running");
}

#[test]
fn a_failed_run_says_how_to_find_its_records() {
    let lake = Lake::empty();
    let (etl, job) = EtlLayer::builder(lake.path()).job_id("nightly").build().expect("a lake");
    let (capture, guard) = CaptureLayer::builder().sink(JsonlSink::new(lake.path())).build().expect("a sink");
    let subscriber = tracing_subscriber::registry().with(etl).with(capture);
    tracing::subscriber::with_default(subscriber, || {
        info_span!("load", etl.dataflow = "orders", etl.stage = "bronze").in_scope(|| {
            Run::current().rows_read(1_500);
            info_span!("destination").in_scope(|| Run::current().rows_written(1_480));
        });
        info_span!("load", etl.dataflow = "customers").in_scope(|| {
            let failed = std::io::Error::other("the table is locked");
            error!(error = &failed as &dyn std::error::Error, "cannot write");
            Task::current().expect("the run's task").fail(&failed);
        });
    });
    job.finish().expect("written");
    drop(guard);
    let text = lake.prints("runs lake");
    assert_eq!(runs(&text), ["✓ orders", "✗ customers"], "{text}");
    assert!(text.contains("├─✓ orders     bronze  1,500 → 1,480  "), "{text}");
    assert!(text.contains("  │ error: the table is locked\n"), "{text}");
    let command = text.lines().find_map(|line| line.strip_prefix("  │ spanlake ")).expect("a command");
    let tree = lake.prints(command);
    assert!(tree.starts_with("✗ load") || tree.contains("ERROR cannot write"), "{tree}");
}
