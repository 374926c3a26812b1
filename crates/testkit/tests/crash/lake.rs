//! What a lake holds of the numbered records, from JSON lines and from Parquet.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use serde_json::Value;

use crate::child::{DETAILS, THREADS, fails};

/// How often each number of each thread is there, and the ends of the threads' tasks.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) numbers: [BTreeMap<u64, u32>; THREADS],
    /// Outcome by task key.
    pub(crate) ends: BTreeMap<String, Vec<String>>,
    pub(crate) begins: BTreeMap<String, u32>,
}

impl Found {
    pub(crate) fn in_jsonl(lake: &Path) -> Self {
        let mut found = Self::default();
        for file in files(&lake.join("debug_json/records"), "jsonl") {
            let text = fs::read_to_string(&file).expect("JSON lines are UTF-8");
            for line in text.lines() {
                let record: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
                let text = |name: &str| record[name].as_str().map(str::to_owned);
                found.add(&text("kind").expect("a kind"), text("key"), text("outcome"), &record["fields"]);
            }
        }
        found
    }

    pub(crate) fn in_parquet(lake: &Path) -> Self {
        let mut found = Self::default();
        for file in files(&lake.join("analyst/records"), "parquet") {
            let reader = SerializedFileReader::new(File::open(&file).expect("a file")).expect("a whole Parquet file");
            let names: Vec<String> =
                reader.metadata().file_metadata().schema().get_fields().iter().map(|f| f.name().to_owned()).collect();
            let at = |name: &str| names.iter().position(|other| other == name).expect("a column");
            let (kind, key, outcome, fields) = (at("kind"), at("key"), at("outcome"), at("fields"));
            for row in reader.get_row_iter(None).expect("rows") {
                let row = row.expect("a row");
                let text = |at: usize| row.get_string(at).ok().cloned();
                let fields = text(fields).map_or(Value::Null, |text| serde_json::from_str(&text).expect("JSON"));
                found.add(&text(kind).expect("a kind"), text(key), text(outcome), &fields);
            }
        }
        found
    }

    fn add(&mut self, kind: &str, key: Option<String>, outcome: Option<String>, fields: &Value) {
        let task = key.map(|key| key.split_once('@').expect("a key").1.to_owned());
        match kind {
            "event" => {
                let number = |name: &str| fields[name].as_u64().unwrap_or_else(|| panic!("{name} in {fields}"));
                *self.numbers[number("thread") as usize].entry(number("number")).or_default() += 1;
            }
            "begin" => *self.begins.entry(task.expect("a task")).or_default() += 1,
            "end" => self.ends.entry(task.expect("a task")).or_default().push(outcome.expect("an outcome")),
            other => panic!("nothing was lost, and yet there is a {other}"),
        }
    }

    /// Of what a flight recorder held, everything is there once that belongs to a task which failed or was open, and nothing
    /// twice. Details of tasks that ended well may be there since the last checkpoint. Each task that began has one end.
    pub(crate) fn assert_wanted(&self, returned: [u64; THREADS], context: &str) {
        for (thread, (numbers, returned)) in self.numbers.iter().zip(returned).enumerate() {
            let is_open = |number: u64| number / DETAILS == returned / DETAILS;
            let missing =
                (0..returned).find(|number| (fails(*number) || is_open(*number)) && !numbers.contains_key(number));
            assert_eq!(missing, None, "{context}: thread {thread} of {returned}");
            let wrong = numbers.iter().find(|(number, times)| **times != 1 || **number > returned);
            assert!(wrong.is_none(), "{context}: thread {thread}: {wrong:?} of {returned}");
        }
        for (task, times) in &self.begins {
            assert_eq!((*times, self.ends.get(task).map(Vec::len)), (1, Some(1)), "{context}: {task}");
        }
        assert_eq!(self.begins.len(), self.ends.len(), "{context}");
    }

    /// Everything whose call returned is there once, nothing else but perhaps the call under way, and each task that
    /// began has one end, which is that it was interrupted.
    pub(crate) fn assert_exact(&self, returned: [u64; THREADS], context: &str) {
        for (thread, (numbers, returned)) in self.numbers.iter().zip(returned).enumerate() {
            let count = numbers.len() as u64;
            assert!(count == returned || count == returned + 1, "{context}: thread {thread}: {count} of {returned}");
            assert!(numbers.keys().copied().eq(0..count), "{context}: thread {thread} has a gap");
            let twice = numbers.iter().find(|(_, times)| **times != 1);
            assert!(twice.is_none(), "{context}: thread {thread}: {twice:?}");
        }
        for (task, times) in &self.begins {
            assert_eq!((*times, self.ends.get(task)), (1, Some(&vec!["interrupted".to_owned()])), "{context}: {task}");
        }
        assert_eq!(self.begins.len(), self.ends.len(), "{context}");
    }
}

/// The files below a folder with this extension; hidden ones too, because none may be left.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|other| other == extension) {
                files.push(path);
            }
        }
    }
    files
}
