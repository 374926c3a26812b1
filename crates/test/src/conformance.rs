//! The suite that every sink passes, ours and yours.
//!
//! Tell it by a [`Stand`] how a sink is made on an empty place and how one looks at what it left there, and call
//! [`check`]. It panics at the first promise that is broken and says which.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//!
//! use spanlake_core::{Batch, Error, LevelFilter, Sink};
//! use spanlake_test::conformance::{Stand, check};
//!
//! struct Memory(Arc<Mutex<Vec<String>>>, LevelFilter);
//!
//! impl Sink for Memory {
//!     fn name(&self) -> &str {
//!         "memory"
//!     }
//!     fn level(&self) -> LevelFilter {
//!         self.1
//!     }
//!     fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
//!         self.0.lock().unwrap().extend(batch.records().map(|record| record.message.to_string()));
//!         Ok(())
//!     }
//!     fn flush(&mut self) -> Result<(), Error> {
//!         Ok(())
//!     }
//! }
//!
//! #[derive(Default)]
//! struct Place(Arc<Mutex<Vec<String>>>);
//!
//! impl Stand for Place {
//!     fn sink(&self, level: LevelFilter) -> Box<dyn Sink> {
//!         Box::new(Memory(Arc::clone(&self.0), level))
//!     }
//!     fn read(&self) -> Vec<String> {
//!         self.0.lock().unwrap().clone()
//!     }
//! }
//!
//! check(Place::default);
//! ```

use std::collections::BTreeMap;

use spanlake_core::segment::Segment;
use spanlake_core::{Cause, Level, LevelFilter, Loss, Sink, Source, Value};

use crate::script::{NO_TASK, Script, TaskId, give};

/// The place that a sink writes to, empty when it is made.
pub trait Stand {
    /// A sink that writes here and takes records of `level` and above. The suite asks again after it dropped the one
    /// before; what that one left must stay.
    fn sink(&self, level: LevelFilter) -> Box<dyn Sink>;

    /// What a reader finds now: one text for each record, with at least the record's message in it. Those of one task
    /// are in order; how tasks follow each other is up to the sink.
    fn read(&self) -> Vec<String>;

    /// Lets the sink fail at records after [`MIDNIGHT_US`], and may let it fail at all. `false` when that cannot be
    /// done here; then [`a_failed_write_leaves_nothing`] has nothing to look at.
    fn obstruct(&self) -> bool {
        false
    }

    /// Takes the obstacle away.
    fn clear(&self) {}
}

/// The midnight after which an obstructed stand refuses records: 2026-11-21T00:00:00Z, in microseconds since the Unix
/// epoch. A sink that parts by day meets the obstacle in the middle of a batch.
pub const MIDNIGHT_US: i64 = 1_795_219_200_000_000;

/// Text that breaks lines, moves cursors, reorders what is read, forges records, or is too long.
pub(crate) const HOSTILE: [&str; 8] = [
    "two\nlines\r\nand \u{2028} more",
    "\u{1b}[2J\u{1b}]0;title\u{7}",
    "\u{202e}reversed\u{2066}",
    "\0\u{1}\u{7f}\u{9b}",
    "\"},{\"level\":\"ERROR\"}",
    "\n{\"message\":\"forged\"}\n2026-11-20T00:00:00.000000Z - ERROR - forged",
    "\\\\\" {} %s ${x}",
    "\u{feff}🦀\u{10ffff}",
];

/// Runs every case, each on a stand of its own.
pub fn check<S: Stand>(stand: impl Fn() -> S) {
    everything_arrives_once_and_in_order(&stand());
    flush_makes_visible(&stand());
    a_later_sink_leaves_what_is_there(&stand());
    level_is_respected(&stand());
    an_empty_batch_is_fine(&stand());
    hostile_text_stays_one_record(&stand());
    a_failed_write_leaves_nothing(&stand());
}

