//! Redaction of records that are on their way to a sink: decoded, and put together by others.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use crate::record::{Detail, Record, Task, TaskOf};
use crate::redact::redactor::{Decisions, Hits, Redactor};
use crate::value::{Field, Value};

/// The tasks of a batch as they may be read, by the address at which each came: `None` for those that may stay as they are.
#[derive(Default)]
pub(crate) struct Tasks<'a>(HashMap<usize, Option<TaskOf<'a>>>);

impl Redactor {
    /// What it says of records, whatever their callsites.
    pub(crate) fn decide_on_records(&self) -> Decisions {
        self.decide(std::iter::empty())
    }

    /// Replaces what must not be read in a record: in its message, its fields, its error and the context of its task.
    pub(crate) fn record<'a>(&self, decisions: &Decisions, record: &mut Record<'a>, tasks: &mut Tasks<'a>) {
        if let Some(text) = self.message_text(decisions, &record.message, &mut Hits::default()) {
            record.message = Cow::Owned(text);
        }
        if let Detail::End(end) = &mut record.detail {
            for link in &mut end.error {
                if let Some(text) = self.error_text(decisions, link, &mut Hits::default()) {
                    *link = Cow::Owned(text);
                }
            }
        }
        let mut is_concerned = false;
        record.fields.for_each(|name, value| is_concerned = is_concerned || self.instead_of(name, value).is_some());
        if is_concerned {
            record.fields.edit().iter_mut().for_each(|field| self.field(field));
        }
        self.task_of(record, tasks);
    }

    fn task_of<'a>(&self, record: &mut Record<'a>, tasks: &mut Tasks<'a>) {
        let Some(task) = record.task.as_deref().filter(|task| !task.context.is_empty()) else {
            return;
        };
        let address = std::ptr::from_ref(task).addr();
        let redacted = tasks.0.entry(address).or_insert_with(|| self.task(task).map(TaskOf::Changed));
        if let Some(redacted) = redacted {
            record.task = Some(redacted.clone());
        }
    }

    /// A task as it may be read; `None` for the task itself.
    fn task<'a>(&self, task: &Task<'a>) -> Option<Arc<Task<'a>>> {
        let is_concerned = |field: &Field<'_>| self.instead_of(&field.name, &field.value).is_some();
        let concerned = task.context.iter().chain(&task.own).any(is_concerned);
        concerned.then(|| Arc::new(task.with_context(|field| self.field(field))))
    }

    fn field(&self, field: &mut Field<'_>) {
        if let Some(value) = self.instead_of(&field.name, &field.value) {
            field.value = value;
        }
    }

    fn instead_of(&self, name: &str, value: &Value<'_>) -> Option<Value<'static>> {
        self.named(name, value, &mut Hits::default())
    }
}
