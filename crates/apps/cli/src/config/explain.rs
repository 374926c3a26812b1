//! `spanlake config explain`: every value that holds, and who said so.

use std::io;

use spanlake_config::{Effective, Origin};
use spanlake_core::{Category, Error, Stage};

use super::{check, read};
use crate::Failure;
use crate::args::ExplainArgs;
use crate::json::{Object, put_line};
use crate::line::{BOLD, DIM, GOOD, Line, PLAIN};
use crate::screen::Screen;

/// Widest column of keys, and of values.
const MAX_COLUMN: usize = 48;

pub(super) fn run(args: &ExplainArgs, screen: &mut Screen) -> Result<(), Failure> {
    let config = match read(&args.file, args.env) {
        Ok(config) => config,
        Err(wrong) => {
            check::put_all(screen, &wrong)?;
            screen.flush()?;
            return Err(Failure::Told);
        }
    };
    let key = args.key.as_deref().unwrap_or("");
    let is_asked = |value: &&Effective| lies_in(&value.key, key) && (!args.set || is_set(value));
    let values: Vec<_> = config.values().iter().filter(is_asked).collect();
    if values.is_empty() && !config.values().iter().any(|value| lies_in(&value.key, key)) {
        let error = Error::new(Stage::Configuration, "Config", Category::Validation, "there is no such key");
        return Err(error.with("key", key).into());
    }
    if args.json {
        values.iter().try_for_each(|value| put_line(screen.raw(), |object| put_json(object, value)))?;
    } else {
        put_table(screen, &values)?;
    }
    Ok(screen.flush()?)
}

fn is_set(value: &Effective) -> bool {
    matches!(value.origin, Origin::File { .. } | Origin::Environment { .. })
}

/// Whether a key is the other one, or lies below it.
fn lies_in(key: &str, whole: &str) -> bool {
    let rest = key.strip_prefix(whole);
    rest.is_some_and(|rest| whole.is_empty() || rest.is_empty() || rest.starts_with(['.', '[']))
}

fn put_table(screen: &mut Screen, values: &[&Effective]) -> io::Result<()> {
    let width = |text: fn(&Effective) -> &str| {
        let widths = values.iter().map(|value| text(value).chars().count());
        widths.filter(|width| *width <= MAX_COLUMN).max().unwrap_or(0)
    };
    let (keys, texts) = (width(|value| &value.key), width(|value| &value.value));
    for value in values {
        let style = if is_set(value) { BOLD } else { PLAIN };
        let from = if is_set(value) { GOOD } else { DIM };
        let mut line = Line::new();
        line.column(style, &value.key, keys).put(PLAIN, "  ").column(style, &value.value, texts);
        screen.line(line.put(PLAIN, "  ").data(from, &value.origin.to_string()))?;
    }
    Ok(())
}

fn put_json(object: &mut Object<'_>, value: &Effective) -> io::Result<()> {
    object.text("key", Some(&value.key))?;
    object.text("value", Some(&value.value))?;
    object.text("from", Some(&value.origin.to_string()))
}
