//! Records of all kinds, made up, and what they come to.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use spanlake_core::segment::{Decoded, Segment};
use spanlake_core::{
    Cause, Detail, End, Field, Kind, Level, Loss, Outcome, OwnedRecord, Record, Source, TaskKey, Value,
};
use spanlake_wire::foreign::Place;
use spanlake_wire::{ForeignRecord, ForeignTask, segments};
use uuid::Uuid;

/// A moment in 2026, in nanoseconds.
pub(crate) const MOMENT_NS: i64 = 1_795_180_450_123_456_000;

const LEVELS: [Level; 5] = [Level::TRACE, Level::DEBUG, Level::INFO, Level::WARN, Level::ERROR];

/// Names that mean something to a format, or look as if they did.
const NAMES: [&str; 16] = [
    "rows",
    "table",
    "é\n\"",
    "",
    "event",
    "level",
    "name",
    "message",
    "context",
    "key",
    "spanlake.kind",
    "thread.name",
    "fields.rows",
    "spanlake.own.rows",
    "spanlake.context",
    "spanlake.logged",
];

const TEXTS: [&str; 7] = ["", "wrote batch", "C:\\new", "two\nlines", "🦀 \u{0} \u{1b}[31m", "null", "12"];

pub(crate) fn key(text: &str) -> TaskKey {
    text.parse().unwrap()
}

pub(crate) fn field(name: &'static str, value: impl Into<Value<'static>>) -> Field<'static> {
    Field { name: name.into(), value: value.into() }
}

pub(crate) fn event(level: Level, message: &str, fields: Vec<Field<'static>>) -> ForeignRecord {
    let place = Place { name: "event".into(), target: "app::db".into(), ..Place::default() };
    ForeignRecord {
        ts_ns: MOMENT_NS,
        level,
        kind: Kind::Event,
        seq: 0,
        place: Some(place),
        task: None,
        source: source("host", "orders", "main"),
        message: message.into(),
        fields,
        detail: Detail::None,
    }
}

pub(crate) fn source(host: &str, service: &str, thread: &str) -> Source {
    let mut source = Source::this_process(service).with_thread(thread);
    (source.host, source.pid, source.started_us) = (host.into(), 4711, MOMENT_NS / 1000 - 5_000_000);
    source
}

/// Gives `each` what is read of the records when they are laid down as segments.
pub(crate) fn with_records<T>(records: &[ForeignRecord], each: impl FnOnce(&[Record<'_>]) -> T) -> T {
    let segments = segments(records);
    let decoded: Vec<_> = segments.iter().map(|segment| Decoded::read(segment.bytes()).unwrap()).collect();
    let records: Vec<_> = decoded.iter().flat_map(Decoded::records).collect();
    each(&records)
}

pub(crate) fn owned(records: &[ForeignRecord]) -> Vec<OwnedRecord> {
    owned_of(&segments(records))
}

pub(crate) fn owned_of(segments: &[Segment]) -> Vec<OwnedRecord> {
    let decoded: Vec<_> = segments.iter().map(|segment| segment.decode().unwrap()).collect();
    decoded.iter().flat_map(Decoded::records).map(|record| OwnedRecord::from(&record)).collect()
}

// === made up ===

/// A word of the list.
fn word(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    proptest::sample::select(words).prop_map(str::to_owned)
}

/// A value; integers beyond 64 bits where `wide`.
fn value(wide: bool) -> impl Strategy<Value = Value<'static>> {
    let integers = prop_oneof![
        any::<i64>().prop_map(Value::I64),
        any::<u64>().prop_map(Value::U64),
        any::<i128>().prop_map(move |number| if wide { Value::I128(number) } else { Value::I64(number as i64) }),
        any::<u128>().prop_map(move |number| if wide { Value::U128(number) } else { Value::U64(number as u64) }),
    ];
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        integers,
        any::<f64>().prop_map(Value::F64),
        word(&TEXTS).prop_map(Value::from),
        vec(any::<u8>(), 0..6).prop_map(|bytes| Value::Bytes(bytes.into())),
        vec(word(&TEXTS), 0..3).prop_map(|chain| Value::Error(chain.into_iter().map(Into::into).collect())),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        let named = (word(&NAMES), inner.clone()).prop_map(|(name, value)| Field { name: name.into(), value });
        prop_oneof![vec(inner, 0..3).prop_map(Value::List), vec(named, 0..3).prop_map(Value::Map)]
    })
}

