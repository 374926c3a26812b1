//! What a lake holds, by the name of each record, from JSON lines and from Parquet.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use serde_json::Value;

use crate::process::event_name;

/// How often each record is there: events by their message without what makes it long, `begin`, `end` and
/// `interrupted` with the task's name.
pub(crate) type Found = BTreeMap<String, usize>;

/// The records in JSON lines, each of which must be whole.
pub(crate) fn in_jsonl(lake: &Path) -> Found {
    let mut found = Found::new();
    for file in files(&lake.join("debug_json"), ".jsonl") {
        let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for line in text.lines() {
            let record: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"));
            let text = |column: &str| record[column].as_str().unwrap_or_default().to_owned();
            add(&mut found, text);
        }
    }
    found
}

/// The records in Parquet; each file must be whole, hidden ones too, because none may be left.
pub(crate) fn in_parquet(lake: &Path) -> Found {
    let mut found = Found::new();
    for file in files(&lake.join("analyst"), ".parquet") {
        let reader = File::open(&file).map(|file| SerializedFileReader::new(file).expect("a whole Parquet file"));
        let reader = reader.expect("it is there");
        let schema = reader.metadata().file_metadata().schema();
        let at: BTreeMap<String, usize> =
            schema.get_fields().iter().enumerate().map(|(at, field)| (field.name().to_owned(), at)).collect();
        for row in reader.get_row_iter(None).expect("rows") {
            let row = row.expect("a row");
            add(&mut found, |column: &str| row.get_string(at[column]).cloned().unwrap_or_default());
        }
    }
    found
}

fn add(found: &mut Found, text: impl Fn(&str) -> String) {
    let name = match (&*text("kind"), &*text("outcome")) {
        ("event", _) => event_name(&text("message")),
        ("end", "interrupted") => format!("interrupted {}", text("task")),
        ("begin" | "end", _) => format!("{} {}", text("kind"), text("task")),
        // What statements of loss say is counted elsewhere.
        _ => return,
    };
    *found.entry(name).or_default() += 1;
}

/// The files below a folder whose names end so, in the order of their paths.
pub(crate) fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => files.extend(self::files(&path, end)),
            false if path.to_string_lossy().ends_with(end) => files.push(path),
            false => {}
        }
    }
    files.sort();
    files
}

/// Every file below a folder with what is in it.
pub(crate) fn content(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    files(folder, "").into_iter().map(|path| (path.clone(), fs::read(path).expect("it can be read"))).collect()
}
