//! What the rows of a file refer to by number: places in the program, tasks, threads.
//!
//! Each is told apart by content, because an address means something only as long as its batch. Within a batch the
//! address is asked first, so that a row of a known task costs one comparison.

use std::collections::HashMap;
use std::hash::Hash;
use std::ops::Range;

use spanlake_core::{Callsite, Source, Task};

use super::texts::Words;

/// The tables of one file.
#[derive(Debug, Default)]
pub(super) struct Tables {
    /// Names, targets, modules, files, threads, hosts, services, dataflows, errors.
    pub(super) words: Words,
    pub(super) lines: Table<u32>,
    pub(super) callsites: Table<CallsiteRow>,
    pub(super) pids: Table<u32>,
    pub(super) sources: Table<SourceRow>,
    pub(super) contexts: Words,
    /// The dataflow of each context.
    dataflows: Vec<Option<u32>>,
    pub(super) roots: Table<[u8; 16]>,
    key_texts: Words,
    path_keys: Vec<u8>,
    keys: Vec<KeyRow>,
    pub(super) tasks: Vec<TaskRow>,
    no_task: Option<u32>,
    near_callsites: Near,
    near_sources: Near,
    near_tasks: Near,
}

/// A place in the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct CallsiteRow {
    pub(super) target: u32,
    pub(super) module: Option<u32>,
    pub(super) file: Option<u32>,
    pub(super) line: Option<u32>,
}

/// The process and thread of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SourceRow {
    pub(super) thread: Option<u32>,
    pub(super) host: u32,
    pub(super) service: Option<u32>,
    pub(super) pid: u32,
}

/// A task with one of the contexts that it had, or that there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TaskRow {
    pub(super) key: Option<u32>,
    pub(super) root: Option<u32>,
    pub(super) name: Option<u32>,
    pub(super) context: u32,
}

/// A task's key, whatever its context was at the time.
#[derive(Clone, Debug)]
struct KeyRow {
    path_key: Range<usize>,
    span_id: [u8; 8],
    /// The newest row of this key in the table of tasks.
    newest: Option<u32>,
}

/// Rows by number, each once.
#[derive(Debug)]
pub(super) struct Table<R> {
    numbers: HashMap<R, u32>,
    pub(super) rows: Vec<R>,
}

/// The numbers of what was seen at an address in this batch; two addresses that share a slot take turns.
#[derive(Debug)]
struct Near {
    slots: Vec<NearSlot>,
    batch: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct NearSlot {
    address: usize,
    batch: u32,
    number: u32,
}

/// A power of two, so that a slot is some bits of a product.
const NEAR_SLOTS: usize = 1024;

// === impl Tables ===

impl Tables {
    /// Forgets the addresses of the batch before.
    pub(super) fn start_batch(&mut self) {
        self.near_callsites.start_batch();
        self.near_sources.start_batch();
        self.near_tasks.start_batch();
    }

    /// About how much memory the tables take; those of callsites and threads are small.
    pub(super) fn bytes(&self) -> usize {
        let texts = self.words.bytes() + self.contexts.bytes() + self.key_texts.bytes() + self.path_keys.len();
        let rows = size_of_val(&*self.tasks) + size_of_val(&*self.keys) + size_of_val(&*self.dataflows);
        texts + rows + 4 * size_of_val(&*self.roots.rows)
    }

    pub(super) fn clear(&mut self) {
        self.words.clear();
        self.lines.clear();
        self.callsites.clear();
        self.pids.clear();
        self.sources.clear();
        self.contexts.clear();
        self.dataflows.clear();
        self.roots.clear();
        self.key_texts.clear();
        self.path_keys.clear();
        self.keys.clear();
        self.tasks.clear();
        self.no_task = None;
    }
}

// === what the tables hold ===

impl Tables {
    pub(super) fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// The key of a task; `None` for the row of those outside any.
    #[inline]
    pub(super) fn key_of(&self, task: u32) -> Option<u32> {
        self.tasks.get(task as usize)?.key
    }

    pub(super) fn key_text(&self, key: u32) -> &str {
        self.key_texts.get(key)
    }

    pub(super) fn path_key(&self, key: u32) -> &[u8] {
        let range = self.keys.get(key as usize).map(|row| row.path_key.clone());
        range.and_then(|range| self.path_keys.get(range)).unwrap_or_default()
    }

    pub(super) fn span_id(&self, key: u32) -> [u8; 8] {
        self.keys.get(key as usize).map_or([0; 8], |row| row.span_id)
    }

    pub(super) fn root(&self, root: u32) -> [u8; 16] {
        self.roots.rows.get(root as usize).copied().unwrap_or_default()
    }

    pub(super) fn line(&self, line: u32) -> i32 {
        self.lines.rows.get(line as usize).map_or(0, |line| i32::try_from(*line).unwrap_or(i32::MAX))
    }

    pub(super) fn pid(&self, pid: u32) -> i64 {
        self.pids.rows.get(pid as usize).copied().map_or(0, i64::from)
    }

