//! The states that a power cut may leave, one after the other.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::content::ContentChange;
use super::history::History;
use super::names::{Entries, NameChange, NodeId, ROOT};

/// A disk at the moment when the power goes: what is on it for sure, and every change that nobody has made durable, each
/// of which may be on it or not.
///
/// That is more than a real disk would do, which keeps some order. A change is a name that was made, renamed or removed;
/// a file's new length; and of a write the part that lies in one page of 4 KiB. Of a mapped file a page is as it was
/// synced last, or as it is now.
#[derive(Clone, Debug, PartialEq)]
pub struct PowerCut {
    pub(super) names: History<NameChange>,
    /// Of the files that have a name in some state; what is not here is a folder.
    pub(super) files: BTreeMap<NodeId, History<ContentChange>>,
}

/// Which of the changes are on the disk, in the order of [`PowerCut::unsure`].
type Kept = Vec<bool>;

/// Environment variable with the seed to use again.
const SEED: &str = "SPANLAKE_SEED";

// === impl PowerCut ===

impl PowerCut {
    /// How many changes may be on the disk or not.
    pub fn unsure(&self) -> usize {
        self.names.unsure().count() + self.files.values().map(|file| file.unsure().count()).sum::<usize>()
    }

    /// Lays one state after the other down in the folder `scratch`, which is emptied each time, and lets `check` look at
    /// it; gives how many there were. All states if there are no more than `most`, otherwise so many: that in which
    /// nothing arrived, that in which all did, and others drawn with `seed`.
    ///
    /// When `check` panics, the seed, the state and what is in it are printed, and `scratch` keeps it.
    pub fn each(&self, most: usize, seed: u64, scratch: &Path, mut check: impl FnMut(&Path)) -> usize {
        let states = self.states(most, seed);
        let count = states.len();
        for (number, kept) in states.into_iter().enumerate() {
            let told = Told { cut: self, number, count, seed, kept: &kept };
            self.lay_down(&kept, scratch);
            check(scratch);
            std::mem::forget(told);
        }
        count
    }

    fn states(&self, most: usize, seed: u64) -> Vec<Kept> {
        let unsure = self.unsure();
        if unsure < usize::BITS as usize && 1 << unsure <= most {
            return (0..1_usize << unsure).map(|bits| (0..unsure).map(|at| bits >> at & 1 == 1).collect()).collect();
        }
        let mut random = Random(seed);
        let drawn = (2..most).map(|_| {
            // From states in which hardly anything arrived to those in which nearly everything did.
            let share = random.below(9);
            (0..unsure).map(|_| random.below(8) < share).collect()
        });
        [vec![false; unsure], vec![true; unsure]].into_iter().chain(drawn).collect()
    }

    fn lay_down(&self, kept: &[bool], folder: &Path) {
        let mut kept = kept.iter().copied();
        let mut next = || kept.next().unwrap_or(false);
        let names = self.names.state(&mut next);
        let files: BTreeMap<NodeId, Vec<u8>> =
            self.files.iter().map(|(node, file)| (*node, file.state(&mut next).into_bytes())).collect();
        if folder.exists() {
            fs::remove_dir_all(folder).expect("the state before can be removed");
        }
        lay_down(ROOT, &names, &files, folder);
    }
}

/// A seed that was not used before, or the one in the environment variable `SPANLAKE_SEED`.
pub fn seed() -> u64 {
    let given = std::env::var(SEED).ok().map(|seed| seed.parse().expect("the seed is a number"));
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    given.unwrap_or_else(now)
}

fn lay_down(node: NodeId, names: &Entries, files: &BTreeMap<NodeId, Vec<u8>>, path: &Path) {
    if let Some(bytes) = files.get(&node) {
        return fs::write(path, bytes).expect("a file can be laid down");
    }
    fs::create_dir_all(path).expect("a folder can be laid down");
    for (name, child) in entries_of(node, names) {
        lay_down(child, names, files, &path.join(name));
    }
}

fn entries_of(folder: NodeId, names: &Entries) -> impl Iterator<Item = (&OsStr, NodeId)> {
    let inside = names.iter().filter(move |((parent, _), _)| *parent == folder);
    inside.map(|((_, name), node)| (name.as_os_str(), *node))
}

// === telling ===

/// Dropped only when the check panics: says in which state.
struct Told<'a> {
    cut: &'a PowerCut,
    number: usize,
    count: usize,
    seed: u64,
    kept: &'a [bool],
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        eprintln!("{self}");
    }
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "after a power cut, state {} of {}, with {SEED}={}:", self.number + 1, self.count, self.seed)?;
        let mut kept = self.kept.iter();
        let mut fate = || if kept.next() == Some(&true) { "kept" } else { "lost" };
        for change in self.cut.names.unsure() {
            writeln!(f, "  {}: {change:?}", fate())?;
        }
        for (node, file) in &self.cut.files {
            file.unsure().try_for_each(|change| writeln!(f, "  {}: node {node} {change:?}", fate()))?;
        }
        Ok(())
    }
}

// === chance ===

/// SplitMix64: good enough to draw subsets, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % most
    }
}
