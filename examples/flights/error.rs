//! What can end the job early; each message tells its own level, the source tells the rest.

use std::io;
use std::path::PathBuf;

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("prepare the job")]
    Prepare(#[source] io::Error),

    #[error("read {}", path.display())]
    Read { path: PathBuf, source: io::Error },

    #[error("parse {name} as CSV")]
    Csv { name: String, source: csv::Error },

    #[error("find column {column:?} in table {table}")]
    NoSuchColumn { table: &'static str, column: &'static str },

    #[error("read a table: its thread panicked")]
    ReaderPanicked,

    #[error("clean the flights: {rejected} of {rows} rows rejected")]
    TooManyRejected { rejected: u64, rows: u64 },

    #[error("finish an aggregate")]
    Aggregate(#[from] tokio::task::JoinError),

    #[error("write {}", path.display())]
    Write { path: PathBuf, source: io::Error },

    #[error("compact the report")]
    Compact(#[source] io::Error),

    #[error("confirm the result: {} figures are off, the first: {first}", rest + 1)]
    FiguresOff { first: String, rest: usize },
}
