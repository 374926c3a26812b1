//! What `spanlake::init` does without being told.

use crate::child::Part;
use crate::run::{files, run};
use crate::storage::Storage;
use crate::way::Way;

pub(crate) fn init_looks_after_exits_and_fatal_panics() {
    for way in [Way::Return, Way::Leaked, Way::PanicInMain, Way::PanicInPanic, Way::Exit, Way::Sigterm] {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path().to_owned();
        let part = Part { way, storage: Storage::Memory, threads: 4, busy: false, by_init: true, folder };
        let outcome = run(&part);
        assert_eq!(outcome.seen, way.seen(), "{part:?}: {outcome}");
        assert_eq!((outcome.lost(), outcome.duplicated), (0, 0), "{part:?}: {outcome}");
        let parquet = files(&part.lake().join("analyst"));
        assert!(!parquet.is_empty(), "{part:?}");
        let is_draft = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with('.');
        assert!(!parquet.iter().any(|path| path.file_name().is_some_and(is_draft)), "{part:?}: {parquet:?}");
    }
}
