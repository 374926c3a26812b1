//! The processors pass their suite, and it finds those that break a promise.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use spanlake_core::processors::{
    AddCallsite, AddDefaults, CallsiteParameter, FilterByLevel, FilterByTarget, FilterKeys, Redact, Rename,
    StripMarkup, StructuredErrors,
};
use spanlake_core::{Cause, FlightRecorder, FoldRepeats, Kind, Level, LevelFilter, Loss, Processor, Record, Value};
use spanlake_testkit::processors::check;

#[test]
fn the_processors_conform() {
    check(|| FilterByLevel::new(LevelFilter::WARN));
    check(|| FilterByTarget::keep(["testkit"]));
    check(|| FilterByTarget::drop(["testkit"]));
    check(|| FilterKeys::new(["error", "number"]));
    check(|| Rename::new([("error", "why"), ("number", "password"), ("why", "error")]));
    check(|| {
        use CallsiteParameter::{File, Function, Line, Module};
        AddCallsite::new([Module, File, Line, Function])
    });
    check(|| AddDefaults::new([("number", Value::from(1)), ("region", Value::from("eu"))]));
    check(StructuredErrors::new);
    check(StripMarkup::new);
    check(|| Redact::keys(["password"]));
    check(FlightRecorder::new);
    check(FoldRepeats::new);
    check(|| |record: &mut Record<'_>| record.level <= Level::WARN || record.kind == Kind::Loss);
}

#[test]
fn each_broken_promise_is_found() {
    let found = |defect| catch_unwind(AssertUnwindSafe(|| check(|| Broken(defect)))).is_err();
    assert!(!found(Defect::None));
    let passed: Vec<_> = DEFECTS.into_iter().filter(|defect| !found(*defect)).collect();
    assert!(passed.is_empty(), "processors that should not have passed: {passed:?}");
}

/// What is wrong with a processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    None,
    NeedsRecords,
    DropsLosses,
    ChangesLosses,
    TurnsRound,
    WritesTwice,
    ChangesTimes,
    LosesMoreThanItDrops,
    PanicsAtHostileText,
    MakesWhatCannotBeKept,
}

const DEFECTS: [Defect; 9] = [
    Defect::NeedsRecords,
    Defect::DropsLosses,
    Defect::ChangesLosses,
    Defect::TurnsRound,
    Defect::WritesTwice,
    Defect::ChangesTimes,
    Defect::LosesMoreThanItDrops,
    Defect::PanicsAtHostileText,
    Defect::MakesWhatCannotBeKept,
];

struct Broken(Defect);

impl Processor for Broken {
    fn process(&mut self, records: &mut Vec<Record<'_>>) {
        match self.0 {
            Defect::NeedsRecords => drop(records.first().expect("a record")),
            Defect::DropsLosses => records.retain(|record| record.kind != Kind::Loss),
            Defect::ChangesLosses => records.iter_mut().for_each(|record| record.message = Cow::Borrowed("nothing")),
            Defect::TurnsRound => records.reverse(),
            Defect::WritesTwice => records.extend_from_within(..),
            Defect::ChangesTimes => records.iter_mut().for_each(|record| record.ts_ns += 1),
            Defect::PanicsAtHostileText => records.iter().for_each(|record| assert!(!record.message.contains('\n'))),
            // Longer than a text can be in a segment, where it is cut.
            Defect::MakesWhatCannotBeKept => {
                records.iter_mut().for_each(|record| record.fields.edit().clear());
                let long = || Value::Text("x".repeat(70_000).into());
                let field = || spanlake_core::Field { name: "long".into(), value: long() };
                let told = records.iter_mut().filter(|record| record.kind != Kind::Loss);
                told.for_each(|record| record.fields.edit().push(field()));
            }
            _ => {}
        }
    }

    fn take_losses(&mut self) -> Vec<Loss> {
        let lost = self.0 == Defect::LosesMoreThanItDrops;
        lost.then(|| Loss::one(Cause::Budget, Level::INFO, 0, 0)).into_iter().collect()
    }
}
