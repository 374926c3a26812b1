//! Files that somebody named: one that grows, and one that rolls.

mod limits;
mod open_file;
mod backups;
mod fit;
#[cfg(any(feature = "gzip", feature = "zstd"))]
mod pack;
mod log;
mod handle;
mod file_sink;
mod rolling_sink;

pub use file_sink::FileSink;
pub use handle::RollingHandle;
pub use limits::{DEFAULT_MAX_FILES, Every};
pub use open_file::Existing;
#[cfg(any(feature = "gzip", feature = "zstd"))]
pub use pack::Compression;
pub use rolling_sink::RollingFileSink;
