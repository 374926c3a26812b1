//! Which tasks bear a name, or lie below one that does; learned from the records as they come.

use std::collections::HashSet;

use spanlake_core::{OwnedRecord, TaskKey};

/// Lets the records of tasks with a name pass, and those of the tasks below them.
///
/// It learns the tasks from the records it is shown, so a task must be shown before the tasks below it: in order of time
/// it is.
#[derive(Clone, Debug)]
pub struct NamedTasks {
    name: String,
    tops: HashSet<Vec<u8>>,
}

impl NamedTasks {
    /// Tasks called `name`.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), tops: HashSet::new() }
    }

    /// Whether the record belongs to such a task.
    pub fn admits(&mut self, record: &OwnedRecord) -> bool {
        let Some(key) = &record.key else { return false };
        let path_key = key.task.path_key();
        if record.task.as_deref() == Some(&self.name) {
            if !self.tops.contains(&path_key) {
                self.tops.insert(path_key);
            }
            return true;
        }
        self.is_below(&key.task, &path_key)
    }

    /// The keys of all tasks above stand at the start of a task's bytes: 16 for the root, 4 for each number.
    fn is_below(&self, task: &TaskKey, path_key: &[u8]) -> bool {
        let root_len = path_key.len() - 4 * task.depth();
        (0..task.depth()).any(|depth| self.tops.contains(&path_key[..root_len + 4 * depth]))
    }
}
