//! Finding the files of sessions among those of a lake.

use std::collections::BTreeMap;

use spanlake_core::Error;
use spanlake_lake::runs::{OpenSession, SessionFile, Stem};
use spanlake_lake::store::Store;

/// A session by its files. They have not been read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SessionFiles {
    /// What it is called.
    pub stem: Stem,
    /// The folders of its partition.
    pub partition: String,
    /// Its log, or the parts of it, by their numbers; the number of a log that is one file is 0.
    pub logs: BTreeMap<u32, String>,
    /// The Parquet file of its runs.
    pub runs: Option<String>,
    /// The Parquet file of its job.
    pub job: Option<String>,
    /// Whether it was not closed when its files were looked for.
    pub is_open: bool,
}

/// The folders in which the files are, by one of the kind.
const PLACES: [SessionFile; 3] = [SessionFile::Log(0), SessionFile::Runs, SessionFile::Job];

type Found = BTreeMap<(Stem, String), SessionFiles>;

/// The sessions of a lake, newest first.
pub(super) fn find(store: &mut Store) -> Result<Vec<SessionFiles>, Error> {
    let mut found = Found::new();
    for place in PLACES {
        let (purpose, log_type) = place.place();
        let folder = format!("{}/{}", purpose.as_str(), log_type.as_str());
        for stored in store.list(&folder)? {
            put(&mut found, &folder, stored.path);
        }
    }
    // Last: one that begins meanwhile is not taken for one that was left behind.
    let open = OpenSession::list(store)?;
    open.into_iter().for_each(|stem| put_open(&mut found, stem));
    Ok(found.into_values().rev().collect())
}

impl SessionFiles {
    fn new(stem: Stem, partition: String) -> Self {
        Self { stem, partition, logs: BTreeMap::new(), runs: None, job: None, is_open: false }
    }

    /// Whether no part of its log is known to be missing.
    pub(super) fn has_all_parts(&self) -> bool {
        self.logs.keys().filter(|part| **part > 0).zip(1..).all(|(part, expected)| *part == expected)
    }
}

/// Puts a file to its session. One that is no file of a run log is passed over.
fn put(found: &mut Found, folder: &str, path: String) {
    let Some((stem, file)) = Stem::of_path(&path) else { return };
    let (purpose, log_type) = file.place();
    let inside = path.strip_prefix(folder).and_then(|path| path.strip_prefix('/')).unwrap_or(&path);
    if folder != format!("{}/{}", purpose.as_str(), log_type.as_str()) {
        return;
    }
    let partition = inside.rsplit_once('/').map_or("", |(partition, _)| partition).to_owned();
    let key = (stem.clone(), partition.clone());
    let session = found.entry(key).or_insert_with(|| SessionFiles::new(stem, partition));
    match file {
        SessionFile::Log(part) => drop(session.logs.insert(part, path)),
        SessionFile::Runs => session.runs = Some(path),
        SessionFile::Job => session.job = Some(path),
    }
}

fn put_open(found: &mut Found, stem: Stem) {
    let mut is_known = false;
    let same = found.range_mut((stem.clone(), String::new())..).take_while(|((other, _), _)| *other == stem);
    for (_, session) in same {
        (session.is_open, is_known) = (true, true);
    }
    if !is_known {
        let session = SessionFiles { is_open: true, ..SessionFiles::new(stem.clone(), String::new()) };
        found.insert((stem, String::new()), session);
    }
}