/// Begins, events and ends of many tasks in several batches, and records outside any task: all there, each once, and
/// those of a task in order.
pub fn everything_arrives_once_and_in_order(stand: &impl Stand) {
    let mut suite = Suite::new(stand);
    let mut sink = stand.sink(LevelFilter::TRACE);
    for _ in 0..5 {
        let batch = suite.batch(20, 50);
        written(sink.as_mut(), &batch);
    }
    flushed(sink.as_mut());
    suite.expect_all("after a flush");
    drop(sink);
    suite.expect_all("after the sink was dropped");
}

/// What was written is there after a flush, while the sink lives on and writes more.
pub fn flush_makes_visible(stand: &impl Stand) {
    let mut suite = Suite::new(stand);
    let mut sink = stand.sink(LevelFilter::TRACE);
    for round in 0..4 {
        let batch = suite.batch(2, 3);
        written(sink.as_mut(), &batch);
        sink.tick().expect("a tick does not fail where a write does not");
        flushed(sink.as_mut());
        suite.expect_all(&format!("after flush {round}"));
    }
    flushed(sink.as_mut());
    suite.expect_all("after a flush of nothing");
}

/// A second sink on the same place adds to what the first one left.
pub fn a_later_sink_leaves_what_is_there(stand: &impl Stand) {
    let mut suite = Suite::new(stand);
    for round in 0..3 {
        let mut sink = stand.sink(LevelFilter::TRACE);
        let batch = suite.batch(2, 3);
        written(sink.as_mut(), &batch);
        flushed(sink.as_mut());
        drop(sink);
        suite.expect_all(&format!("after sink {round}"));
    }
}

/// Only records of the sink's level and above arrive, and every statement of loss.
pub fn level_is_respected(stand: &impl Stand) {
    let mut suite = Suite::new(stand);
    let mut sink = stand.sink(LevelFilter::WARN);
    assert_eq!(sink.level(), LevelFilter::WARN, "the level that was asked for");
    let mut script = suite.script();
    for level in [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR] {
        let kept = level <= Level::WARN;
        suite.event(&mut script, NO_TASK, level, "", kept);
    }
    script.loss(&Loss::one(Cause::Full, Level::TRACE, 100, MIDNIGHT_US * 1_000));
    written(sink.as_mut(), &script.into_segment());
    flushed(sink.as_mut());
    suite.expect_all_and("after a flush", 1);
}

/// A batch without records, or with none of the sink's level, is written and leaves nothing.
pub fn an_empty_batch_is_fine(stand: &impl Stand) {
    let mut suite = Suite::new(stand);
    let mut sink = stand.sink(LevelFilter::ERROR);
    flushed(sink.as_mut());
    let mut script = suite.script();
    suite.event(&mut script, NO_TASK, Level::INFO, "", false);
    let filtered = script.into_segment();
    written(sink.as_mut(), &filtered);
    flushed(sink.as_mut());
    suite.expect_all("after a batch without records");

    let mut script = suite.script();
    suite.event(&mut script, NO_TASK, Level::ERROR, "", true);
    written(sink.as_mut(), &script.into_segment());
    written(sink.as_mut(), &filtered);
    flushed(sink.as_mut());
    suite.expect_all("after a record and nothing more");
}

/// Whatever stands in a message, in names and in values: a record stays one record.
pub fn hostile_text_stays_one_record(stand: &impl Stand) {
    let mut suite = Suite::new(stand);
    let mut sink = stand.sink(LevelFilter::TRACE);
    let mut script = suite.script();
    let long = "x".repeat(1 << 20);
    for text in HOSTILE.into_iter().chain([long.as_str()]) {
        let (task, begun) = suite.next_task();
        let id = script.begin(text, &format!("{begun} {text}"));
        let value = Value::Text(text.into());
        let (_, said) = suite.next_in(task);
        script.event(id, Level::INFO, &format!("{said} {text}"), &[(text, value.clone()), (text, value)]);
        let (_, ended) = suite.next_in(task);
        script.end(id, &format!("{ended} {text}"), &[text.to_owned(), text.to_owned()]);
    }
    written(sink.as_mut(), &script.into_segment());
    flushed(sink.as_mut());
    suite.expect_all("after a flush");
}

