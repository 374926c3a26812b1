//! What each renderer makes of the same story, as committed in `tests/renderings`, and what all of them promise.
//!
//! `SPANLAKE_BLESS=1 cargo test -p spanlake-core --test it renderers` writes the files anew; read the difference.

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use proptest::prelude::*;
use spanlake_core::render::escape::is_harmful;
use spanlake_core::render::{
    Bound, Color, DEFAULT_PATTERN, JsonLines, Lifecycle, Logfmt, Plain, Pretty, Renderer, StructlogLines, TextLines,
    Tree,
};
use spanlake_core::segment::{EndHead, RecordHead, Segment, SegmentWriter, TaskDefinition, TaskOrigin, TaskRef};
use spanlake_core::value::{BodyWriter, Name};
use spanlake_core::{Cause, Level, Loss, Outcome, Value};
use unicode_width::UnicodeWidthStr;
use uuid::Uuid;

use crate::support::{HOSTILE, MOMENT_NS, callsite, hostile_segment, message, source};

// === the story ===

/// Two jobs whose records come in turns.
struct Story {
    writer: SegmentWriter,
    now_ns: i64,
    tasks: u64,
}

#[derive(Clone, Copy)]
struct Told {
    task: TaskRef,
    seq: u64,
}

const MILLISECOND_NS: i64 = 1_000_000;

impl Story {
    fn new() -> Self {
        Self { writer: SegmentWriter::new(&source()), now_ns: MOMENT_NS, tasks: 0 }
    }

