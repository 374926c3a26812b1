//! The columns of Parquet records, and how each is stored.

use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use parquet::arrow::{ArrowSchemaConverter, add_encoded_arrow_schema_to_metadata};
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::Result;
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::schema::types::{ColumnPath, SchemaDescriptor};

use super::chunk::ZSTD_LEVEL;

/// A column of the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Ts,
    Level,
    Kind,
    Key,
    Root,
    PathKey,
    Seq,
    Task,
    Message,
    Target,
    Module,
    File,
    Line,
    Thread,
    Pid,
    Host,
    Service,
    DataflowId,
    Context,
    Fields,
    DurationUs,
    Outcome,
    Error,
    TraceId,
    SpanId,
}

/// The type of a column.
#[derive(Clone, Copy, Debug)]
enum Type {
    Time,
    /// Text that repeats: a dictionary also for those who read.
    Word,
    Text,
    Uuid,
    Bytes,
    Int32,
    Int64,
}

/// The columns in the order of the file, each with its name and type.
const COLUMNS: [(Column, &str, Type); 25] = [
    (Column::Ts, "ts", Type::Time),
    (Column::Level, "level", Type::Word),
    (Column::Kind, "kind", Type::Word),
    (Column::Key, "key", Type::Text),
    (Column::Root, "root", Type::Uuid),
    (Column::PathKey, "path_key", Type::Bytes),
    (Column::Seq, "seq", Type::Int64),
    (Column::Task, "task", Type::Word),
    (Column::Message, "message", Type::Text),
    (Column::Target, "target", Type::Word),
    (Column::Module, "module", Type::Word),
    (Column::File, "file", Type::Word),
    (Column::Line, "line", Type::Int32),
    (Column::Thread, "thread", Type::Word),
    (Column::Pid, "pid", Type::Int64),
    (Column::Host, "host", Type::Word),
    (Column::Service, "service", Type::Word),
    (Column::DataflowId, "dataflow_id", Type::Word),
    (Column::Context, "context", Type::Text),
    (Column::Fields, "fields", Type::Text),
    (Column::DurationUs, "duration_us", Type::Int64),
    (Column::Outcome, "outcome", Type::Word),
    (Column::Error, "error", Type::Text),
    (Column::TraceId, "trace_id", Type::Text),
    (Column::SpanId, "span_id", Type::Text),
];

// A column's number is its place in the file.
const _: () = {
    let mut at = 0;
    while at < COLUMNS.len() {
        assert!(COLUMNS[at].0 as usize == at, "the columns are declared in the order of the file");
        at += 1;
    }
};

/// What a file is made with.
#[derive(Debug)]
pub(super) struct Format {
    pub(super) arrow: SchemaRef,
    pub(super) parquet: SchemaDescriptor,
    pub(super) properties: WriterPropertiesPtr,
}

/// The Arrow schema of Parquet records. Every column may be null, and has its type also where all of it is.
pub fn record_schema() -> SchemaRef {
    let fields = COLUMNS.map(|(_, name, kind)| Field::new(name, kind.arrow(), true));
    Arc::new(Schema::new(fields.to_vec()))
}

// === impl Column ===

impl Column {
    /// All columns, in the order of the file.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        COLUMNS.iter().map(|(column, ..)| *column)
    }
}

impl Type {
    fn arrow(self) -> DataType {
        match self {
            Type::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Type::Word => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)),
            Type::Text => DataType::Utf8,
            Type::Uuid => DataType::FixedSizeBinary(16),
            Type::Bytes => DataType::Binary,
            Type::Int32 => DataType::Int32,
            Type::Int64 => DataType::Int64,
        }
    }
}

// === impl Format ===

impl Format {
    pub(super) fn new() -> Result<Self> {
        let arrow = record_schema();
        let parquet = ArrowSchemaConverter::new().convert(&arrow)?;
        let mut properties = properties()?;
        // With the Arrow schema inside, a reader gets dictionaries as dictionaries.
        add_encoded_arrow_schema_to_metadata(&arrow, &mut properties);
        Ok(Self { arrow, parquet, properties: Arc::new(properties) })
    }
}

/// How the columns are written that are no dictionaries. Their texts differ from row to row, so bounds of them would
/// say nothing; their numbers mostly grow by a little.
fn properties() -> Result<WriterProperties> {
    let sorted_by = [Column::PathKey, Column::Seq].map(|column| column as i32);
    let sorting = sorted_by.map(|column_idx| SortingColumn { column_idx, descending: false, nulls_first: false });
    let builder = WriterProperties::builder()
        .set_created_by(format!("spanlake version {}", env!("CARGO_PKG_VERSION")))
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_sorting_columns(Some(sorting.to_vec()));
    let with_deltas =
        ["ts", "seq", "duration_us"].map(ColumnPath::from).into_iter().fold(builder, |builder, column| {
            builder
                .set_column_encoding(column.clone(), Encoding::DELTA_BINARY_PACKED)
                .set_column_statistics_enabled(column, EnabledStatistics::Chunk)
        });
    Ok(with_deltas.build())
}
