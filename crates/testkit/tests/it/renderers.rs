//! The renderers pass their suite, and it finds those that break a promise.

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};

use spanlake_core::Record;
use spanlake_core::render::escape::Escaped;
use spanlake_core::render::{
    Color, JsonLines, Lifecycle, Logfmt, Plain, Pretty, Renderer, StructlogLines, TextLines, Tree,
};
use spanlake_testkit::renderers::{Lines, check};

#[test]
fn the_renderers_conform() {
    check(JsonLines::default, Lines::One);
    check(StructlogLines::new, Lines::One);
    check(Logfmt::new, Lines::One);
    check(|| Logfmt::new().lifecycle(Lifecycle::Timed), Lines::One);
    check(TextLines::default, Lines::Some);
    check(|| TextLines { lifecycle: Lifecycle::Timed }, Lines::Some);
    check(|| Plain::new("{level:5} {key} {task} {thread} {message} {fields}").expect("a pattern"), Lines::Some);
    for color in [Color::Never, Color::Always] {
        let width = NonZeroUsize::new(80).expect("a width");
        check(|| Pretty::new().color(color), Lines::Some);
        check(|| Pretty::new().color(color).width(width).lifecycle(Lifecycle::Timed), Lines::Some);
        check(|| Tree::new().color(color), Lines::Some);
        check(|| Tree::new().color(color).width(width).lifecycle(Lifecycle::Timed), Lines::Some);
    }
}

#[test]
fn each_broken_promise_is_found() {
    let found = |defect| catch_unwind(AssertUnwindSafe(|| check(|| Broken(defect, 0), Lines::One))).is_err();
    assert!(!found(Defect::None));
    let passed: Vec<_> = DEFECTS.into_iter().filter(|defect| !found(*defect)).collect();
    assert!(passed.is_empty(), "renderers that should not have passed: {passed:?}");
}

/// What is wrong with a renderer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Defect {
    None,
    LacksTheEnd,
    WritesNothing,
    WritesTwoLines,
    StartsAnew,
    LeavesTheMessageOut,
    LetsBreaksThrough,
    LetsColorsThrough,
    Swells,
    MeetsNobodyTwice,
}

const DEFECTS: [Defect; 9] = [
    Defect::LacksTheEnd,
    Defect::WritesNothing,
    Defect::WritesTwoLines,
    Defect::StartsAnew,
    Defect::LeavesTheMessageOut,
    Defect::LetsBreaksThrough,
    Defect::LetsColorsThrough,
    Defect::Swells,
    Defect::MeetsNobodyTwice,
];

/// A renderer, its defect, and the last number of a record outside any task.
struct Broken(Defect, i64);

impl Renderer for Broken {
    fn render(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        let message = Escaped(&record.message).to_string();
        let line = match self.0 {
            Defect::LacksTheEnd => message,
            Defect::WritesNothing => String::new(),
            Defect::WritesTwoLines => format!("{message}\n{}\n", record.level),
            Defect::LeavesTheMessageOut => format!("{}\n", record.level),
            Defect::LetsBreaksThrough => format!("{}\n", record.message),
            Defect::LetsColorsThrough => format!("{}\n", message.replace("\\u{1b}", "\u{1b}")),
            Defect::Swells => format!("{}\n", message.repeat(message.len().min(1_000))),
            _ => format!("{message}\n"),
        };
        if self.0 == Defect::StartsAnew {
            out.clear();
        }
        if self.0 == Defect::MeetsNobodyTwice {
            assert!(record.ts_ns >= self.1, "time never goes back");
            self.1 = record.ts_ns;
        }
        out.extend_from_slice(line.as_bytes());
    }
}
