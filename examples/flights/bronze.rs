//! Bronze: the raw tables as they lie on disk, every cell still text.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::thread;

use csv::{Position, StringRecord};
use flate2::read::GzDecoder;
use spanlake::prelude::{Run, ScopeExt};
use tracing::{Span, error, field, info, info_span, instrument};

use crate::error::Error;

/// How the source marks a value it does not have.
const MISSING: &str = "NA";

const FLIGHTS: Source = Source {
    name: "flights",
    file: "flights-2013-01.csv.gz",
    columns: &[
        "day",
        "carrier",
        "flight",
        "tailnum",
        "origin",
        "dest",
        "sched_dep_time",
        "dep_time",
        "dep_delay",
        "arr_time",
        "arr_delay",
        "air_time",
    ],
};
const AIRLINES: Source = Source { name: "airlines", file: "airlines.csv.gz", columns: &["carrier", "name"] };
const AIRPORTS: Source = Source { name: "airports", file: "airports.csv.gz", columns: &["faa", "name"] };

struct Source {
    name: &'static str,
    file: &'static str,
    columns: &'static [&'static str],
}

pub(crate) struct Bronze {
    pub(crate) flights: Table,
    pub(crate) airlines: Table,
    pub(crate) airports: Table,
}

pub(crate) struct Table {
    pub(crate) name: &'static str,
    header: StringRecord,
    records: Vec<StringRecord>,
}

/// One line of a table, read by column name.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    header: &'a StringRecord,
    record: &'a StringRecord,
}

#[instrument(name = "bronze", skip_all, err, fields(rows))]
pub(crate) fn run(folder: &Path) -> Result<Bronze, Error> {
    let [flights, airlines, airports] = read_in_parallel(folder, [&FLIGHTS, &AIRLINES, &AIRPORTS]);
    let raw = Bronze { flights: flights?, airlines: airlines?, airports: airports? };
    let rows = raw.flights.len() + raw.airlines.len() + raw.airports.len();
    Span::current().record("rows", rows);
    info!(rows, "raw tables read");
    Ok(raw)
}

fn read_in_parallel<const N: usize>(folder: &Path, sources: [&Source; N]) -> [Result<Table, Error>; N] {
    thread::scope(|scope| {
        // All threads start before the first is waited for, hence two maps.
        let readers = sources.map(|source| {
            // Made here and entered there: the tasks keep this order whichever thread is faster.
            let span = info_span!(
                "read_table",
                etl.dataflow = source.name,
                etl.stage = "bronze",
                etl.destination_table = source.name,
                rows = field::Empty
            );
            scope.spawn_task(span, move || read_table(folder, source))
        });
        readers.map(|reader| reader.join().unwrap_or(Err(Error::ReaderPanicked)))
    })
}

fn read_table(folder: &Path, source: &Source) -> Result<Table, Error> {
    // The caller makes this task's span, so this line does what `err` does on an instrumented function.
    let failed = |error: &Error| error!(%error);
    let table = decompress(folder, source.file).and_then(|text| parse(source, &text)).inspect_err(failed)?;
    Span::current().record("rows", table.len());
    Run::current().rows_written(table.len() as u64);
    Ok(table)
}

#[instrument(name = "source", skip_all, err, fields(etl.path = file, etl.format = "csv.gz", bytes))]
fn decompress(folder: &Path, file: &str) -> Result<String, Error> {
    let path = folder.join(file);
    let failed = |source| Error::Read { path: path.clone(), source };
    let mut text = String::new();
    let bytes = GzDecoder::new(File::open(&path).map_err(failed)?).read_to_string(&mut text).map_err(failed)?;
    Span::current().record("bytes", bytes);
    Ok(text)
}

#[instrument(name = "transform", skip_all, err)]
fn parse(source: &Source, text: &str) -> Result<Table, Error> {
    let failed = |error| Error::Csv { name: source.file.to_owned(), source: error };
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().map_err(failed)?.clone();
    require_columns(source, &header)?;
    let records = reader.into_records().collect::<Result<Vec<_>, _>>().map_err(failed)?;
    Run::current().rows_read(records.len() as u64);
    Ok(Table { name: source.name, header, records })
}

fn require_columns(source: &Source, header: &StringRecord) -> Result<(), Error> {
    match source.columns.iter().find(|column| header.iter().all(|name| name != **column)) {
        Some(column) => Err(Error::NoSuchColumn { table: source.name, column }),
        None => Ok(()),
    }
}

impl Table {
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.records.iter().map(|record| self.row(record))
    }

    /// Neighbouring rows with the same value in `column`, batch by batch.
    pub(crate) fn batches(&self, column: &str) -> impl Iterator<Item = Vec<Row<'_>>> {
        let batches =
            self.records.chunk_by(move |left, right| self.row(left).get(column) == self.row(right).get(column));
        batches.map(|batch| batch.iter().map(|record| self.row(record)).collect())
    }

    fn row<'a>(&'a self, record: &'a StringRecord) -> Row<'a> {
        Row { header: &self.header, record }
    }
}

impl<'a> Row<'a> {
    /// Counted from 1, the header left out.
    pub(crate) fn number(self) -> u64 {
        self.record.position().map_or(0, Position::record)
    }

    pub(crate) fn get(self, column: &str) -> Option<&'a str> {
        let index = self.header.iter().position(|name| name == column)?;
        self.record.get(index).filter(|cell| *cell != MISSING)
    }
}
