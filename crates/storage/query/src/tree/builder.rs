//! Building the tree, record by record, in whatever order they come.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use spanlake_core::{Kind, OwnedRecord, RecordKey, TaskKey};

use super::TaskTree;
use super::dump::is_dump;
use super::store::{Begin, End, Node, Origin, Origins, Records, Stored};
use crate::fields;
use crate::filter::Filter;
use crate::row::Columns;

/// Builds a [`TaskTree`] from records in any order.
///
/// A task whose begin or whose parent was not seen is made up from what is known: its end alone tells name, outcome and
/// duration, and any key tells all keys above it.
#[derive(Debug)]
pub struct TaskTreeBuilder {
    filter: Filter,
    nodes: Vec<Node>,
    tops: Vec<u32>,
    by_key: HashMap<TaskKey, u32>,
    outside: Records,
    origins: Origins,
    losses: u64,
}

impl TaskTreeBuilder {
    pub(super) fn new(filter: Filter) -> Self {
        Self {
            filter,
            nodes: Vec::new(),
            tops: Vec::new(),
            by_key: HashMap::new(),
            outside: Records::default(),
            origins: Origins::default(),
            losses: 0,
        }
    }

    /// What to read for this tree: the records that its filter wants, and those that the tree itself is made of.
    pub fn filter_to_scan(&self) -> Filter {
        self.filter.for_tree()
    }

    /// Takes a record.
    pub fn add(&mut self, mut record: OwnedRecord) {
        if record.kind == Kind::Loss {
            self.losses = self.losses.saturating_add(lost(&record));
        }
        let wanted = self.filter.selects(&Columns::from(&record));
        let Some(RecordKey { task, seq }) = record.key.take() else {
            return self.add_outside(record, wanted);
        };
        let id = self.task(&task) as usize;
        self.see_process(id, &record);
        self.nodes[id].see(&mut record, seq);
        self.nodes[id].wanted |= wanted;
        match record.kind {
            Kind::Begin => self.begin(id, record),
            Kind::End => self.end(id, record),
            Kind::Event | Kind::Loss if wanted => self.keep(id, record, seq),
            Kind::Event | Kind::Loss => {}
        }
    }

    /// The tree of what was taken.
    pub fn finish(mut self) -> TaskTree {
        let tops = std::mem::take(&mut self.tops);
        tops.iter().for_each(|top| self.settle(*top));
        let mut roots: Vec<u32> = tops.into_iter().filter(|top| self.prune(*top, false)).collect();
        self.sort_by_begin(&mut roots);
        self.outside.kept.sort_by_key(|record| record.ts_us);
        let Self { nodes, by_key, outside, origins, losses, .. } = self;
        TaskTree { nodes, roots, by_key, outside, origins: origins.into_vec(), losses }
    }

    // --- taking a record ---

    fn add_outside(&mut self, record: OwnedRecord, wanted: bool) {
        if !wanted || self.filter.task_name().is_some() {
            return;
        }
        if self.is_kept(&record) {
            self.outside.kept.push(Stored::new(record, 0, &mut self.origins));
        } else {
            self.outside.hide(record.level);
        }
    }

    fn keep(&mut self, id: usize, record: OwnedRecord, seq: u64) {
        if self.is_kept(&record) {
            let stored = Stored::new(record, seq, &mut self.origins);
            self.nodes[id].records.kept.push(stored);
        } else {
            self.nodes[id].records.hide(record.level);
        }
    }

    /// A loss is never folded away, or a tree with holes would look whole; values are not where they were asked for.
    fn is_kept(&self, record: &OwnedRecord) -> bool {
        let is_asked_for = record.kind == Kind::Loss || self.filter.keeps_values() && is_dump(&record.fields);
        is_asked_for || self.filter.at_level(record.level)
    }