/// A write that fails leaves nothing, and can be tried again until it succeeds. A sink that takes the batch and fails
/// at the flush keeps it until a flush succeeds.
pub fn a_failed_write_leaves_nothing(stand: &impl Stand) {
    let mut suite = Suite::new(stand);
    let mut sink = stand.sink(LevelFilter::TRACE);
    let before = suite.batch(2, 3);
    written(sink.as_mut(), &before);
    flushed(sink.as_mut());
    if !stand.obstruct() {
        return;
    }
    let whole = suite.snapshot();
    let batch = suite.batch_over_midnight(3, 10);
    let refused = give(&batch, sink.as_mut()).is_err();
    let failed = sink.flush().is_err();
    assert!(refused || failed, "neither the write nor the flush said that the place is obstructed");
    if refused {
        suite.expect(&whole, "after a write that failed");
        assert!(give(&batch, sink.as_mut()).is_err(), "the place is still obstructed");
        suite.expect(&whole, "after the same write failed again");
    }
    stand.clear();
    if refused {
        flushed(sink.as_mut());
        suite.expect(&whole, "after a flush that follows a failed write");
        written(sink.as_mut(), &batch);
    }
    flushed(sink.as_mut());
    suite.expect_all("after the obstacle was taken away");
}

// === the suite's own records ===

/// What was written, and what should therefore be found.
struct Suite<'a, S> {
    stand: &'a S,
    source: Source,
    /// How many records of each task were told so far, those outside any task under 0.
    told: Vec<u64>,
    expected: Found,
    now_us: i64,
}

/// Of each task, the numbers of its records in the order they were found.
type Found = BTreeMap<usize, Vec<u64>>;

/// In front of the number of a task and of a record in it.
const MARK: &str = "conformance#";

/// The records outside any task.
const OUTSIDE: usize = 0;

/// An hour before midnight.
const START_US: i64 = MIDNIGHT_US - 3_600_000_000;

impl<'a, S: Stand> Suite<'a, S> {
    fn new(stand: &'a S) -> Self {
        assert_eq!(stand.read(), Vec::<String>::new(), "a new stand is empty");
        let source = Source::this_process("testkit").with_thread("conformance");
        Self { stand, source, told: vec![0], expected: Found::new(), now_us: START_US }
    }

    fn script(&mut self) -> Script {
        self.now_us += 1_000_000;
        Script::new(self.source.clone(), self.now_us)
    }

    /// Tasks that take turns, the odd ones inside the one before, and as many records outside.
    fn batch(&mut self, tasks: usize, events: usize) -> Segment {
        let mut script = self.script();
        let mut open: Vec<(usize, TaskId)> = Vec::new();
        for at in 0..tasks {
            let (task, text) = self.next_task();
            let id = match open.last() {
                Some((_, parent)) if at % 2 == 1 => script.begin_in(*parent, "inner", &text),
                _ => script.begin("outer", &text),
            };
            open.push((task, id));
        }
        for _ in 0..events {
            self.event(&mut script, NO_TASK, Level::DEBUG, "", true);
            open.iter().for_each(|(task, id)| self.event_in(&mut script, *task, *id));
        }
        self.end_all(&mut script, open);
        script.into_segment()
    }