fn fields(wide: bool) -> impl Strategy<Value = Vec<Field<'static>>> {
    let field = (word(&NAMES), value(wide)).prop_map(|(name, value)| Field { name: name.into(), value });
    vec(field, 0..5)
}

fn place() -> impl Strategy<Value = Place> {
    let names = ["load", "event src/db.rs:12", "app", "app::db"];
    let names: &'static [&'static str] = Box::leak(Box::new(names));
    (
        word(names),
        word(names),
        option::of(word(names)),
        option::of(word(names)),
        option::of(any::<u32>()),
        any::<bool>(),
    )
        .prop_map(|(name, target, module, file, line, timed)| Place { name, target, module, file, line, timed })
}

fn task(wide: bool) -> impl Strategy<Value = ForeignTask> {
    let parent = option::of(any::<[u8; 8]>());
    (any::<u128>(), vec(1u32.., 0..4), word(&TEXTS), any::<u32>(), parent, fields(wide)).prop_map(
        |(root, path, name, before, foreign_parent, context)| {
            let root = TaskKey::root(Uuid::from_u128(root));
            let key = path.into_iter().fold(root, |key, number| key.child(number).unwrap());
            ForeignTask { key, name, started_ns: MOMENT_NS - i64::from(before), foreign_parent, context }
        },
    )
}

fn detail() -> impl Strategy<Value = (Kind, Detail<'static>)> {
    let end = (0..4usize, any::<u64>(), any::<u64>(), vec(word(&TEXTS), 0..3), any::<bool>()).prop_map(
        |(outcome, duration_ns, busy_ns, error, quiet)| {
            let error = error.into_iter().map(Into::into).collect();
            let end = End { outcome: Outcome::ALL[outcome], duration_ns, busy_ns, error, quiet };
            (Kind::End, Detail::End(end))
        },
    );
    let loss = (0..10usize, any::<[u32; 5]>(), any::<u32>()).prop_map(|(cause, levels, bytes)| {
        let (levels, bytes) = (levels.map(u64::from), u64::from(bytes));
        let loss = Loss { cause: Cause::ALL[cause], levels, bytes, first_ns: MOMENT_NS - 7, last_ns: MOMENT_NS + 7 };
        (Kind::Loss, Detail::Loss(loss))
    });
    prop_oneof![
        2 => Just((Kind::Event, Detail::None)),
        1 => Just((Kind::Begin, Detail::None)),
        1 => end,
        1 => loss,
    ]
}

/// A record as spanlake makes them, at a whole microsecond: a loss stands outside tasks, at `WARN`.
pub(crate) fn record(wide: bool) -> impl Strategy<Value = ForeignRecord> {
    let head = (any::<u32>(), 0..5usize, any::<u32>(), word(&TEXTS));
    let source = (word(&["host", "other"]), word(&["", "orders"]), word(&["", "main", "worker"]));
    (head, detail(), place(), option::of(task(wide)), source, fields(wide)).prop_map(
        |((us, level, seq, message), (kind, detail), place, task, (host, service, thread), fields)| {
            let is_loss = kind == Kind::Loss;
            ForeignRecord {
                ts_ns: MOMENT_NS + i64::from(us) * 1000,
                level: if is_loss { Level::WARN } else { LEVELS[level] },
                kind,
                seq: if task.is_some() && !is_loss { u64::from(seq) } else { 0 },
                place: (!is_loss).then_some(place),
                task: task.filter(|_| !is_loss),
                source: self::source(&host, &service, &thread),
                message,
                fields: if is_loss { Vec::new() } else { fields },
                detail,
            }
        },
    )
}

/// Some of them.
pub(crate) fn records(wide: bool) -> impl Strategy<Value = Vec<ForeignRecord>> {
    vec(record(wide), 0..8)
}
