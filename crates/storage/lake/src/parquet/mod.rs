//! Parquet: records as columns, in files that appear whole.
//!
//! Rows are kept as numbers of what they refer to ([`rows`], [`tables`], [`texts`]) until a file is due ([`sink`]). Then
//! they are sorted and laid out row group by row group ([`publish`], [`columns`]): columns whose values repeat straight
//! from the numbers ([`dictionary`], [`hybrid`], [`value`], [`chunk`]), the others as Arrow arrays through the library
//! ([`arrays`]).

mod sink;
mod rows;
mod tables;
mod texts;
mod publish;
mod schema;
mod columns;
mod dictionary;
mod hybrid;
mod value;
mod chunk;
mod arrays;

pub use schema::record_schema;
pub use sink::{
    DEFAULT_MAX_AGE, DEFAULT_MAX_BUFFERED_BYTES, DEFAULT_MAX_FILE_ROWS, DEFAULT_ROW_GROUP_ROWS, ParquetSink,
};
