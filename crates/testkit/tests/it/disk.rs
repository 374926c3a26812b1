//! The fake disk fails as told, and a power cut leaves what one could.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use spanlake_core::disk::{Access, Disk, DiskFile, Tail};
use spanlake_testkit::disk::{ENOSPC, FakeDisk, Fault, Operation};
use tempfile::TempDir;

/// A fake disk, and a place for what is left of it.
struct Stand {
    folder: TempDir,
    disk: FakeDisk,
}

impl Stand {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("disk")).expect("a folder");
        let disk = FakeDisk::new(folder.path().join("disk"));
        Self { folder, disk }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join("disk").join(name)
    }

    fn create(&self, name: &str) -> Box<dyn DiskFile> {
        self.disk.create(&self.path(name), Access::Shared).expect("nothing hinders it")
    }

    /// Makes the names of the disk's own folder durable.
    fn sync_names(&self) {
        self.disk.sync_folder(&self.path("")).expect("nothing hinders it");
    }

    /// What a power cut may leave, each state as `name=content` with a space between two.
    fn states(&self) -> BTreeSet<String> {
        let mut states = BTreeSet::new();
        let scratch = self.folder.path().join("scratch");
        self.disk.cut_power().each(1 << 12, 1, &scratch, |folder| {
            states.insert(listing(folder, Path::new("")).join(" "));
        });
        states
    }
}

fn listing(root: &Path, below: &Path) -> Vec<String> {
    let entries = fs::read_dir(root.join(below)).expect("a folder").flatten();
    let mut entries: Vec<PathBuf> = entries.map(|entry| below.join(entry.file_name())).collect();
    entries.sort();
    let tell = |path: PathBuf| match root.join(&path).is_dir() {
        true => [vec![format!("{}/", path.display())], listing(root, &path)].concat(),
        false => {
            let text = fs::read_to_string(root.join(&path)).expect("text");
            vec![format!("{}={}", path.display(), text.replace('\0', "0"))]
        }
    };
    entries.into_iter().flat_map(tell).collect()
}

fn set<const N: usize>(states: [&str; N]) -> BTreeSet<String> {
    states.into_iter().map(str::to_owned).collect()
}

#[test]
fn the_call_that_was_named_fails_once() {
    let stand = Stand::new();
    stand.disk.fail(Fault::at(2).error(ENOSPC));
    let mut file = stand.create("a");
    assert_eq!(file.write_all(b"one").unwrap_err().kind(), ErrorKind::StorageFull);
    file.write_all(b"two").unwrap();
    file.sync().unwrap();
    assert_eq!(stand.disk.read(&stand.path("a")).unwrap(), b"two");
    let failed: Vec<bool> = stand.disk.calls().iter().map(|call| call.failed).collect();
    assert_eq!(failed, [false, true, false, false, false]);
}

#[test]
fn calls_fail_until_the_disk_is_healed() {
    let stand = Stand::new();
    let mut file = stand.create("a");
    stand.disk.fail(Fault::at(2).of(Operation::Write).for_ever());
    file.write_all(b"1").unwrap();
    for _ in 0..3 {
        file.write_all(b"2").unwrap_err();
        file.sync().unwrap();
    }
    stand.disk.heal();
    file.write_all(b"3").unwrap();
    assert_eq!(fs::read(stand.path("a")).unwrap(), b"13");
}

#[test]
fn a_torn_write_leaves_its_first_half() {
    let stand = Stand::new();
    let mut file = stand.create("a");
    stand.disk.fail(Fault::at(1).of(Operation::Write).tearing());
    file.write_all(b"four").unwrap_err();
    assert_eq!(fs::read(stand.path("a")).unwrap(), b"fo");
}

