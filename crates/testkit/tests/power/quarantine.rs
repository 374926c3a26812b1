//! A spool that cannot be read is put out of the way, and nothing of it is lost on the way.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use spanlake_lake::Recovery;
use spanlake_testkit::disk::{FakeDisk, seed};

use crate::failed_recoveries::left_by;
use crate::lake::{content, files};
use crate::oracle::moments_of;
use crate::process::{lake, scratch};
use crate::scripts::scripts;

/// States that are looked at after each cut.
const STATES: usize = 6;

/// What is in the segments, wherever they are.
fn segments(left: &Path) -> BTreeSet<Vec<u8>> {
    let is_segment = |path: &Path| path.extension().is_some_and(|extension| extension == "seg");
    content(&lake(left)).into_iter().filter(|(path, _)| is_segment(path)).map(|(_, bytes)| bytes).collect()
}

/// Damages a file of a spool and recovers; at no moment may a power cut take a segment.
fn damage(left: &Path, after: &Path, damage: impl Fn(&Path)) {
    let script = scripts().into_iter().find(|script| script.name == "many pages").expect("the script");
    left_by(&script, left);
    damage(&lake(left).join(spanlake_core::spool::FOLDER));
    let before = segments(left);
    let disk = FakeDisk::new(left);
    let cuts = moments_of(&disk, || {
        let recovered = Recovery::new(lake(left)).disk(disk.handle()).run().expect("the spools can be looked for");
        assert!(recovered[0].quarantined.is_some(), "{recovered:?}");
    });
    for cut in cuts {
        cut.each(STATES, seed(), after, |left| assert!(segments(left).is_superset(&before)));
    }
}

#[test]
fn a_power_cut_takes_nothing_of_a_spool_on_its_way_to_quarantine() {
    let scratch = scratch();
    let [left, after] = ["left", "after"].map(|name| scratch.path().join(name));
    damage(&left, &after, |spool| fs::write(&files(spool, "/ledger")[0], "SPLL, but no more").expect("written"));
    damage(&left, &after, |spool| fs::remove_file(&files(spool, "/ledger")[0]).expect("removed"));
}
