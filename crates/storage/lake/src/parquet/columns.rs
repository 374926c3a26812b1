//! From rows to the column chunks of one row group.

use std::borrow::Cow;
use std::io::Write;

use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, compute_leaves};
use parquet::errors::Result;
use parquet::file::writer::SerializedRowGroupWriter;
use spanlake_core::record::level_from_code;
use spanlake_core::{Kind, Outcome};

use super::arrays;
use super::chunk::{Chunk, Zstd};
use super::dictionary::Indexes;
use super::hybrid::Run;
use super::rows::{EndRow, Row, Rows};
use super::schema::{Column, Format};
use super::tables::{CallsiteRow, SourceRow, TaskRow};
use super::texts::Lines;
use super::value::Value;

/// One row group on its way into a file.
pub(super) struct Group<'a> {
    file: &'a Rows,
    rows: &'a [Row],
    /// The rows as runs of the same callsite, task and source: most columns depend on one of these alone.
    callsites: Vec<Run>,
    tasks: Vec<Run>,
    sources: Vec<Run>,
    format: &'a Format,
    zstd: &'a mut Zstd,
}

/// How many levels there are.
const LEVELS: usize = 5;

// === impl Group ===

impl<'a> Group<'a> {
    /// A group of `rows`, which are some of those of `file`.
    pub(super) fn new(file: &'a Rows, rows: &'a [Row], format: &'a Format, zstd: &'a mut Zstd) -> Self {
        let callsites = runs(rows, |row| row.callsite);
        let tasks = runs(rows, |row| row.task);
        let sources = runs(rows, |row| row.source);
        Self { file, rows, callsites, tasks, sources, format, zstd }
    }

    /// Writes all columns; `writers` are the library's, one for each.
    pub(super) fn write<W: Write + Send>(
        mut self,
        writers: Vec<ArrowColumnWriter>,
        out: &mut SerializedRowGroupWriter<'_, W>,
    ) -> Result<()> {
        for (column, writer) in Column::all().zip(writers) {
            match self.dictionary(column)? {
                Some(chunk) => chunk.append_to(out)?,
                None => self.plain(column, writer)?.append_to_row_group(out)?,
            }
        }
        Ok(())
    }

    /// The chunk of a column whose values repeat; `None` when they do not.
    fn dictionary(&mut self, column: Column) -> Result<Option<Chunk>> {
        let (file, tables) = (self.file, &self.file.tables);
        match column {
            Column::Level => self.encode(column, self.by_row(LEVELS, |row| Some(row.level.into())), level),
            Column::Kind => self.encode(column, self.by_row(Kind::ALL.len(), |row| Some(row.kind.into())), kind),
            Column::Root => self.roots(column),
            Column::TraceId => self.encode(column, self.by_root(), |root| hex(&tables.root(root))),
            Column::PathKey => self.encode(column, self.by_key(), |key| Cow::Borrowed(tables.path_key(key))),
            Column::SpanId => self.encode(column, self.by_key(), |key| hex(&tables.span_id(key))),
            Column::Context => self.contexts(column),
            Column::Task => self.task_words(column, |task| task.name),
            Column::DataflowId => self.task_words(column, |task| tables.dataflow(task.context)),
            Column::Target => self.callsite_words(column, |callsite| Some(callsite.target)),
            Column::Module => self.callsite_words(column, |callsite| callsite.module),
            Column::File => self.callsite_words(column, |callsite| callsite.file),
            Column::Line => self.encode(column, self.by_line(), |line| tables.line(line)),
            Column::Thread => self.source_words(column, |source| source.thread),
            Column::Host => self.source_words(column, |source| Some(source.host)),
            Column::Service => self.source_words(column, |source| source.service),
            Column::Pid => self.encode(column, self.by_pid(), |pid| tables.pid(pid)),
            Column::Outcome => self.encode(column, self.by_outcome(), outcome),
            Column::Error => self.end_words(column, |end| end.error),
            Column::Message => self.lines(column, &file.messages, |row| row.message),
            Column::Fields => self.lines(column, &file.fields, |row| row.fields),
            Column::Ts | Column::Key | Column::Seq | Column::DurationUs => Ok(None),
        }
    }

    /// The chunk of a column whose values differ from row to row.
    fn plain(&self, column: Column, mut writer: ArrowColumnWriter) -> Result<ArrowColumnChunk> {
        let field = self.format.arrow.field(column as usize);
        arrays::each(column, self.file, self.rows, |array| {
            compute_leaves(field, &array)?.iter().try_for_each(|leaf| writer.write(leaf))
        })?;
        writer.close()
    }
}

// === dictionary chunks ===

