//! The suite finds the sinks that break a promise.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use spanlake_core::{Batch, Category, Error, LevelFilter, Sink, Stage};
use spanlake_testkit::conformance::{MIDNIGHT_US, Stand, check};

#[test]
fn a_sink_that_keeps_its_promises_passes() {
    check(|| Memory::with(Defect::None));
}

#[test]
fn each_broken_promise_is_found() {
    let found = |defect| catch_unwind(AssertUnwindSafe(|| check(|| Memory::with(defect)))).is_err();
    let passed: Vec<_> = DEFECTS.into_iter().filter(|defect| !found(*defect)).collect();
    assert!(passed.is_empty(), "sinks that should not have passed: {passed:?}");
}

/// What is wrong with a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    None,
    LosesTheLast,
    WritesTwice,
    TurnsRound,
    WaitsForMore,
    StartsAnew,
    KnowsNoLevel,
    DropsLosses,
    NeedsRecords,
    BreaksLines,
    CutsShort,
    KeepsHalf,
    SwallowsFaults,
}

const DEFECTS: [Defect; 12] = [
    Defect::LosesTheLast,
    Defect::WritesTwice,
    Defect::TurnsRound,
    Defect::WaitsForMore,
    Defect::StartsAnew,
    Defect::KnowsNoLevel,
    Defect::DropsLosses,
    Defect::NeedsRecords,
    Defect::BreaksLines,
    Defect::CutsShort,
    Defect::KeepsHalf,
    Defect::SwallowsFaults,
];

/// A stand and its sink in one: what was written, in memory.
#[derive(Clone)]
struct Memory {
    place: Arc<Mutex<Place>>,
    level: LevelFilter,
    defect: Defect,
}

#[derive(Default)]
struct Place {
    texts: Vec<String>,
    is_obstructed: bool,
}

impl Memory {
    fn with(defect: Defect) -> Self {
        Self { place: Arc::default(), level: LevelFilter::TRACE, defect }
    }

    fn place<T>(&self, look: impl FnOnce(&mut Place) -> T) -> T {
        look(&mut self.place.lock().expect("no sink panics while it holds this"))
    }
}

impl Stand for Memory {
    fn sink(&self, level: LevelFilter) -> Box<dyn Sink> {
        if self.defect == Defect::StartsAnew {
            self.place(|place| place.texts.clear());
        }
        let level = if self.defect == Defect::KnowsNoLevel { LevelFilter::TRACE } else { level };
        Box::new(Self { level, ..self.clone() })
    }

    fn read(&self) -> Vec<String> {
        self.place(|place| place.texts.clone())
    }

    fn obstruct(&self) -> bool {
        self.place(|place| place.is_obstructed = true);
        true
    }

    fn clear(&self) {
        self.place(|place| place.is_obstructed = false);
    }
}

impl Sink for Memory {
    fn name(&self) -> &str {
        "memory"
    }

    fn level(&self) -> LevelFilter {
        self.level
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        let is_late = |ts_us: i64| self.place(|place| place.is_obstructed) && ts_us >= MIDNIGHT_US;
        let fault = batch.records().position(|record| is_late(record.ts_us()));
        let mut texts: Vec<_> = batch.records().map(|record| record.message.to_string()).collect();
        match self.defect {
            Defect::KeepsHalf => texts.truncate(fault.unwrap_or(texts.len())),
            Defect::SwallowsFaults if fault.is_some() => return Ok(()),
            _ if fault.is_some() => return Err(refused()),
            Defect::NeedsRecords if texts.is_empty() => return Err(refused()),
            Defect::LosesTheLast => drop(texts.pop()),
            Defect::WritesTwice => texts.extend_from_within(texts.len().saturating_sub(1)..),
            Defect::TurnsRound => texts.reverse(),
            Defect::WaitsForMore if texts.len() < 100 => return Ok(()),
            Defect::DropsLosses => texts.retain(|text| !text.contains("lost")),
            Defect::BreaksLines => texts = texts.iter().flat_map(|text| text.lines()).map(str::to_owned).collect(),
            Defect::CutsShort => texts.iter_mut().for_each(|text| drop(text.drain(..text.len().min(3)))),
            _ => {}
        }
        self.place(|place| place.texts.extend(texts));
        if fault.is_some() { Err(refused()) } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

fn refused() -> Error {
    Error::new(Stage::Dispatch, "Memory", Category::Io, "the place is obstructed")
}
