//! Finished column chunks: pages compressed, framed and described, ready to be copied into a file.

use std::io::Write;

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, PageType, ZstdLevel};
use parquet::bloom_filter::Sbbf;
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::Result;
use parquet::file::metadata::{ColumnChunkMetaData, PageEncodingStats};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, SerializedRowGroupWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

/// Compresses one page after the other.
pub(super) type Zstd = zstd::bulk::Compressor<'static>;

/// What a column chunk is made of. Where no row has a value there is no dictionary.
#[derive(Debug)]
pub(super) struct Pages {
    pub(super) dictionary: Vec<u8>,
    /// How many values the dictionary has.
    pub(super) values: u32,
    pub(super) data: Vec<u8>,
    /// How many rows the data has, those without a value included.
    pub(super) rows: u32,
    pub(super) statistics: Statistics,
}

/// A column chunk as it will stand in the file.
#[derive(Debug)]
pub(super) struct Chunk {
    bytes: Bytes,
    close: ColumnCloseResult,
}

/// Pages one behind the other, and their lengths with and without compression.
struct Framed {
    bytes: TrackedWrite<Vec<u8>>,
    len: usize,
    raw_len: usize,
}

/// The zstd level: higher ones cost several times as much for a few per cent.
pub(super) const ZSTD_LEVEL: i32 = 1;

/// Share of sought values that a bloom filter lets through though they are not there.
const FALSE_POSITIVES: f64 = 0.01;

// === impl Pages ===

impl Pages {
    pub(super) fn chunk(mut self, column: ColumnDescPtr, zstd: &mut Zstd) -> Result<Chunk> {
        let (dictionary_len, data_len) = (self.dictionary.len(), self.data.len());
        let compression = self.compress(zstd)?;
        let has_dictionary = self.values > 0;
        let encoding = if has_dictionary { Encoding::RLE_DICTIONARY } else { Encoding::PLAIN };
        let mut framed = Framed { bytes: TrackedWrite::new(Vec::new()), len: 0, raw_len: 0 };
        if has_dictionary {
            framed.add(dictionary_page(self.dictionary, self.values), dictionary_len)?;
        }
        let data_at = framed.add(data_page(self.data, self.rows, encoding), data_len)?;
        let metadata = ColumnChunkMetaData::builder(column)
            .set_compression(compression)
            .set_encodings(vec![Encoding::PLAIN, Encoding::RLE, encoding])
            .set_page_encoding_stats(page_counts(has_dictionary, encoding))
            .set_num_values(i64::from(self.rows))
            .set_statistics(self.statistics)
            .set_dictionary_page_offset(has_dictionary.then_some(0))
            .set_data_page_offset(data_at as i64)
            .set_total_compressed_size(framed.len as i64)
            .set_total_uncompressed_size(framed.raw_len as i64)
            .build()?;
        let close = ColumnCloseResult {
            bytes_written: framed.len as u64,
            rows_written: u64::from(self.rows),
            metadata,
            bloom_filter: None,
            column_index: None,
            offset_index: None,
        };
        Ok(Chunk { bytes: framed.bytes.into_inner()?.into(), close })
    }

    /// Compresses both pages, unless that makes them longer, as it does those of a column with hardly any content.
    fn compress(&mut self, zstd: &mut Zstd) -> Result<Compression> {
        let (dictionary, data) = (zstd.compress(&self.dictionary)?, zstd.compress(&self.data)?);
        if dictionary.len() + data.len() >= self.dictionary.len() + self.data.len() {
            return Ok(Compression::UNCOMPRESSED);
        }
        (self.dictionary, self.data) = (dictionary, data);
        Ok(Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL)?))
    }
}

fn dictionary_page(buf: Vec<u8>, num_values: u32) -> Page {
    Page::DictionaryPage { buf: buf.into(), num_values, encoding: Encoding::PLAIN, is_sorted: false }
}

fn data_page(buf: Vec<u8>, num_values: u32, encoding: Encoding) -> Page {
    Page::DataPage {
        buf: buf.into(),
        num_values,
        encoding,
        def_level_encoding: Encoding::RLE,
        rep_level_encoding: Encoding::RLE,
        statistics: None,
    }
}

fn page_counts(has_dictionary: bool, encoding: Encoding) -> Vec<PageEncodingStats> {
    let dictionary = PageEncodingStats { page_type: PageType::DICTIONARY_PAGE, encoding: Encoding::PLAIN, count: 1 };
    let data = PageEncodingStats { page_type: PageType::DATA_PAGE, encoding, count: 1 };
    if has_dictionary { vec![dictionary, data] } else { vec![data] }
}

impl Framed {
    /// Appends a page behind its header; gives where it begins.
    fn add(&mut self, page: Page, raw_len: usize) -> Result<u64> {
        let page = CompressedPage::new(page, raw_len);
        let written = SerializedPageWriter::new(&mut self.bytes).write_page(page)?;
        self.len += written.compressed_size;
        self.raw_len += written.uncompressed_size;
        Ok(written.offset)
    }
}

// === impl Chunk ===

impl Chunk {
    /// Adds a bloom filter over the column's values, sized for exactly these: a filter made for more would be longer
    /// than everything else in a small file.
    pub(super) fn with_bloom_filter(mut self, values: &[[u8; 16]]) -> Result<Self> {
        let mut filter = Sbbf::new_with_ndv_fpp(values.len().max(1) as u64, FALSE_POSITIVES)?;
        values.iter().for_each(|value| filter.insert(&value[..]));
        self.close.bloom_filter = Some(filter);
        Ok(self)
    }

    pub(super) fn append_to<W: Write + Send>(self, group: &mut SerializedRowGroupWriter<'_, W>) -> Result<()> {
        group.append_column(&self.bytes, self.close)
    }
}
