//! Writing a file and showing it.

use std::io;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use parquet::arrow::arrow_writer::ArrowRowGroupWriterFactory;
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedFileWriter;
use spanlake_core::{Category, Error, Stage};

use super::chunk::{ZSTD_LEVEL, Zstd};
use super::columns::Group;
use super::rows::Rows;
use super::schema::Format;
use crate::draft::Draft;
use crate::ground::Ground;
use crate::layout::LakeFile;

/// Writes files of rows.
pub(super) struct Publisher {
    format: Format,
    zstd: Zstd,
    row_group_rows: NonZeroUsize,
}

impl Publisher {
    pub(super) fn new(row_group_rows: NonZeroUsize) -> Result<Self, Error> {
        let zstd = Zstd::new(ZSTD_LEVEL).map_err(ParquetError::from);
        let parts = Format::new().and_then(|format| Ok((format, zstd?)));
        let (format, zstd) = parts.map_err(|error| {
            Error::new(Stage::Factory, "ParquetSink", Category::Unexpected, "cannot set the format up").caused_by(error)
        })?;
        Ok(Self { format, zstd, row_group_rows })
    }

    /// Publishes `rows`, which it sorts, as a file in `folder`, durably; gives the number that the file got. After an
    /// error nothing of it is left, or nothing that does not go as soon as the disk lets it, and the rows are as good as
    /// before.
    pub(super) fn publish(
        &mut self,
        ground: &mut Ground,
        folder: &Path,
        name: &LakeFile,
        rows: &mut Rows,
    ) -> Result<u32, Error> {
        let path = folder.join(name.to_string());
        ground.tidy();
        // How long it gets is known when it is written, which needs room already.
        ground.tenant.make_room(0, 1);
        let created = Draft::create(ground, folder, name);
        let mut draft = created.map_err(|error| io_error("cannot create the file", &path, error))?;
        rows.sort();
        let written = self.write(&mut draft, rows).map_err(|error| write_error(&path, error));
        let publish = |()| {
            ground.tenant.make_room(draft.len(), 1);
            draft.publish().map_err(|error| io_error("cannot publish the file", &path, error))
        };
        if let Err(error) = written.and_then(publish) {
            draft.give_up(ground);
            return Err(error);
        }
        let number = draft.number();
        // Nothing is written to it any more: it is begun and sealed at once.
        let _sealed = ground.tenant.begin(draft.visible(), &LakeFile { number, ..name.clone() });
        ground.put(draft.visible(), draft.len());
        ground.tenant.wrote(draft.len());
        Ok(number)
    }

    fn write(&mut self, draft: &mut Draft, rows: &Rows) -> Result<(), ParquetError> {
        let root = self.format.parquet.root_schema_ptr();
        let mut writer = SerializedFileWriter::new(draft, root, Arc::clone(&self.format.properties))?;
        let factory = ArrowRowGroupWriterFactory::new(&writer, Arc::clone(&self.format.arrow));
        for (at, group) in rows.rows.chunks(self.row_group_rows.get()).enumerate() {
            let writers = factory.create_column_writers(at)?;
            let mut out = writer.next_row_group()?;
            Group::new(rows, group, &self.format, &mut self.zstd).write(writers, &mut out)?;
            out.close()?;
        }
        writer.close()?;
        Ok(())
    }
}

fn io_error(message: &str, path: &Path, error: io::Error) -> Error {
    Error::io("ParquetSink", message, error).with("path", path.display())
}

/// The library wraps the errors of the file that it writes to: as far as one can tell, another try can help.
fn write_error(path: &Path, error: ParquetError) -> Error {
    let failed = Error::new(Stage::Handler, "ParquetSink", Category::Io, "cannot write the file");
    failed.caused_by(error).recoverable().with("path", path.display())
}