    fn begin(&mut self, id: usize, record: OwnedRecord) {
        let (ts_us, level) = (record.ts_us, record.level);
        let message = record.message.into_boxed_str();
        let place = self.origins.number(place(record.target, record.file, record.line));
        self.nodes[id].begin = Some(Box::new(Begin { ts_us, level, message, place }));
    }

    fn end(&mut self, id: usize, record: OwnedRecord) {
        let place = self.origins.number(place(record.target, record.file, record.line));
        let end = End {
            ts_us: record.ts_us,
            level: record.level,
            message: record.message.into_boxed_str(),
            outcome: record.outcome,
            duration_us: record.duration_us,
            error: record.error.map(String::into_boxed_str),
            place,
        };
        self.nodes[id].end = Some(Box::new(end));
    }

    fn see_process(&mut self, id: usize, record: &OwnedRecord) {
        if self.nodes[id].process.is_some() {
            return;
        }
        let (host, pid, service) = (record.host.clone(), record.pid, record.service.clone());
        let process = self.origins.number(Origin { host, pid, service, ..Origin::default() });
        self.nodes[id].process = Some(process);
    }

    /// The task with this key, made up with all tasks above it where they are not there yet. Above the task that the
    /// filter asks for there is nothing.
    fn task(&mut self, key: &TaskKey) -> u32 {
        if let Some(id) = self.by_key.get(key) {
            return *id;
        }
        let parent = key.parent().filter(|parent| self.filter.task_key().is_none_or(|top| top.contains(parent)));
        let parent = parent.map(|parent| self.task(&parent));
        let id = self.nodes.len() as u32;
        self.nodes.push(Node::new(key.clone()));
        match parent {
            Some(parent) => self.nodes[parent as usize].children.push(id),
            None => self.tops.push(id),
        }
        if let Entry::Vacant(entry) = self.by_key.entry(key.clone()) {
            entry.insert(id);
        }
        id
    }

    // --- finishing ---

    /// Puts records and subtasks in order, the deepest first, as a begin that was not seen is taken from below.
    fn settle(&mut self, id: u32) {
        let mut children = std::mem::take(&mut self.nodes[id as usize].children);
        for child in &children {
            self.settle(*child);
            let (began_us, last_us) = (self.nodes[*child as usize].began_us(), self.nodes[*child as usize].last_us);
            let node = &mut self.nodes[id as usize];
            node.first_us = node.first_us.min(began_us);
            node.last_us = node.last_us.max(last_us);
        }
        self.sort_by_begin(&mut children);
        let node = &mut self.nodes[id as usize];
        node.children = children;
        node.records.kept.sort_by_key(|record| (record.seq, record.ts_us));
        node.records.kept.shrink_to_fit();
    }

    fn sort_by_begin(&self, ids: &mut [u32]) {
        let node = |id: &u32| &self.nodes[*id as usize];
        ids.sort_by(|a, b| (node(a).began_us(), &node(a).key).cmp(&(node(b).began_us(), &node(b).key)));
    }

    /// Leaves what was asked for, and the path to it. Tells whether anything is left of the task.
    fn prune(&mut self, id: u32, inside: bool) -> bool {
        let node = &mut self.nodes[id as usize];
        let inside = inside || self.filter.task_name().is_none_or(|name| node.name.as_deref() == Some(name));
        if !inside {
            node.records = Records::default();
        }
        let wanted = inside && (node.wanted || !self.filter.is_selective());
        let mut children = std::mem::take(&mut node.children);
        children.retain(|child| self.prune(*child, inside));
        let left = wanted || !children.is_empty();
        self.nodes[id as usize].children = children;
        if !left {
            let key = self.nodes[id as usize].key.clone();
            self.by_key.remove(&key);
        }
        left
    }
}

fn place(target: String, file: Option<String>, line: Option<u32>) -> Origin {
    Origin { target, file, line, ..Origin::default() }
}

/// How many records a loss states.
fn lost(record: &OwnedRecord) -> u64 {
    fields::find(&record.fields, "count").and_then(|count| count.parse().ok()).unwrap_or(0)
}