#[test]
fn what_was_not_synced_may_be_there_in_any_part() {
    let stand = Stand::new();
    let mut file = stand.create("a");
    file.write_all(b"xy").unwrap();
    // No name; or a name with nothing, the length alone, or all of it.
    assert_eq!(stand.states(), set(["", "a=", "a=00", "a=xy"]));
    file.sync().unwrap();
    assert_eq!(stand.states(), set(["", "a=xy"]));
    stand.sync_names();
    assert_eq!(stand.states(), set(["a=xy"]));
    file.write_all(b"z").unwrap();
    assert_eq!(stand.states(), set(["a=xy", "a=xy0", "a=xyz"]));
    file.set_len(1).unwrap();
    assert_eq!(stand.states(), set(["a=x", "a=xy", "a=xy0", "a=xyz"]));
    file.sync().unwrap();
    assert_eq!(stand.states(), set(["a=x"]));
}

#[test]
fn each_page_of_a_write_arrives_by_itself() {
    let stand = Stand::new();
    let mut file = stand.create("a");
    stand.sync_names();
    file.write_all(&[b'x'; 4097]).unwrap();
    let lengths: BTreeSet<(usize, usize)> =
        stand.states().iter().map(|state| (state.len() - 2, state.matches('x').count())).collect();
    assert_eq!(lengths, BTreeSet::from([(0, 0), (4097, 0), (4097, 1), (4097, 4096), (4097, 4097)]));
}

#[test]
fn a_rename_happens_or_not() {
    let stand = Stand::new();
    stand.create("a").write_all(b"").unwrap();
    stand.sync_names();
    stand.disk.rename(&stand.path("a"), &stand.path("b")).unwrap();
    assert_eq!(stand.states(), set(["a=", "b="]));
    stand.sync_names();
    stand.disk.remove(&stand.path("b")).unwrap();
    assert_eq!(stand.states(), set(["", "b="]));
}

#[test]
fn a_folder_is_as_durable_as_its_own_name() {
    let stand = Stand::new();
    stand.disk.create_folder(&stand.path("a/b"), Access::Shared).unwrap();
    stand.create("a/b/c");
    for folder in ["a/b", "a"] {
        stand.disk.sync_folder(&stand.path(folder)).unwrap();
    }
    assert_eq!(stand.states(), set(["", "a/ a/b/ a/b/c="]));
    stand.sync_names();
    assert_eq!(stand.states(), set(["a/ a/b/ a/b/c="]));
}

#[test]
fn a_sync_that_failed_is_not_made_good_by_the_next() {
    let stand = Stand::new();
    let mut file = stand.create("a");
    stand.sync_names();
    file.write_all(b"x").unwrap();
    stand.disk.fail(Fault::at(1).of(Operation::Sync));
    file.sync().unwrap_err();
    file.write_all(b"y").unwrap();
    file.sync().unwrap();
    assert_eq!(stand.states(), set(["a=0y", "a=xy"]));
}

#[test]
fn names_whose_folder_failed_to_sync_stay_in_doubt() {
    let stand = Stand::new();
    stand.create("a");
    stand.disk.fail(Fault::at(1).of(Operation::SyncFolder));
    stand.disk.sync_folder(&stand.path("")).unwrap_err();
    stand.create("b");
    stand.sync_names();
    assert_eq!(stand.states(), set(["a= b=", "b="]));
}

#[test]
fn a_page_of_a_mapping_is_as_synced_or_as_it_is() {
    let stand = Stand::new();
    let mut mapping = stand.disk.map(&stand.path("a"), 2).unwrap();
    stand.sync_names();
    assert_eq!(stand.states(), set(["a=", "a=00"]));
    stand.disk.sync_file(mapping.path()).unwrap();
    assert_eq!(stand.states(), set(["a=00"]));
    mapping[0] = b'x';
    mapping[1] = b'y';
    assert_eq!(stand.states(), set(["a=00", "a=xy"]));
    stand.disk.sync_file(mapping.path()).unwrap();
    mapping[1] = b'z';
    let path = mapping.path().to_owned();
    drop(mapping);
    stand.disk.shorten(&path, 1).unwrap();
    assert_eq!(stand.states(), set(["a=x", "a=xy"]));
}