    fn task(&mut self, origin: TaskOrigin<'_>, name: &str, context: &[(&str, Value<'_>)]) -> Told {
        self.tasks += 1;
        let callsite = callsite(&mut self.writer, name, &[]);
        let context = body(context);
        let definition = TaskDefinition {
            origin,
            callsite,
            started_ns: self.now_ns,
            own_context: false,
            foreign_parent: None,
            context: context.bytes(),
            begins: false,
        };
        let task = self.writer.define_task(self.tasks, 0, 0, &definition);
        let head = self.head(Level::INFO, Some(Told { task, seq: 0 }));
        self.writer.begin(&head, &message(name), &[]);
        Told { task, seq: 0 }
    }

    fn root(&mut self, number: u128, name: &str, context: &[(&str, Value<'_>)]) -> Told {
        self.task(TaskOrigin::Root(Uuid::from_u128(number)), name, context)
    }

    fn child(&mut self, parent: Told, number: u32, name: &str) -> Told {
        self.task(TaskOrigin::Child { parent: parent.task, number }, name, &[])
    }

    fn event(&mut self, task: Option<&mut Told>, level: Level, text: &str, fields: &[(&str, Value<'_>)]) {
        let task = task.map(|task| {
            task.seq += 1;
            *task
        });
        let head = self.head(level, task);
        self.writer.event(&head, &message(text), body(fields).bytes());
    }

    fn end(&mut self, mut task: Told, outcome: Outcome, duration_ns: u64, text: &str, error: &[&str]) {
        task.seq += 1;
        let level = match outcome {
            Outcome::Succeeded => Level::INFO,
            Outcome::Failed => Level::ERROR,
            Outcome::Cancelled | Outcome::Interrupted => Level::WARN,
        };
        let head = self.head(level, Some(task));
        let error: Vec<String> = error.iter().map(|link| (*link).to_owned()).collect();
        let quiet = text.is_empty();
        let end = EndHead { outcome, duration_ns, busy_ns: duration_ns / 2, error: &error, quiet };
        self.writer.end(&head, &end, &message(text), &[]);
    }

    fn head(&mut self, level: Level, task: Option<Told>) -> RecordHead {
        self.now_ns += 100 * MILLISECOND_NS;
        let callsite = Some(callsite(&mut self.writer, "event", &[]));
        let seq = task.map_or(0, |task| task.seq);
        RecordHead { level, callsite, task: task.map(|task| task.task), seq, ts_ns: self.now_ns }
    }
}

fn body(fields: &[(&str, Value<'_>)]) -> BodyWriter {
    let mut body = BodyWriter::default();
    fields.iter().for_each(|(name, value)| body.value(Name::Text(name), value));
    body.finish();
    body
}

fn story() -> Segment {
    let mut story = Story::new();
    let orders = [("etl.dataflow", Value::from("orders")), ("table", Value::from("shop.orders"))];
    let mut load = story.root(1, "load orders", &orders);
    story.event(None, Level::WARN, "outside any task", &[("free_bytes", Value::U64(1_048_576))]);
    let mut read = story.child(load, 1, "read");
    let rows = [("rows", Value::U64(500)), ("file", Value::from("orders 2026.csv")), ("ok", Value::Bool(true))];
    story.event(Some(&mut read), Level::DEBUG, "read batch", &rows);
    let mut other = story.root(2, "load customers", &[("table", Value::from("shop.customers"))]);
    let many = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta"];
    let many: Vec<_> = many.iter().map(|name| (*name, Value::from("some words of text"))).collect();
    story.event(Some(&mut read), Level::TRACE, "a message that is longer than forty characters", &many);
    let chain = Value::Error(vec!["cannot parse line 7".into(), "not a number".into()]);
    story.event(Some(&mut read), Level::ERROR, "bad line", &[("error", chain), ("line", Value::U64(7))]);
    story.end(read, Outcome::Failed, 504_000_000, "FAILED read", &["cannot read orders", "disk\nfull"]);
    story.event(Some(&mut other), Level::INFO, HOSTILE, &[("level", Value::from(HOSTILE)), ("a b=\"c\"", 1.5.into())]);
    let wide = [("city", Value::from("東京都 港区")), ("rows", Value::U64(3))];
    story.event(Some(&mut other), Level::INFO, "読み込み完了 café 🦀", &wide);
    let quiet = story.child(other, 1, "quiet");
    story.end(quiet, Outcome::Succeeded, 12_345, "", &[]);
    story.event(Some(&mut load), Level::INFO, "last words", &[]);
    story.end(load, Outcome::Succeeded, 1_500_000_000, "loaded 500 orders", &[]);
    story.end(other, Outcome::Cancelled, 2_345_678, "load customers", &[]);
    story.writer.loss(&Loss::one(Cause::Full, Level::DEBUG, 100, story.now_ns));
    story.writer.take()
}

fn render(renderer: &mut dyn Renderer, segment: &Segment) -> String {
    let decoded = segment.decode().expect("a segment");
    let mut out = Vec::new();
    decoded.records().for_each(|record| renderer.render(&mut out, &record));
    String::from_utf8(out).expect("text")
}

// === the committed renderings ===

fn renderers() -> Vec<(String, Box<dyn Renderer>)> {
    let mut all: Vec<(String, Box<dyn Renderer>)> = vec![
        ("text".into(), Box::new(TextLines::default())),
        ("text_timed".into(), Box::new(TextLines { lifecycle: Lifecycle::Timed })),
        ("plain".into(), Box::new(plain("{ts} {level:5} {kind} {key} {task:12} [{thread}] {message:20} {fields}"))),
        ("json".into(), Box::new(JsonLines::default())),
        ("structlog".into(), Box::new(StructlogLines::new())),
        ("logfmt".into(), Box::new(Logfmt::new())),
        ("logfmt_timed".into(), Box::new(Logfmt::new().lifecycle(Lifecycle::Timed).bound(Bound::Hidden))),
        ("pretty_timed".into(), Box::new(Pretty::new().lifecycle(Lifecycle::Timed).bound(Bound::Hidden))),
        ("tree_timed".into(), Box::new(Tree::new().lifecycle(Lifecycle::Timed))),
    ];
    for columns in [80, 200] {
        for (color, name) in [(Color::Never, "bare"), (Color::Always, "color")] {
            let width = NonZeroUsize::new(columns).expect("a width");
            all.push((format!("pretty_{columns}_{name}"), Box::new(Pretty::new().color(color).width(width))));
            all.push((format!("tree_{columns}_{name}"), Box::new(Tree::new().color(color).width(width))));
        }
    }
    all
}

fn plain(pattern: &str) -> Plain {
    Plain::new(pattern).expect("a pattern")
}

#[test]
fn renderings_are_as_committed() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/renderings");
    let segment = story();
    for (name, mut renderer) in renderers() {
        let (path, rendered) = (folder.join(format!("{name}.txt")), render(&mut *renderer, &segment));
        if std::env::var_os("SPANLAKE_BLESS").is_some() {
            fs::write(&path, &rendered).expect("the file can be written");
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(rendered, committed, "{}", path.display());
    }
}

#[test]
fn the_system_log_is_what_plain_makes_by_default() {
    let segment = story();
    let lines = render(&mut TextLines::default(), &segment);
    assert_eq!(render(&mut Plain::default(), &segment), lines);
    assert_eq!(render(&mut plain(DEFAULT_PATTERN), &segment), lines);
    let timed = render(&mut TextLines { lifecycle: Lifecycle::Timed }, &segment);
    assert_eq!(render(&mut Plain::default().lifecycle(Lifecycle::Timed), &segment), timed);
}

// === what they promise ===

/// Without the sequences that set colours, which are the renderer's own.
fn without_colors(text: &str) -> String {
    let parts = text.split("\u{1b}[").enumerate();
    parts.map(|(at, part)| if at == 0 { part } else { part.split_once('m').expect("a colour").1 }).collect()
}

#[test]
fn hostile_text_is_harmless_in_every_rendering() {
    for segment in [story(), hostile_segment()] {
        for (name, mut renderer) in renderers() {
            let rendered = without_colors(&render(&mut *renderer, &segment));
            assert!(!rendered.contains(|c| is_harmful(c) && c != '\n'), "{name}: {rendered:?}");
            assert!(rendered.contains('🦀'), "{name} leaves harmless text alone");
        }
    }
}

#[test]
fn no_line_ends_in_spaces() {
    for (name, mut renderer) in renderers() {
        let rendered = without_colors(&render(&mut *renderer, &story()));
        assert_eq!(rendered.lines().find(|line| line.ends_with(' ')), None, "{name}");
    }
}

#[test]
fn fields_begin_in_one_column_whatever_the_message_is_written_in() {
    let rendered = render(&mut Pretty::new().bound(Bound::Hidden), &story());
    let column = |field: &str| {
        let line = rendered.lines().find(|line| line.contains(field)).expect("the line");
        line.split_once(field).expect("the field").0.width()
    };
    assert_eq!((column("city="), column("file=")), (81, 81));
}

#[test]
fn a_terminal_says_how_wide_lines_are_unless_the_program_does() {
    let columns = |columns| NonZeroUsize::new(columns).expect("a width");
    let told = |mut renderer: Box<dyn Renderer>| {
        renderer.set_columns(columns(80));
        render(&mut *renderer, &story())
    };
    let [pretty, tree] = ["pretty_80_bare", "tree_80_bare"].map(|name| {
        let mut named = renderers().into_iter().find(|(other, _)| other == name).expect("it is there").1;
        render(&mut *named, &story())
    });
    assert_eq!((told(Box::new(Pretty::new())), told(Box::new(Tree::new()))), (pretty, tree));
    let unbroken = told(Box::new(Pretty::new().width(NonZeroUsize::MAX)));
    assert_eq!(unbroken, render(&mut Pretty::new(), &story()));
}

#[test]
fn colors_change_nothing_but_colors() {
    let segment = story();
    let all = renderers();
    let bare = all.iter().filter(|(name, _)| name.ends_with("_bare")).count();
    assert_eq!(bare, 4);
    let of = |end: &str| {
        let those = renderers().into_iter().filter(|(name, _)| name.ends_with(end));
        those.map(|(_, mut renderer)| render(&mut *renderer, &segment)).collect::<Vec<_>>()
    };
    let colored: Vec<String> = of("_color").iter().map(|text| without_colors(text)).collect();
    assert_eq!(colored, of("_bare"));
}

#[test]
fn lines_are_no_longer_than_they_may_be_where_fields_can_wrap() {
    let segment = story();
    for (columns, name) in [(80, "tree_80_bare"), (200, "pretty_200_bare"), (200, "tree_200_bare")] {
        let mut renderer = renderers().into_iter().find(|(other, _)| other == name).expect("it is there").1;
        let rendered = render(&mut *renderer, &segment);
        let is_short = |line: &&str| line.width() <= columns || line.contains("\\u{1b}");
        assert_eq!(rendered.lines().find(|line| !is_short(line)), None, "{name}");
    }
}

/// Those that promise one line for each record that is not quiet.
fn one_liners() -> Vec<(&'static str, Box<dyn Renderer>)> {
    vec![
        ("json", Box::new(JsonLines::default())),
        ("structlog", Box::new(StructlogLines::new())),
        ("logfmt", Box::new(Logfmt::new())),
        ("logfmt timed", Box::new(Logfmt::new().lifecycle(Lifecycle::Timed))),
    ]
}

#[test]
fn one_record_is_one_line_where_that_is_promised() {
    let segment = story();
    let decoded = segment.decode().expect("a segment");
    for (name, mut renderer) in one_liners() {
        for record in decoded.records() {
            let mut out = Vec::new();
            renderer.render(&mut out, &record);
            let ends = out.iter().filter(|byte| **byte == b'\n').count();
            let is_quiet = name.starts_with("logfmt") && record.end().is_some_and(|end| end.quiet);
            assert_eq!(ends, usize::from(!is_quiet), "{name}: {record:?}");
            assert!(is_quiet || out.ends_with(b"\n"), "{name}");
        }
    }
}

fn json_of(renderer: &mut dyn Renderer, segment: &Segment) -> Vec<serde_json::Value> {
    let lines = render(renderer, segment);
    lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn json_has_the_keys_that_are_required() {
    for line in json_of(&mut JsonLines::default(), &story()) {
        assert!(["ts", "level", "message"].iter().all(|key| line[key].is_string()), "{line}");
    }
    for line in json_of(&mut StructlogLines::new(), &story()) {
        assert!(["event", "level"].iter().all(|key| line[key].is_string()), "{line}");
        assert!(line["timestamp"].as_str().is_some_and(|timestamp| timestamp.ends_with('Z')), "{line}");
    }
}

#[test]
fn structlog_lines_have_bound_fields_first_and_an_exception() {
    let segment = story();
    let lines = render(&mut StructlogLines::new(), &segment);
    let batch = lines.lines().find(|line| line.contains("read batch")).expect("the batch");
    assert!(batch.starts_with(r#"{"etl.dataflow":"orders","table":"shop.orders","rows":500,"file":"#), "{batch}");
    let parsed = json_of(&mut StructlogLines::new(), &segment);
    let find = |event: &str| parsed.iter().find(|line| line["event"] == event).expect("the event");
    assert_eq!(find("bad line")["exception"], "cannot parse line 7\ncaused by: not a number");
    assert!(find("bad line").get("error").is_none());
    assert_eq!(find("FAILED read")["exception"], "cannot read orders\ncaused by: disk\nfull");
    assert_eq!(
        (find("outside any task")["level"].as_str(), find("outside any task").get("key")),
        (Some("warning"), None)
    );
    assert_eq!(find(HOSTILE)["fields.level"], HOSTILE);
}

#[test]
fn patterns_are_checked_when_they_are_given() {
    let refused = |pattern: &str| Plain::new(pattern).expect_err(pattern).to_string();
    assert!(refused("{time}").contains("unknown placeholder `{time}`"));
    for pattern in ["", "text", "{ts", "ts}", "{", "}", "{ts:}", "{ts:x}", "{ts:1001}", "{ts}\n", "{ts}\u{1b}[1m", "{}"]
    {
        let error = Plain::new(pattern).expect_err(pattern);
        assert_eq!(error.code().to_string(), "CONFIGURATION::Plain::VALIDATION::ERROR", "{pattern}");
    }
}

#[test]
fn patterns_pad_and_keep_braces() {
    let segment = story();
    let lines = render(&mut plain("{{{level:6}}}|{file}:{line}|{pid:6}|{host}|{service}|{dataflow}"), &segment);
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines[0], "{INFO  }|support.rs:7|4711  |host|service|orders");
    assert_eq!(lines[1], "{WARN  }|support.rs:7|4711  |host|service|-");
}

#[test]
fn the_space_before_fields_goes_with_them() {
    let segment = story();
    let lines = render(&mut plain("{message} {fields}|"), &segment);
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines[..2], ["load orders|", "outside any task free_bytes=1048576|"]);
}

#[test]
fn a_tree_says_whose_record_it_is_when_tasks_take_turns() {
    let drawn = render(&mut Tree::new(), &story());
    let lines: Vec<&str> = drawn.lines().collect();
    let after = |text: &str| {
        let at = lines.iter().position(|line| line.contains(text)).expect("the line");
        lines[at + 1].trim_start()
    };
    assert_eq!(after("┌ load customers"), "┈ load orders › read");
    assert_eq!(after("caused by: disk"), "┈ load customers");
}

#[test]
fn a_tree_forgets_and_draws_on() {
    let mut story = Story::new();
    let first = story.root(1, "first", &[]);
    for number in 2..3_000 {
        story.root(number, "one of many", &[]);
    }
    story.end(first, Outcome::Succeeded, 1, "first", &[]);
    let drawn = render(&mut Tree::new(), &story.writer.take());
    assert!(drawn.lines().last().expect("a line").contains("└ first"));
}

proptest! {
    #[test]
    fn any_text_in_any_rendering_is_harmless_and_bounded(text in "\\PC{0,40}|.{0,40}", name in ".{0,10}", level in 0u8..5) {
        let mut story = Story::new();
        let mut task = story.root(1, &name, &[(&name, Value::from(&text))]);
        let level = spanlake_core::record::level_from_code(level);
        story.event(Some(&mut task), level, &text, &[(&name, Value::from(&text)), (&text, Value::from(&name))]);
        story.end(task, Outcome::Failed, 1, &text, &[&text, &name]);
        let segment = story.writer.take();
        for (renderer_name, mut renderer) in renderers() {
            let rendered = without_colors(&render(&mut *renderer, &segment));
            prop_assert!(!rendered.contains(|c| is_harmful(c) && c != '\n'), "{}: {:?}", renderer_name, rendered);
            let given = (text.len() + name.len()) * 8 * 10 + 4_000;
            prop_assert!(rendered.len() <= given, "{}: {} bytes", renderer_name, rendered.len());
            prop_assert!(rendered.ends_with('\n'));
        }
    }

    #[test]
    fn any_pattern_is_parsed_or_refused(pattern in "(\\{|\\}|ts|level|message|fields|:|5| |x){0,8}") {
        if let Ok(mut renderer) = Plain::new(&pattern) {
            let rendered = render(&mut renderer, &story());
            prop_assert!(rendered.lines().count() >= 15);
        }
    }
}

#[test]
fn a_box_is_the_renderer_in_it() {
    let mut boxed: Box<dyn Renderer> = Box::new(Pretty::new().color(Color::Always));
    boxed.set_terminal();
    assert!(render(&mut boxed, &story()).contains("\u{1b}[32m"));
}