    /// The dataflow that a context names.
    pub(super) fn dataflow(&self, context: u32) -> Option<u32> {
        self.dataflows.get(context as usize).copied().flatten()
    }
}

// === finding numbers ===

impl Tables {
    #[inline]
    pub(super) fn callsite(&mut self, callsite: &Callsite<'_>) -> u32 {
        let address = std::ptr::from_ref(callsite).addr();
        if let Some(number) = self.near_callsites.get(address) {
            return number;
        }
        let row = CallsiteRow {
            target: self.words.number(callsite.target),
            module: callsite.module.map(|module| self.words.number(module)),
            file: callsite.file.map(|file| self.words.number(file)),
            line: callsite.line.map(|line| self.lines.number(line)),
        };
        self.near_callsites.put(address, self.callsites.number(row))
    }

    /// The row of records that come from no place in the program.
    pub(super) fn no_callsite(&mut self, target: &str) -> u32 {
        let row = CallsiteRow { target: self.words.number(target), module: None, file: None, line: None };
        self.callsites.number(row)
    }

    #[inline]
    pub(super) fn source(&mut self, source: &Source) -> u32 {
        let address = std::ptr::from_ref(source).addr();
        if let Some(number) = self.near_sources.get(address) {
            return number;
        }
        let row = SourceRow {
            thread: self.words.number_unless_empty(&source.thread),
            host: self.words.number(&source.host),
            service: self.words.number_unless_empty(&source.service),
            pid: self.pids.number(source.pid),
        };
        self.near_sources.put(address, self.sources.number(row))
    }

    #[inline]
    pub(super) fn task(&mut self, task: &Task<'_>) -> u32 {
        let address = std::ptr::from_ref(task).addr();
        if let Some(number) = self.near_tasks.get(address) {
            return number;
        }
        let number = self.find_task(task);
        self.near_tasks.put(address, number)
    }

    /// The row of records outside any task.
    pub(super) fn no_task(&mut self) -> u32 {
        if let Some(number) = self.no_task {
            return number;
        }
        let context = self.find_context("{}", || None);
        *self.no_task.insert(push(&mut self.tasks, TaskRow { key: None, root: None, name: None, context }))
    }

    fn find_task(&mut self, task: &Task<'_>) -> u32 {
        let key = self.find_key(task);
        let row = TaskRow {
            key: Some(key),
            root: Some(self.roots.number(task.key.trace_id())),
            name: Some(self.words.number(task.name)),
            context: self.find_context(task.context_json(), || task.dataflow_id()),
        };
        let newest = self.keys.get(key as usize).and_then(|key| key.newest);
        if let Some(newest) = newest.filter(|newest| self.tasks.get(*newest as usize) == Some(&row)) {
            return newest;
        }
        // The task is new, or its context changed since its last record.
        let number = push(&mut self.tasks, row);
        if let Some(key) = self.keys.get_mut(key as usize) {
            key.newest = Some(number);
        }
        number
    }

    fn find_key(&mut self, task: &Task<'_>) -> u32 {
        let number = self.key_texts.number(&task.key_text);
        if number as usize == self.keys.len() {
            let start = self.path_keys.len();
            self.path_keys.extend_from_slice(&task.key.path_key());
            let path_key = start..self.path_keys.len();
            self.keys.push(KeyRow { path_key, span_id: task.span_id(), newest: None });
        }
        number
    }

    fn find_context(&mut self, context: &str, dataflow: impl FnOnce() -> Option<String>) -> u32 {
        let number = self.contexts.number(context);
        if number as usize == self.dataflows.len() {
            self.dataflows.push(dataflow().map(|dataflow| self.words.number(&dataflow)));
        }
        number
    }
}

fn push<R>(rows: &mut Vec<R>, row: R) -> u32 {
    rows.push(row);
    rows.len() as u32 - 1
}

// === impl Table ===

impl<R: Copy + Eq + Hash> Table<R> {
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    fn number(&mut self, row: R) -> u32 {
        *self.numbers.entry(row).or_insert_with(|| push(&mut self.rows, row))
    }

    fn clear(&mut self) {
        self.numbers.clear();
        self.rows.clear();
    }
}

impl<R> Default for Table<R> {
    fn default() -> Self {
        Self { numbers: HashMap::new(), rows: Vec::new() }
    }
}

// === impl Near ===

impl Near {
    fn start_batch(&mut self) {
        self.batch = self.batch.wrapping_add(1);
    }

    #[inline]
    fn get(&self, address: usize) -> Option<u32> {
        let slot = self.slots.get(slot(address))?;
        (slot.address == address && slot.batch == self.batch).then_some(slot.number)
    }

    #[inline]
    fn put(&mut self, address: usize, number: u32) -> u32 {
        if let Some(slot) = self.slots.get_mut(slot(address)) {
            *slot = NearSlot { address, batch: self.batch, number };
        }
        number
    }
}

impl Default for Near {
    fn default() -> Self {
        // No object lies at address 0, so that the empty slots match nothing.
        Self { slots: vec![NearSlot::default(); NEAR_SLOTS], batch: 0 }
    }
}

/// Objects of a batch lie side by side: their low bits say little, so all bits are mixed into the high ones.
fn slot(address: usize) -> usize {
    let mixed = (address as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed >> (u64::BITS - NEAR_SLOTS.ilog2())) as usize
}
