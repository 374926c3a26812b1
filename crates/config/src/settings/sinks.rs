//! Sinks: where records end.

use std::num::NonZeroU64;
use std::time::Duration;

use spanlake_core::LevelFilter;

use super::{Processor, Renderer};
use crate::node::Node;
use crate::reader::{Fields, Reader, Setting};
use crate::setting::Placed;
use crate::shape::{KindsShape, Shape};
use crate::table::{Kinds, Table, kinds, read_kind, table, words};
use crate::units::Size;

/// Where records end, with what all kinds of sinks have.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Sink {
    /// What it is.
    pub kind: SinkKind,
    /// What it has like all others.
    pub common: Common,
}

table! {
    /// What all sinks have.
    pub struct Common {
        /// The most verbose level; without one, `levels.console` or `levels.files`.
        pub level: Option<LevelFilter>,
        /// Steps on what this sink gets, in this order.
        pub processors: Vec<Processor>,
        /// The sink that gets what this one cannot take for too long.
        pub fallback: Option<Placed<String>>,
        /// Most bytes kept for it while it fails; without one, `queue.backlog`.
        pub backlog: Option<Size>,
    }
}

kinds! {
    /// Where records end.
    pub enum SinkKind {
        /// Standard output.
        "stdout" => Stdout(StreamSink),
        /// Standard error.
        "stderr" => Stderr(StreamSink),
        /// JSON lines in the lake.
        "jsonl" => Jsonl(JsonlSink),
        /// Parquet in the lake.
        "parquet" => Parquet(ParquetSink),
        /// Lines of text in the lake.
        "system_log" => SystemLog(SystemLogSink),
        /// A file that grows.
        "file" => File(FileSink),
        /// A file that is followed by the next one.
        "rolling_file" => RollingFile(RollingFileSink),
        /// Nowhere.
        "null" => Null,
    }
}

table! {
    /// Standard output or standard error.
    pub struct StreamSink {
        /// How records become lines.
        pub renderer: Renderer = "text",
    }
}

table! {
    /// JSON lines in the lake.
    pub struct JsonlSink {
        /// How long a file gets.
        pub max_file: Size = "256 MiB",
        /// Most bytes that are not synced.
        pub max_unsynced: Size = "8 MiB",
    }
}

table! {
    /// Lines of text in the lake.
    pub struct SystemLogSink {
        /// How long a file gets.
        pub max_file: Size = "256 MiB",
        /// Most bytes that are not synced.
        pub max_unsynced: Size = "8 MiB",
    }
}

table! {
    /// Parquet in the lake.
    pub struct ParquetSink {
        /// Most bytes in memory before a file is published.
        pub max_buffered: Size = "32 MiB",
        /// Most rows of a file.
        pub max_file_rows: NonZeroU64 = 1_000_000_i128,
        /// Most rows of a group.
        pub row_group_rows: NonZeroU64 = 131_072_i128,
        /// The longest that a record waits for its file to be published.
        pub max_age: Duration = "60 s",
    }
}

table! {
    /// A file that grows.
    pub struct FileSink {
        /// The file.
        pub path: Placed<String>,
        /// How records become lines.
        pub renderer: Renderer = "json",
        /// What happens to a file that is there already.
        pub existing: Existing = "append",
    }
}

words! {
    /// What happens to a file that is there already.
    pub enum Existing {
        /// It grows.
        "append" => Append,
        /// It is left alone, and the next free name is taken: `name.0001`.
        "keep" => Keep,
    }
}

table! {
    /// A file that is followed by the next one.
    pub struct RollingFileSink {
        /// The file that is being written.
        pub path: Placed<String>,
        /// How records become lines.
        pub renderer: Renderer = "json",
        /// How long a file gets.
        pub max_file: Option<Size>,
        /// How long a file is written to, in step with the clock: whole seconds.
        pub every: Option<Placed<Duration>>,
        /// Most files, the one that is being written among them.
        pub max_files: NonZeroU64 = 10_i128,
        /// Most bytes of all its files.
        pub max_total: Option<Placed<Size>>,
        /// How long a file is kept.
        pub max_age: Option<Placed<Duration>>,
        /// What becomes of files that are full.
        pub compression: Compression = "none",
    }
}

words! {
    /// What becomes of files that are full.
    pub enum Compression {
        /// They stay.
        "none" => None,
        /// `.gz`
        "gzip" => Gzip,
        /// `.zst`
        "zstd" => Zstd,
    }
}

// === impl Sink ===

impl Sink {
    /// All kinds, each with the keys that all have behind its own.
    fn all_kinds() -> KindsShape {
        let mut shape = SinkKind::kinds();
        shape.name = "Sink";
        shape.kinds.iter_mut().for_each(|kind| kind.keys.extend(Common::table().keys));
        shape
    }

    /// Whether people watch it.
    pub fn is_console(&self) -> bool {
        matches!(self.kind, SinkKind::Stdout(_) | SinkKind::Stderr(_))
    }

    /// The file that it writes, of those that have a path.
    pub(crate) fn path(&self) -> Option<&Placed<String>> {
        match &self.kind {
            SinkKind::File(file) => Some(&file.path),
            SinkKind::RollingFile(file) => Some(&file.path),
            _ => None,
        }
    }
}

impl Setting for Sink {
    fn shape() -> Shape {
        Shape::Kinds(Self::all_kinds())
    }

    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let shape = Self::all_kinds();
        let word = as_map(node);
        let mut fields = Fields::of(word.as_ref().unwrap_or(node), &Self::shape(), reader)?;
        let kind = read_kind(&mut fields, &shape, reader)?;
        let kind = SinkKind::take(kind, &mut fields, reader);
        let common = Common::take(&mut fields, reader);
        fields.finish(Some(&shape), reader);
        Some(Self { kind: kind?, common: common? })
    }
}

/// A word alone as a map with nothing but its kind.
pub(super) fn as_map(node: &Node) -> Option<Node> {
    let crate::node::Value::Text(_) = node.value else {
        return None;
    };
    let kind = crate::node::Entry { key: "kind".to_owned(), key_span: node.span, node: node.clone() };
    Some(Node { value: crate::node::Value::Map(vec![kind]), span: node.span })
}
