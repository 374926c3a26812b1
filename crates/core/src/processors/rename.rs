//! A processor that gives fields other names.

use super::told;
use crate::processor::Processor;
use crate::record::Record;

/// Gives fields other names. What a record has under the new name already goes, so that no name stands twice.
///
/// ```
/// use spanlake_core::processors::Rename;
///
/// let processor = Rename::new([("msg_id", "message.id"), ("usr", "user")]);
/// ```
#[derive(Clone, Debug)]
pub struct Rename {
    names: Vec<(String, String)>,
}

impl Rename {
    /// Renames each first name to the second, all at once: the pairs may exchange two names.
    pub fn new(names: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>) -> Self {
        let names = names.into_iter().map(|(from, to)| (from.into(), to.into()));
        Self { names: names.filter(|(from, to)| from != to).collect() }
    }

    fn new_name(&self, name: &str) -> Option<&String> {
        self.names.iter().find(|(from, _)| from == name).map(|(_, to)| to)
    }

    fn rename(&self, record: &mut Record<'_>) {
        let fields = record.fields.edit();
        let taken: Vec<&String> = fields.iter().filter_map(|field| self.new_name(&field.name)).collect();
        fields.retain(|field| self.new_name(&field.name).is_some() || !taken.iter().any(|name| **name == field.name));
        for field in fields {
            if let Some(name) = self.new_name(&field.name) {
                field.name = name.clone().into();
            }
        }
    }
}

impl Processor for Rename {
    fn process(&mut self, records: &mut Vec<Record<'_>>) {
        for record in told(records) {
            if record.fields.any_name(|name| self.new_name(name).is_some()) {
                self.rename(record);
            }
        }
    }
}
