//! What observed objects dumped: the values of each, and what their work has changed.

use std::borrow::Cow;
use std::collections::HashMap;

use spanlake_core::observed::{CALL, EXIT, PHASE, PREFIX, TYPE};

use super::node::TreeRecord;
use crate::fields;

/// The values that an observed object had before or after a piece of its work.
#[derive(Clone, Debug)]
pub struct Dump<'a> {
    /// The position of the record among those of its task, or outside any.
    pub at: usize,
    /// Whether it was taken after the work.
    pub is_exit: bool,
    /// The values in the order of the record.
    pub values: Vec<DumpValue<'a>>,
    of: Option<Of<'a>>,
}

/// A value of a [`Dump`].
#[derive(Clone, Debug)]
pub struct DumpValue<'a> {
    /// Its name, `<group>.<name>`.
    pub name: Cow<'a, str>,
    /// The value as JSON.
    pub json: &'a str,
    /// What it was before the work; `None` where it was not dumped then.
    pub before: Option<&'a str>,
}

/// Which piece of work it was, by which its two dumps find each other: host, process, and the number that it has there.
type Of<'a> = (&'a str, u32, Cow<'a, str>);

impl DumpValue<'_> {
    /// Whether the work has changed it.
    pub fn is_changed(&self) -> bool {
        self.before.is_some_and(|before| before != self.json)
    }
}

/// Whether the fields of a record are those of a dump.
pub(super) fn is_dump(fields: &str) -> bool {
    // A look for the text first, as most records are none.
    fields.contains(TYPE) && fields::find(fields, TYPE).is_some()
}

/// The dumps among records, each behind its work with what was before it.
pub(super) fn dumps<'a>(records: impl Iterator<Item = TreeRecord<'a>>) -> Vec<Dump<'a>> {
    let mut dumps: Vec<Dump<'a>> = Vec::new();
    let mut open: HashMap<Of<'a>, usize> = HashMap::new();
    for mut dump in records.enumerate().filter_map(|(at, record)| Dump::of(at, record)) {
        match &dump.of {
            Some(of) if dump.is_exit => {
                let before = open.remove(of).map(|at| &dumps[at]);
                before.iter().for_each(|before| dump.compare(before));
            }
            Some(of) => {
                open.insert(of.clone(), dumps.len());
            }
            None => {}
        }
        dumps.push(dump);
    }
    dumps
}

impl<'a> Dump<'a> {
    fn of(at: usize, record: TreeRecord<'a>) -> Option<Self> {
        let json = record.fields();
        if !is_dump(json) {
            return None;
        }
        let find = |name: &str| fields::find(json, name);
        let of = find(CALL).map(|call| (record.host(), record.pid(), call));
        let values = fields::json_pairs(json)?.into_iter().filter(|(name, _)| !name.starts_with(PREFIX));
        let values = values.map(|(name, json)| DumpValue { name, json, before: None }).collect();
        Some(Self { at, is_exit: find(PHASE).as_deref() == Some(EXIT), values, of })
    }

    fn compare(&mut self, before: &Self) {
        for value in &mut self.values {
            value.before = before.values.iter().find(|old| old.name == value.name).map(|old| old.json);
        }
    }
}
