//! A backtrace as `std` writes it, taken apart.

use crate::value::{Field, Value};

/// The frames of a backtrace, the innermost first, each `{file, line, function}`; what the text does not say of a frame is left
/// out. `None` where the text is none.
///
/// The form is not promised by `std`, and is read for what it has: a number, a colon and a name, and perhaps on the next line
/// `at <file>:<line>:<column>`. Other lines are passed over.
pub(super) fn frames<'a>(text: &str) -> Option<Value<'a>> {
    let mut frames: Vec<Vec<Field<'static>>> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(function) = function_in(line) {
            frames.push(vec![field("function", function.to_owned())]);
        } else if let Some((frame, place)) = frames.last_mut().zip(line.strip_prefix("at ")) {
            put_place(frame, place);
        }
    }
    (!frames.is_empty()).then(|| Value::List(frames.into_iter().map(Value::Map).collect()))
}

/// `12: orders::load` as `orders::load`.
fn function_in(line: &str) -> Option<&str> {
    let (number, function) = line.split_once(": ")?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    Some(function).filter(|_| is_number)
}

/// `src/orders.rs:7:13` in front of a function.
fn put_place(frame: &mut Vec<Field<'static>>, place: &str) {
    let number_behind = |place: &str| {
        let (before, number) = place.rsplit_once(':')?;
        Some((before.to_owned(), number.parse::<u64>().ok()?))
    };
    let last = number_behind(place);
    // A column stands behind the line, where there is one.
    let line = last.as_ref().and_then(|(before, _)| number_behind(before)).or(last);
    let file = line.as_ref().map_or(place, |(file, _)| file.as_str());
    frame.insert(0, field("file", file.to_owned()));
    line.into_iter().for_each(|(_, line)| frame.insert(1, field("line", line)));
}

fn field(name: &'static str, value: impl Into<Value<'static>>) -> Field<'static> {
    Field { name: name.into(), value: value.into() }
}
