//! Rows as Parquet: every column with its type, also where all of it is null.

use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use spanlake_core::{Category, Error, Stage};

use super::row::{Cell, Kind, Row};

/// Rows that are made into columns at once.
const BATCH_ROWS: usize = 1024;

/// Rows of a row group, by which the rows of a long session leave their wide form.
const GROUP_ROWS: usize = 16 * BATCH_ROWS;

/// The zstd level of the pages.
const ZSTD_LEVEL: i32 = 3;

/// Rows on their way to a file, kept as the file's bytes but for those of the last row group.
#[derive(Debug)]
pub struct TableWriter {
    writer: ArrowWriter<Vec<u8>>,
    schema: SchemaRef,
    columns: Vec<Builder>,
    waiting: usize,
}

/// The values of a column that are still to be written.
#[derive(Debug)]
enum Builder {
    Text(StringBuilder),
    Integer(Int64Builder),
    Float(Float64Builder),
    Bool(BooleanBuilder),
    Time(TimestampMicrosecondBuilder),
}

/// The Arrow schema of rows.
pub fn row_schema<R: Row>() -> SchemaRef {
    let field = |column: &super::row::Column| Field::new(column.name, data_type(column.kind), true);
    Arc::new(Schema::new(R::COLUMNS.iter().map(field).collect::<Vec<_>>()))
}

// === impl TableWriter ===

impl TableWriter {
    /// A table without rows.
    pub fn new<R: Row>() -> Result<Self, Error> {
        let compression = ZstdLevel::try_new(ZSTD_LEVEL).map(Compression::ZSTD).map_err(failed)?;
        let properties = WriterProperties::builder()
            .set_created_by(format!("spanlake version {}", env!("CARGO_PKG_VERSION")))
            .set_compression(compression)
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        let schema = row_schema::<R>();
        let writer = ArrowWriter::try_new(Vec::new(), Arc::clone(&schema), Some(properties)).map_err(failed)?;
        let columns = R::COLUMNS.iter().map(|column| Builder::new(column.kind)).collect();
        Ok(Self { writer, schema, columns, waiting: 0 })
    }

    /// Adds a row of the type that it was made for.
    pub fn add<R: Row>(&mut self, row: &R) -> Result<(), Error> {
        let mut columns = self.columns.iter_mut();
        row.each(|cell| columns.next().into_iter().for_each(|column| column.put(cell)));
        self.waiting += 1;
        if self.waiting < BATCH_ROWS { Ok(()) } else { self.write() }
    }

    /// The bytes of the whole file.
    pub fn finish(mut self) -> Result<Vec<u8>, Error> {
        self.write()?;
        self.writer.into_inner().map_err(failed)
    }

    fn write(&mut self) -> Result<(), Error> {
        let arrays = self.columns.iter_mut().map(Builder::take).collect();
        self.waiting = 0;
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(failed)?;
        self.writer.write(&batch).map_err(failed)
    }
}

// === impl Builder ===

impl Builder {
    fn new(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text(StringBuilder::new()),
            Kind::Integer => Self::Integer(Int64Builder::new()),
            Kind::Float => Self::Float(Float64Builder::new()),
            Kind::Bool => Self::Bool(BooleanBuilder::new()),
            Kind::Time => Self::Time(TimestampMicrosecondBuilder::new().with_timezone("UTC")),
        }
    }

    /// A value of another kind counts as none.
    fn put(&mut self, cell: Option<Cell<'_>>) {
        match (self, cell) {
            (Self::Text(column), Some(Cell::Text(text))) => column.append_value(text),
            (Self::Text(column), _) => column.append_null(),
            (Self::Integer(column), Some(Cell::Integer(number))) => column.append_value(number),
            (Self::Integer(column), _) => column.append_null(),
            (Self::Float(column), Some(Cell::Float(number))) => column.append_value(number),
            (Self::Float(column), _) => column.append_null(),
            (Self::Bool(column), Some(Cell::Bool(value))) => column.append_value(value),
            (Self::Bool(column), _) => column.append_null(),
            (Self::Time(column), Some(Cell::Time(us))) => column.append_value(us),
            (Self::Time(column), _) => column.append_null(),
        }
    }

    fn take(&mut self) -> ArrayRef {
        match self {
            Self::Text(column) => Arc::new(column.finish()),
            Self::Integer(column) => Arc::new(column.finish()),
            Self::Float(column) => Arc::new(column.finish()),
            Self::Bool(column) => Arc::new(column.finish()),
            Self::Time(column) => Arc::new(column.finish()),
        }
    }
}

// === reading ===

/// Reads the rows of a file. Columns that the row does not have are passed over, and those that the file does not have,
/// or has with another type, stay null.
pub fn read_table<R: Row>(file: Vec<u8>) -> Result<Vec<R>, Error> {
    // The types are those of the Parquet schema: what else Arrow wrote beside it, such as large texts, is not followed.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(Bytes::from(file), options);
    let reader = builder.and_then(|builder| builder.build());
    let mut rows = Vec::new();
    for batch in reader.map_err(unreadable)? {
        put_rows(&mut rows, &batch.map_err(unreadable)?);
    }
    Ok(rows)
}

fn put_rows<R: Row>(rows: &mut Vec<R>, batch: &RecordBatch) {
    let first = rows.len();
    rows.resize_with(first + batch.num_rows(), R::default);
    for column in R::COLUMNS {
        let Some(array) = batch.column_by_name(column.name) else { continue };
        for (at, row) in rows[first..].iter_mut().enumerate() {
            if let Some(cell) = value(array, at) {
                row.set(column.name, cell);
            }
        }
    }
}

fn value(array: &ArrayRef, at: usize) -> Option<Cell<'_>> {
    if array.is_null(at) {
        return None;
    }
    Some(match array.data_type() {
        DataType::Utf8 => Cell::Text(array.as_string_opt::<i32>()?.value(at)),
        DataType::Int64 => Cell::Integer(array.as_primitive_opt::<Int64Type>()?.value(at)),
        DataType::Float64 => Cell::Float(array.as_primitive_opt::<Float64Type>()?.value(at)),
        DataType::Boolean => Cell::Bool(array.as_boolean_opt()?.value(at)),
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            Cell::Time(array.as_primitive_opt::<TimestampMicrosecondType>()?.value(at))
        }
        _ => return None,
    })
}

fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Text => DataType::Utf8,
        Kind::Integer => DataType::Int64,
        Kind::Float => DataType::Float64,
        Kind::Bool => DataType::Boolean,
        Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}

fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Stage::Handler, "TableWriter", Category::Formatting, "cannot make the table").caused_by(error)
}

fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Stage::Handler, "TableReader", Category::Validation, "cannot read the table").caused_by(error)
}
