//! Which names there are, and what they stand for.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::history::{Change, History};

/// A file or folder, whatever its name is.
pub(super) type NodeId = usize;

/// The folder that is everything.
pub(super) const ROOT: NodeId = 0;

/// A name in a folder.
pub(super) type Name = (NodeId, OsString);

/// What each name stands for.
pub(super) type Entries = BTreeMap<Name, NodeId>;

/// The names as they are, and as they may be after a power cut.
#[derive(Debug)]
pub(super) struct Names {
    now: Entries,
    pub(super) history: History<NameChange>,
}

/// A step that is done or undone as a whole.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NameChange {
    remove: Option<Name>,
    put: Option<(Name, NodeId)>,
    is_folder: bool,
}

// === impl Names ===

impl Names {
    pub(super) fn new(durable: Entries) -> Self {
        Self { now: durable.clone(), history: History::new(durable) }
    }

    /// What a path below the root stands for.
    pub(super) fn node(&self, path: &Path) -> Option<NodeId> {
        path.components().try_fold(ROOT, |folder, part| match part {
            Component::Normal(name) => self.now.get(&(folder, name.to_owned())).copied(),
            _ => Some(folder),
        })
    }

    /// The folder that a path lies in, and its name there.
    pub(super) fn name(&self, path: &Path) -> Option<Name> {
        Some((self.node(path.parent()?)?, path.file_name()?.to_owned()))
    }

    /// The path of a file or folder that has one.
    pub(super) fn path(&self, node: NodeId) -> Option<PathBuf> {
        if node == ROOT {
            return Some(PathBuf::new());
        }
        let ((folder, name), _) = self.now.iter().find(|(_, other)| **other == node)?;
        Some(self.path(*folder)?.join(name))
    }

    pub(super) fn put(&mut self, name: Name, node: NodeId, is_folder: bool) {
        self.change(NameChange { remove: None, put: Some((name, node)), is_folder });
    }

    pub(super) fn remove(&mut self, name: Name, is_folder: bool) {
        self.change(NameChange { remove: Some(name), put: None, is_folder });
    }

    pub(super) fn rename(&mut self, from: Name, to: Name, is_folder: bool) {
        if let Some(node) = self.now.get(&from).copied() {
            self.change(NameChange { remove: Some(from), put: Some((to, node)), is_folder });
        }
    }

    /// The names in a folder are durable.
    pub(super) fn sync(&mut self, folder: NodeId) {
        self.history.sync(|change| change.folder() == Some(folder));
    }

    /// A folder could not be synced: nobody can trust the names of its files. Those of its folders are as they were, for
    /// there is nothing one could do about them but to sync again.
    pub(super) fn fail(&mut self, folder: NodeId) {
        self.history.fail(|change| change.folder() == Some(folder) && !change.is_folder);
    }

    /// All that a name may stand for after a power cut.
    pub(super) fn reachable(&self) -> Vec<NodeId> {
        let changed = self.history.changes().filter_map(|change| Some(change.put.as_ref()?.1));
        let mut nodes: Vec<NodeId> = self.history.base().values().copied().chain(changed).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.now);
        self.history.push(change);
    }
}

// === impl NameChange ===

impl NameChange {
    /// The folder whose sync makes it durable: of a rename the one where the new name is.
    fn folder(&self) -> Option<NodeId> {
        let (folder, _) = self.put.as_ref().map(|(name, _)| name).or(self.remove.as_ref())?;
        Some(*folder)
    }
}

impl Change for NameChange {
    type On = Entries;

    fn apply(&self, on: &mut Entries) {
        if let Some(name) = &self.remove {
            on.remove(name);
        }
        if let Some((name, node)) = &self.put {
            on.insert(name.clone(), *node);
        }
    }
}