impl Group<'_> {
    fn encode<V: Value>(
        &mut self,
        column: Column,
        indexes: Indexes,
        value: impl Fn(u32) -> V,
    ) -> Result<Option<Chunk>> {
        indexes.chunk(self.format.parquet.column(column as usize), value, self.zstd).map(Some)
    }

    fn roots(&mut self, column: Column) -> Result<Option<Chunk>> {
        let (indexes, tables) = (self.by_root(), &self.file.tables);
        let roots: Vec<[u8; 16]> = indexes.values.iter().map(|root| tables.root(*root)).collect();
        let chunk = self.encode(column, indexes, |root| tables.root(root))?;
        chunk.map(|chunk| chunk.with_bloom_filter(&roots)).transpose()
    }

    fn contexts(&mut self, column: Column) -> Result<Option<Chunk>> {
        let contexts = &self.file.tables.contexts;
        let indexes = self.by_task(contexts.len(), |task| Some(task.context));
        self.encode(column, indexes, |context| text(contexts.get(context)))
    }

    /// Lines that are the same in most rows, such as messages without values.
    fn lines(&mut self, column: Column, lines: &Lines, line: impl Fn(&Row) -> u32) -> Result<Option<Chunk>> {
        let indexes = self.by_row(lines.len(), |row| Some(line(row)));
        if indexes.pays() { self.encode(column, indexes, |line| text(lines.get(line))) } else { Ok(None) }
    }

    fn callsite_words(&mut self, column: Column, word: impl Fn(&CallsiteRow) -> Option<u32>) -> Result<Option<Chunk>> {
        self.words(column, self.by_callsite(self.word_count(), word))
    }

    fn task_words(&mut self, column: Column, word: impl Fn(&TaskRow) -> Option<u32>) -> Result<Option<Chunk>> {
        self.words(column, self.by_task(self.word_count(), word))
    }

    fn source_words(&mut self, column: Column, word: impl Fn(&SourceRow) -> Option<u32>) -> Result<Option<Chunk>> {
        self.words(column, self.by_source(self.word_count(), word))
    }

    fn end_words(&mut self, column: Column, word: impl Fn(&EndRow) -> Option<u32>) -> Result<Option<Chunk>> {
        self.words(column, self.by_end(self.word_count(), word))
    }

    fn words(&mut self, column: Column, indexes: Indexes) -> Result<Option<Chunk>> {
        let words = &self.file.tables.words;
        self.encode(column, indexes, |word| text(words.get(word)))
    }

    fn word_count(&self) -> usize {
        self.file.tables.words.len()
    }
}

// === rows as numbers ===

impl Group<'_> {
    fn by_key(&self) -> Indexes {
        self.by_task(self.file.tables.key_count(), |task| task.key)
    }

    fn by_root(&self) -> Indexes {
        self.by_task(self.file.tables.roots.len(), |task| task.root)
    }

    fn by_line(&self) -> Indexes {
        self.by_callsite(self.file.tables.lines.len(), |callsite| callsite.line)
    }

    fn by_pid(&self) -> Indexes {
        self.by_source(self.file.tables.pids.len(), |source| Some(source.pid))
    }

    fn by_outcome(&self) -> Indexes {
        self.by_end(Outcome::ALL.len(), |end| Some(end.outcome as u32))
    }

    fn by_row(&self, numbers: usize, number: impl Fn(&Row) -> Option<u32>) -> Indexes {
        Indexes::new(self.rows.iter().map(|row| (number(row), 1)), numbers)
    }

    fn by_end(&self, numbers: usize, number: impl Fn(&EndRow) -> Option<u32>) -> Indexes {
        self.by_row(numbers, |row| self.file.ends.get(row.end as usize).and_then(&number))
    }

    fn by_callsite(&self, numbers: usize, number: impl Fn(&CallsiteRow) -> Option<u32>) -> Indexes {
        by_runs(&self.callsites, &self.file.tables.callsites.rows, numbers, number)
    }

    fn by_task(&self, numbers: usize, number: impl Fn(&TaskRow) -> Option<u32>) -> Indexes {
        by_runs(&self.tasks, &self.file.tables.tasks, numbers, number)
    }

    fn by_source(&self, numbers: usize, number: impl Fn(&SourceRow) -> Option<u32>) -> Indexes {
        by_runs(&self.sources, &self.file.tables.sources.rows, numbers, number)
    }
}

fn by_runs<R>(runs: &[Run], table: &[R], numbers: usize, number: impl Fn(&R) -> Option<u32>) -> Indexes {
    Indexes::new(runs.iter().map(|run| (table.get(run.value as usize).and_then(&number), run.count)), numbers)
}

fn runs(rows: &[Row], number: impl Fn(&Row) -> u32) -> Vec<Run> {
    let run = |same: &[Row]| Some(Run { value: number(same.first()?), count: same.len() as u32 });
    rows.chunk_by(|one, next| number(one) == number(next)).filter_map(run).collect()
}

// === values ===

fn text(text: &str) -> Cow<'_, [u8]> {
    Cow::Borrowed(text.as_bytes())
}

fn level(code: u32) -> Cow<'static, [u8]> {
    text(level_from_code(code as u8).as_str())
}

fn kind(code: u32) -> Cow<'static, [u8]> {
    text(Kind::ALL.get(code as usize).map_or("", |kind| kind.as_str()))
}

fn outcome(code: u32) -> Cow<'static, [u8]> {
    text(Outcome::ALL.get(code as usize).map_or("", |outcome| outcome.as_str()))
}

fn hex(bytes: &[u8]) -> Cow<'static, [u8]> {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |bits: u8| DIGITS[usize::from(bits & 0xf)];
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}
