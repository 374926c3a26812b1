//! Rows as JSON lines: the keys in the order of the columns, all of them in every line.

use jiff::Timestamp;
use serde_json::Value as Json;
use spanlake_core::Value;
use spanlake_core::render::{put_json_text, put_value, time};

use super::job::JobRow;
use super::row::{Cell, Column, Kind, Row};
use super::run::RunRow;

/// A line of a session's log.
#[derive(Clone, Debug, PartialEq)]
pub enum Line {
    /// A run.
    Run(Box<RunRow>),
    /// The job, behind its runs.
    Job(Box<JobRow>),
}

/// Appends a row as a line, line end included.
pub fn put_line<R: Row>(out: &mut Vec<u8>, row: &R) {
    put_columns(out, row, |_| true);
}

/// Appends a row as a line that leaves out what is null.
pub fn put_short_line<R: Row>(out: &mut Vec<u8>, row: &R) {
    put_columns(out, row, |cell| cell.is_some());
}

fn put_columns<R: Row>(out: &mut Vec<u8>, row: &R, wanted: impl Fn(Option<Cell<'_>>) -> bool) {
    let mut columns = R::COLUMNS.iter();
    let mut before = b'{';
    row.each(|cell| {
        let name = columns.next().map_or("", |column| column.name);
        if !wanted(cell) {
            return;
        }
        out.push(before);
        before = b',';
        put_json_text(out, name);
        out.push(b':');
        put_cell(out, cell);
    });
    out.extend_from_slice(b"}\n");
}

/// Reads a line. `Err` says why it is none, as a fragment.
pub fn parse_line(line: &[u8]) -> Result<Line, String> {
    let json: Json = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    match json.get("_type").and_then(Json::as_str) {
        Some(RunRow::TYPE) => Ok(Line::Run(Box::new(row_from_json(&json)))),
        Some(JobRow::TYPE) => Ok(Line::Job(Box::new(row_from_json(&json)))),
        _ => Err("its `_type` is that of no row".to_owned()),
    }
}

/// Reads a row from a JSON object. What has no column, or is not of its kind, is left out.
pub(super) fn row_from_json<R: Row>(json: &Json) -> R {
    let mut row = R::default();
    for column in R::COLUMNS {
        if let Some(cell) = json.get(column.name).and_then(|value| cell(column, value)) {
            row.set(column.name, cell);
        }
    }
    row
}

/// A row as a JSON object.
pub(super) fn row_to_json<R: Row>(row: &R) -> Json {
    let mut line = Vec::new();
    put_line(&mut line, row);
    serde_json::from_slice(&line).unwrap_or_default()
}

fn put_cell(out: &mut Vec<u8>, cell: Option<Cell<'_>>) {
    match cell {
        None => out.extend_from_slice(b"null"),
        Some(Cell::Text(text)) => put_json_text(out, text),
        Some(Cell::Integer(number)) => put_value(out, &Value::I64(number)),
        // Not a number and the infinities have no JSON.
        Some(Cell::Float(number)) if !number.is_finite() => out.extend_from_slice(b"null"),
        Some(Cell::Float(number)) => put_value(out, &Value::F64(number)),
        Some(Cell::Bool(value)) => put_value(out, &Value::Bool(value)),
        Some(Cell::Time(us)) => put_json_text(out, &time::format_us(us)),
    }
}

fn cell<'a>(column: &Column, value: &'a Json) -> Option<Cell<'a>> {
    Some(match column.kind {
        Kind::Text => Cell::Text(value.as_str()?),
        Kind::Integer => Cell::Integer(value.as_i64()?),
        Kind::Float => Cell::Float(value.as_f64()?),
        Kind::Bool => Cell::Bool(value.as_bool()?),
        Kind::Time => Cell::Time(value.as_str()?.parse::<Timestamp>().ok()?.as_microsecond()),
    })
}