    /// Tasks whose events lie on both sides of midnight.
    fn batch_over_midnight(&mut self, tasks: usize, events: usize) -> Segment {
        let mut script = Script::new(self.source.clone(), MIDNIGHT_US - 1_000_000);
        let open: Vec<_> = (0..tasks)
            .map(|_| {
                let (task, text) = self.next_task();
                (task, script.begin("through the night", &text))
            })
            .collect();
        for half in 0..2 {
            for _ in 0..events {
                open.iter().for_each(|(task, id)| self.event_in(&mut script, *task, *id));
            }
            script.pass_us(2_000_000 * (1 - half));
        }
        self.end_all(&mut script, open);
        script.into_segment()
    }

    fn end_all(&mut self, script: &mut Script, open: Vec<(usize, TaskId)>) {
        for (task, id) in open.into_iter().rev() {
            let (seq, text) = self.next_in(task);
            let error = if seq % 2 == 0 { vec![] } else { vec!["it failed".to_owned(), "for a reason".to_owned()] };
            script.end(id, &text, &error);
        }
    }

    fn event_in(&mut self, script: &mut Script, task: usize, id: TaskId) {
        let (seq, text) = self.next_in(task);
        script.event(id, Level::INFO, &text, &[("number", Value::U64(seq)), ("even", Value::Bool(seq % 2 == 0))]);
    }

    fn event(&mut self, script: &mut Script, task: TaskId, level: Level, more: &str, kept: bool) {
        let (seq, text) = self.next_in(OUTSIDE);
        if !kept {
            self.expected.entry(OUTSIDE).or_default().retain(|other| *other != seq);
        }
        script.event(task, level, &format!("{text}{more}"), &[]);
    }

    /// A new task's number and the text of its first record.
    fn next_task(&mut self) -> (usize, String) {
        self.told.push(0);
        let task = self.told.len() - 1;
        let (_, text) = self.next_in(task);
        (task, text)
    }

    /// The number and the text of a task's next record, which is expected from now on.
    fn next_in(&mut self, task: usize) -> (u64, String) {
        let seq = self.told[task];
        self.told[task] += 1;
        self.expected.entry(task).or_default().push(seq);
        (seq, format!("{MARK}{task}.{seq}#"))
    }

    fn snapshot(&self) -> Found {
        self.expected.clone()
    }

    fn expect_all(&self, when: &str) {
        self.expect_all_and(when, 0);
    }

    fn expect_all_and(&self, when: &str, losses: usize) {
        expect(&self.stand.read(), &self.expected, losses, when);
    }

    fn expect(&self, expected: &Found, when: &str) {
        expect(&self.stand.read(), expected, 0, when);
    }
}

fn expect(read: &[String], expected: &Found, losses: usize, when: &str) {
    let mut found = Found::new();
    let mut others = Vec::new();
    for text in read {
        match mark(text) {
            Some((task, seq)) => found.entry(task).or_default().push(seq),
            None => others.push(text),
        }
    }
    let stated = others.iter().filter(|text| text.contains("lost")).count();
    assert!(others.len() == stated, "{when}: texts that are no record of the suite: {others:?}");
    assert_eq!(stated, losses, "{when}: statements of loss");
    for (task, seqs) in expected.iter().filter(|(_, seqs)| !seqs.is_empty()) {
        assert_eq!(found.remove(task).as_ref(), Some(seqs), "{when}: records of task {task}, in order");
    }
    assert!(found.is_empty(), "{when}: records of tasks that should not be there: {found:?}");
}

/// The task and the number that a text's first mark names.
fn mark(text: &str) -> Option<(usize, u64)> {
    let (_, rest) = text.split_once(MARK)?;
    let (mark, _) = rest.split_once('#')?;
    let (task, seq) = mark.split_once('.')?;
    Some((task.parse().ok()?, seq.parse().ok()?))
}

fn written(sink: &mut dyn Sink, batch: &Segment) {
    give(batch, sink).unwrap_or_else(|error| panic!("a write that nothing hinders failed: {error:?}"));
}

fn flushed(sink: &mut dyn Sink) {
    sink.flush().unwrap_or_else(|error| panic!("a flush that nothing hinders failed: {error:?}"));
}
