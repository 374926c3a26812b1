//! Child processes that continue a task. A binary of its own, because it starts itself again with another environment.

use std::io::Write as _;
use std::process::{Command, Stdio};

use spanlake_core::clock::Clock;
use spanlake_core::render::JsonLines;
use spanlake_core::{Buffer, BufferOptions, LevelFilter, Source};
use spanlake_scope::carrier::{TASK_VARIABLE, TRACE_VARIABLE};
use spanlake_scope::{CommandExt, REFUSED, Recorder, ScopeLayer};
use tracing::{info, info_span};
use tracing_core::span::{Attributes, Id};
use tracing_core::{Dispatch, Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

const KEY: &str = "e252a11f-d33d-483d-ba08-bc8f642b2f10/1";
const FOREIGN: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Set for the child only.
const ROLE: &str = "SCOPE_TEST_ROLE";

/// Stands before each line that the child means for its parent.
const MARK: &str = "child said: ";

struct Recording(Recorder);

impl<S> Layer<S> for Recording
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, dispatch: &Dispatch) {
        self.0.on_register_dispatch(dispatch);
    }

    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        self.0.on_new_span(attrs, id, &ctx);
    }

    fn on_event(&self, event: &Event<'_>, ctx: Context<'_, S>) {
        self.0.on_event(event, &ctx);
    }

    fn on_enter(&self, id: &Id, ctx: Context<'_, S>) {
        self.0.on_enter(id, &ctx);
    }

    fn on_exit(&self, id: &Id, _: Context<'_, S>) {
        self.0.on_exit(id);
    }

    fn on_close(&self, id: Id, ctx: Context<'_, S>) {
        self.0.on_close(&id, &ctx);
    }
}

/// Records what `work` does, and gives it as JSON lines.
fn record(scope: ScopeLayer, work: impl FnOnce()) -> String {
    let buffer = Buffer::new(&BufferOptions::default(), Source::this_process("test"));
    let recording = Recording(Recorder::new(buffer.clone(), LevelFilter::TRACE, Clock::new()));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(scope).with(recording), work);
    let (mut out, mut lines) = (Vec::new(), JsonLines::default());
    for segment in buffer.drain() {
        segment.decode().expect("a segment").records().for_each(|record| lines.put(&mut out, &record));
    }
    String::from_utf8(out).expect("UTF-8")
}

/// This program again, as the child, with an environment that says nothing of tasks.
fn start() -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "plays_the_child", "--nocapture"]).env(ROLE, "child").stderr(Stdio::null());
    command.env_remove(TASK_VARIABLE).env_remove(TRACE_VARIABLE);
    command
}

/// What the child said, each line an object.
fn lines_of(command: &mut Command) -> Vec<serde_json::Value> {
    let output = command.output().expect("the child runs");
    assert!(output.status.success(), "{}", output.status);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let lines = text.lines().filter_map(|line| line.split_once(MARK));
    lines.map(|(_, line)| serde_json::from_str(line).expect("JSON")).collect()
}

fn keys(lines: &[serde_json::Value]) -> Vec<&str> {
    lines.iter().map(|line| line["key"].as_str().unwrap_or("-")).collect()
}

/// The child's part; in the parent it does nothing.
#[test]
fn plays_the_child() -> std::io::Result<()> {
    if std::env::var_os(ROLE).is_none() {
        return Ok(());
    }
    let scope = ScopeLayer::builder().continue_from_env().build();
    let lines = record(scope, || {
        info_span!("child's work").in_scope(|| {
            info!("in the child");
            info_span!("child's part").in_scope(|| ());
        });
    });
    let mut stdout = std::io::stdout().lock();
    lines.lines().try_for_each(|line| writeln!(stdout, "{MARK}{line}"))
}

// === the parent's part ===

#[test]
fn parent_and_child_build_one_tree() {
    let mut of_child = Vec::new();
    let of_parent = record(ScopeLayer::new(), || {
        info_span!("parent").in_scope(|| {
            of_child = lines_of(start().continue_task());
            info_span!("parent's own part").in_scope(|| ());
        });
    });
    let of_parent: Vec<serde_json::Value> =
        of_parent.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let root = of_parent[0]["key"].as_str().and_then(|key| key.strip_prefix("0@")).expect("a root").to_owned();
    let expected = |keys: &[&str]| keys.iter().map(|key| key.replace('U', &root)).collect::<Vec<String>>();
    assert_eq!(keys(&of_parent), expected(&["0@U", "0@U/2", "1@U/2", "1@U"]));
    assert_eq!(keys(&of_child), expected(&["0@U/1", "1@U/1", "0@U/1/1", "1@U/1/1", "2@U/1"]));
    assert_ne!(of_parent[0]["pid"], of_child[0]["pid"]);
    assert_eq!(of_parent[0]["trace_id"], of_child[0]["trace_id"]);
}

#[test]
fn child_of_no_task_is_a_root_even_if_this_process_continues_one() {
    let lines = lines_of(start().env(TASK_VARIABLE, KEY).continue_task());
    assert!(!keys(&lines)[0].contains(KEY));
    assert_eq!(lines.len(), 5);
}

#[test]
fn environment_without_a_task_makes_a_fresh_root() {
    let (one, other) = (lines_of(&mut start()), lines_of(&mut start()));
    assert_ne!(keys(&one)[0], keys(&other)[0]);
    assert_eq!(one[0]["context"], serde_json::json!({}));
}

#[test]
fn task_variable_is_continued_and_outweighs_the_trace() {
    let lines = lines_of(start().env(TASK_VARIABLE, KEY).env(TRACE_VARIABLE, FOREIGN));
    assert_eq!(keys(&lines)[..2], [format!("0@{KEY}"), format!("1@{KEY}")]);
}

#[test]
fn foreign_trace_in_the_environment_is_the_root() {
    let lines = lines_of(start().env(TRACE_VARIABLE, FOREIGN));
    assert_eq!(keys(&lines)[0], "0@4bf92f35-77b3-4da6-a3ce-929d0e0e4736");
    assert_eq!(lines[0]["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
}

#[test]
fn malformed_environment_makes_a_fresh_root_that_says_why() {
    let long = "1".repeat(100_000);
    for (name, value) in [(TASK_VARIABLE, "orders"), (TASK_VARIABLE, long.as_str()), (TRACE_VARIABLE, "00-0-0-0")] {
        let lines = lines_of(start().env(name, value));
        assert_eq!(lines.len(), 5, "it runs and records as ever");
        let why = lines[0]["context"][REFUSED].as_str().expect("a reason");
        assert!(why.contains(name) && why.contains("refused"), "{why}");
    }
}

#[cfg(unix)]
#[test]
fn environment_that_is_not_utf_8_is_refused() {
    use std::os::unix::ffi::OsStrExt as _;
    let lines = lines_of(start().env(TASK_VARIABLE, std::ffi::OsStr::from_bytes(&[0xff, 0xfe])));
    let why = lines[0]["context"][REFUSED].as_str().expect("a reason");
    assert!(why.contains("not UTF-8"), "{why}");
}
