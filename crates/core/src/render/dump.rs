//! The values of an observed object as lines of text.
//!
//! ```text
//! - flow:
//!   - rate = 1.2346
//!   - profile = [0.1, 0.25, 12346]
//! ```

use std::fmt::Write;

use crate::observed::PREFIX;
use crate::render::escape::Escaped;
use crate::value::{Fields, Value};

/// Significant digits of a floating-point number in text. Integers keep all of theirs.
const DIGITS: i32 = 5;

/// Most values of a list that are shown.
const MOST_LISTED: usize = 12;

/// Calls `each` for the lines of a dump: `- <group>:`, then `  - <name> = <value>`.
pub fn each_line(fields: &Fields<'_>, mut each: impl FnMut(&str)) {
    let (mut group, mut line) = (String::new(), String::new());
    fields.for_each(|name, value| {
        if name.starts_with(PREFIX) {
            return;
        }
        let (in_group, name) = name.split_once('.').unwrap_or(("", name));
        if in_group != group && !in_group.is_empty() {
            each(&format!("- {}:", Escaped(in_group)));
        }
        in_group.clone_into(&mut group);
        line.clear();
        let indent = if in_group.is_empty() { "" } else { "  " };
        // Writing to a `String` cannot fail, here and below.
        let _ = write!(line, "{indent}- {} = ", Escaped(name));
        put_rounded(&mut line, value);
        each(&line);
    });
}

/// Appends a value, floating-point numbers with 5 significant digits and of a long list only the beginning.
pub fn put_rounded(out: &mut String, value: &Value<'_>) {
    match value {
        Value::F64(number) => put_number(out, *number),
        Value::List(values) => put_list(out, values),
        value => {
            let _ = write!(out, "{}", Escaped(&value.to_string()));
        }
    }
}

fn put_list(out: &mut String, values: &[Value<'_>]) {
    out.push('[');
    for (at, value) in values.iter().take(MOST_LISTED).enumerate() {
        out.push_str(if at == 0 { "" } else { ", " });
        put_rounded(out, value);
    }
    if values.len() > MOST_LISTED {
        let _ = write!(out, ", … {} in all", values.len());
    }
    out.push(']');
}

/// As `%.5g` does: without zeros that say nothing, with an exponent where the number is very large or very small.
pub fn put_number(out: &mut String, number: f64) {
    let scientific = format!("{number:.*e}", DIGITS as usize - 1);
    let parts = scientific.split_once('e').and_then(|(digits, power)| Some((digits, power.parse::<i32>().ok()?)));
    let Some((digits, power)) = parts else {
        // Not a number, or infinite.
        return out.push_str(&scientific);
    };
    if (-4..DIGITS).contains(&power) {
        let places = usize::try_from(DIGITS - 1 - power).unwrap_or(0);
        return out.push_str(without_zeros(&format!("{number:.places$}")));
    }
    let sign = if power < 0 { '-' } else { '+' };
    let _ = write!(out, "{}e{sign}{:02}", without_zeros(digits), power.unsigned_abs());
}

fn without_zeros(digits: &str) -> &str {
    if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
}