#[test]
fn a_mapping_that_gives_its_name_to_another_is_still_what_it_was() {
    let stand = Stand::new();
    for name in ["a", "b"] {
        let mut mapping = stand.disk.map(&stand.path(name), 1).unwrap();
        mapping[0] = name.as_bytes()[0];
        stand.disk.sync_file(mapping.path()).unwrap();
    }
    stand.sync_names();
    stand.disk.rename(&stand.path("b"), &stand.path("a")).unwrap();
    assert_eq!(stand.states(), set(["a=a b=b", "a=b"]));
}

#[test]
fn a_page_whose_sync_failed_is_lost_unless_it_changes() {
    let stand = Stand::new();
    let mut mapping = stand.disk.map(&stand.path("a"), 1).unwrap();
    stand.sync_names();
    stand.disk.sync_file(mapping.path()).unwrap();
    mapping[0] = b'x';
    stand.disk.fail(Fault::at(1).of(Operation::SyncFile));
    stand.disk.sync_file(mapping.path()).unwrap_err();
    stand.disk.sync_file(mapping.path()).unwrap();
    assert_eq!(stand.states(), set(["a=0", "a=x"]));
    mapping[0] = b'y';
    stand.disk.sync_file(mapping.path()).unwrap();
    assert_eq!(stand.states(), set(["a=y"]));
}

#[test]
fn too_many_states_are_drawn_from_a_seed() {
    let stand = Stand::new();
    (0..20).for_each(|number| drop(stand.create(&number.to_string())));
    let draw = |seed| {
        let mut states = Vec::new();
        let scratch = stand.folder.path().join("scratch");
        let count = stand.disk.cut_power().each(50, seed, &scratch, |folder| {
            states.push(fs::read_dir(folder).expect("a folder").count());
        });
        assert_eq!(count, states.len());
        states
    };
    let first = draw(1);
    assert_eq!((first.len(), first[0], first[1]), (50, 0, 20));
    assert_eq!(first, draw(1));
    assert_ne!(first, draw(2));
}

#[test]
fn whoever_watches_sees_each_moment() {
    let stand = Stand::new();
    let (sender, seen) = std::sync::mpsc::channel();
    stand.disk.before_each_call(move |cut| sender.send(cut.unsure()).expect("somebody listens"));
    let mut file = stand.create("a");
    file.write_all(b"x").unwrap();
    file.sync().unwrap();
    stand.sync_names();
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), [0, 1, 3, 1], "a name, its length and a page; then the name");
}

#[test]
fn what_was_there_before_is_durable() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(folder.path().join("disk/a")).unwrap();
    fs::write(folder.path().join("disk/a/b"), "old").unwrap();
    let stand = Stand { disk: FakeDisk::new(folder.path().join("disk")), folder };
    let mut file = stand.disk.append(&stand.path("a/b")).unwrap();
    file.write_all(b"!").unwrap();
    assert_eq!(stand.states(), set(["a/ a/b=old", "a/ a/b=old!", "a/ a/b=old0"]));
}

#[test]
fn a_link_is_a_second_name_that_happens_or_not() {
    let stand = Stand::new();
    let mut file = stand.create("a");
    file.write_all(b"x").unwrap();
    file.sync().unwrap();
    stand.sync_names();
    stand.disk.link(&stand.path("a"), &stand.path("b")).unwrap();
    assert_eq!(stand.disk.link(&stand.path("a"), &stand.path("b")).unwrap_err().kind(), ErrorKind::AlreadyExists);
    assert_eq!(stand.states(), set(["a=x", "a=x b=x"]));
    stand.disk.remove(&stand.path("a")).unwrap();
    stand.sync_names();
    assert_eq!(stand.states(), set(["b=x"]));
}

#[test]
fn a_tail_is_the_length_and_the_last_byte() {
    let stand = Stand::new();
    let mut file = stand.create("a");
    assert_eq!(stand.disk.tail(&stand.path("a")).unwrap(), Tail { bytes: 0, last: None });
    file.write_all(b"xy").unwrap();
    assert_eq!(stand.disk.tail(&stand.path("a")).unwrap(), Tail { bytes: 2, last: Some(b'y') });
}
