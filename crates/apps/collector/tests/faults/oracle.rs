//! The oracle: what programs said, what was acknowledged, and what the lake has; every fault is judged by it.
//!
//! - *Conservation*: all that was said is in the lake, or stated as lost; what was acknowledged is there; nothing is there twice.
//! - *Integrity*: each record says what the program said, byte by byte, and those of a task are in its order.
//! - *Liveness*: when the fault is gone, all of it is there within a deadline.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use spanlake_collector::CANARY_TARGET;
use spanlake_core::{Kind, Level, Outcome, OwnedRecord, TaskKey};
use spanlake_query::{Damage, Filter, Format, Lake};

use crate::dice::Dice;

/// How many events each task has, but for the last one of a thread.
pub(crate) const EVENTS: u64 = 100;

/// The name of every task.
pub(crate) const TASK: &str = "load";

/// What texts are made of: letters that take one to four bytes, and those that formats have to escape.
const LETTERS: [char; 12] = ['a', 'Z', '7', ' ', 'é', '漢', '🦀', '"', '\\', '\n', '\t', '\u{1}'];

/// What a program said.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) program: String,
    /// How many events of each thread; their numbers begin at zero.
    pub(crate) made: Vec<u64>,
    /// Whether each thread may have said one more, because the program was killed.
    pub(crate) was_killed: bool,
}

/// What is in a lake.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// The numbers of each thread of each program.
    events: BTreeMap<(String, usize), HashSet<u64>>,
    pub(crate) begun: u64,
    pub(crate) ended: u64,
    pub(crate) interrupted: u64,
    /// Records that came again, where that may be.
    pub(crate) repeated: u64,
    may_repeat: bool,
    /// What records state as lost.
    pub(crate) stated: u64,
    /// Of each task, the numbers of its records, and what number a program gave to those that are events.
    tasks: HashMap<TaskKey, BTreeMap<u64, Option<u64>>>,
}

/// What a program says under a number.
pub(crate) fn text(program: &str, thread: usize, number: u64) -> String {
    let mut dice = Dice::new(number << 8 ^ thread as u64);
    let length = dice.between(0, 120);
    let tail: String = (0..length).map(|_| LETTERS[dice.between(0, LETTERS.len() as u64) as usize]).collect();
    format!("{program} {thread} {number} {tail}")
}

/// How severe that is.
pub(crate) fn level(number: u64) -> Level {
    if number.is_multiple_of(10) { Level::WARN } else { Level::INFO }
}

/// Which thread of which program said it.
fn speaker(record: &OwnedRecord) -> (String, usize) {
    let mut words = record.message.split(' ');
    let program = words.next().expect("a program").to_owned();
    (program, words.next().and_then(|thread| thread.parse().ok()).unwrap_or_else(|| panic!("nobody said {record:?}")))
}

/// The number of an event, which has to be what was said under it.
fn number(record: &OwnedRecord) -> u64 {
    let (program, thread) = speaker(record);
    let number = record.message.split(' ').nth(2).and_then(|number| number.parse().ok()).expect("a number");
    assert_eq!(record.message, text(&program, thread, number), "what was said");
    assert_eq!((record.level, record.service.as_deref()), (level(number), Some(&*program)));
    assert_eq!(record.fields, format!(r#"{{"number":{number}}}"#));
    assert_eq!(record.context, format!(r#"{{"part":{}}}"#, number / EVENTS));
    number
}

// === impl Said ===

impl Said {
    pub(crate) fn events(&self) -> u64 {
        self.made.iter().sum()
    }

    fn most_events(&self) -> u64 {
        self.events() + if self.was_killed { self.made.len() as u64 } else { 0 }
    }

    fn tasks(&self) -> u64 {
        self.made.iter().map(|made| made.div_ceil(EVENTS)).sum()
    }

    /// Events, and a begin and an end of each task.
    pub(crate) fn records(&self) -> u64 {
        self.events() + 2 * self.tasks()
    }
}

// === impl Found ===

impl Found {
    /// What the lake has in one format; all of it has to be as it was said, once and in order.
    pub(crate) fn read(lake: &Path, format: Format) -> Self {
        Self::default().with(lake, format)
    }

    /// The same, where what is sent twice may be there twice.
    pub(crate) fn read_with_repeats(lake: &Path, format: Format) -> Self {
        Self { may_repeat: true, ..Self::default() }.with(lake, format)
    }

    /// What is there now, or why it cannot be read: a line is being written, or a collector that starts takes back what it will write
    /// again.
    fn look(lake: &Path, format: Format) -> Result<Self, Vec<Damage>> {
        let mut found = Self::default();
        let damages = found.take_in(lake, format);
        if damages.is_empty() { Ok(found.in_order()) } else { Err(damages) }
    }

    fn with(mut self, lake: &Path, format: Format) -> Self {
        let damages = self.take_in(lake, format);
        assert!(damages.is_empty(), "{damages:?}");
        self.in_order()
    }

    /// Gives what cannot be read.
    fn take_in(&mut self, lake: &Path, format: Format) -> Vec<Damage> {
        let Ok(lake) = Lake::open(lake) else {
            return Vec::new();
        };
        let mut timeline = lake.format(format).read(&Filter::new()).expect("a lake that can be read");
        timeline.by_ref().filter(|record| record.target != CANARY_TARGET).for_each(|record| self.add(&record));
        timeline.damages().to_vec()
    }

    fn in_order(self) -> Self {
        for (key, records) in &self.tasks {
            assert!(records.values().flatten().is_sorted(), "{key} is out of order: {records:?}");
        }
        self
    }

    fn add(&mut self, record: &OwnedRecord) {
        if record.kind == Kind::Loss {
            let fields: serde_json::Value = serde_json::from_str(&record.fields).expect("JSON");
            self.stated += fields["count"].as_u64().expect("a count");
            return;
        }
        let key = record.key.clone().expect("all is said in tasks");
        assert_eq!(record.task.as_deref(), Some(TASK));
        let number = (record.kind == Kind::Event).then(|| number(record));
        let before = self.tasks.entry(key.task).or_default().insert(key.seq, number);
        if before.is_some() && self.may_repeat {
            assert_eq!(before, Some(number), "another one: {record:?}");
            self.repeated += 1;
            return;
        }
        assert_eq!(before, None, "twice: {record:?}");
        if let Some(number) = number {
            let (program, thread) = speaker(record);
            let is_new = self.events.entry((program, thread)).or_default().insert(number);
            assert!(is_new, "said again: {record:?}");
        }
        self.begun += u64::from(record.kind == Kind::Begin);
        self.ended += u64::from(record.kind == Kind::End);
        self.interrupted += u64::from(record.outcome == Some(Outcome::Interrupted));
    }

    /// Whether a task lacks a number.
    fn has_gaps(&self) -> bool {
        self.tasks.values().any(|records| records.keys().copied().ne(0..records.len() as u64))
    }

    pub(crate) fn events(&self) -> u64 {
        self.events.values().map(|numbers| numbers.len() as u64).sum()
    }

    pub(crate) fn records(&self) -> u64 {
        self.events() + self.begun + self.ended
    }

    /// Of each thread that said what is not there: how much is, and what is missing first.
    fn lacks(&self, said: &[Said]) -> Vec<String> {
        let mut lacks = Vec::new();
        for Said { program, made, .. } in said {
            for (thread, made) in made.iter().enumerate() {
                let there = self.events.get(&(program.clone(), thread));
                let is_there = |number: &u64| there.is_some_and(|there| there.contains(number));
                let missing: Vec<_> = (0..*made).filter(|number| !is_there(number)).take(5).collect();
                if !missing.is_empty() {
                    let count = there.map_or(0, HashSet::len);
                    lacks.push(format!("{program}/{thread} has {count} of {made}, and not {missing:?}"));
                }
            }
        }
        lacks
    }

    /// Everything that was said is there, and nothing else.
    pub(crate) fn assert_whole(&self, said: &[Said]) {
        assert_eq!(self.lacks(said), Vec::<String>::new());
        let most = said.iter().map(Said::most_events).sum();
        assert!(self.events() <= most, "{} events, and {most} were said", self.events());
        assert_eq!(self.begun, self.ended, "every task has an end");
        assert!(
            !self.has_gaps() && self.stated == 0,
            "nothing is missing, and nothing is stated as lost: {}",
            self.stated
        );
    }

    /// What is not there is what was lost, and the lake says how many that were.
    pub(crate) fn assert_adds_up(&self, said: &[Said], lost: u64) {
        let records: u64 = said.iter().map(Said::records).sum();
        assert_eq!(self.records() + lost, records, "{} are there, and {lost} were lost", self.records());
        assert_eq!(self.stated, lost, "what is stated as lost");
    }
}

/// Waits until the lake has everything that was said; all that is there meanwhile has to be right.
pub(crate) fn await_whole(lake: &Path, said: &[Said], within: Duration) {
    await_in(lake, within, |found| found.lacks(said));
}

/// Waits until the lake has so many records.
pub(crate) fn await_records(lake: &Path, count: u64, within: Duration) {
    let lacks = |found: &Found| (found.records() < count).then(|| format!("{} of {count} records", found.records()));
    await_in(lake, within, |found| lacks(found).into_iter().collect());
}

/// Waits until the lake can be read and lacks nothing.
fn await_in(lake: &Path, within: Duration, lacks: impl Fn(&Found) -> Vec<String>) {
    let until = Instant::now() + within;
    loop {
        let lacks = Found::look(lake, Format::Jsonl).map(|found| lacks(&found));
        if lacks.as_ref().is_ok_and(Vec::is_empty) {
            return;
        }
        assert!(Instant::now() < until, "not alive after {within:?}: {lacks:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Judges the lake of a collector that has ended, in both formats.
pub(crate) fn assert_whole(lake: &Path, said: &[Said]) -> Found {
    Found::read(lake, Format::Parquet).assert_whole(said);
    let found = Found::read(lake, Format::Jsonl);
    found.assert_whole(said);
    found
}
