//! The levels of tasks, which they remember themselves: a number of settings above the level that these give.

use std::sync::atomic::Ordering;

use crate::task::{Origin, Task};
use crate::verbosity::{Gate, Table, Verbosity};

/// In the place of a level: no directive is for the task.
const NOBODYS: u8 = u8::MAX;

/// The level of a task, if a directive is for it or for a task above it.
#[inline]
pub(super) fn level_of(task: &Task, gate: Gate, verbosity: &Verbosity) -> Option<u8> {
    let level = known(task, gate).unwrap_or_else(|| look_up(task, &verbosity.table()));
    (level != NOBODYS).then_some(level)
}

#[cold]
fn look_up(task: &Task, table: &Table) -> u8 {
    if let Some(level) = known(task, table.gate) {
        return level;
    }
    let own = table.of_key(|| task.key()).or_else(|| table.of_name(task.name()));
    let level = own.unwrap_or_else(|| match task.origin() {
        Origin::Child { parent, .. } => look_up(parent, table),
        Origin::Continued(key) => table.above_key(key).unwrap_or(NOBODYS),
        Origin::Root { .. } => NOBODYS,
    });
    task.wanted().store(table.gate.stamp() << 8 | u64::from(level), Ordering::Relaxed);
    level
}

/// What the task remembers, if that comes from these settings.
#[inline]
fn known(task: &Task, gate: Gate) -> Option<u8> {
    let wanted = task.wanted().load(Ordering::Relaxed);
    (wanted >> 8 == gate.stamp()).then_some(wanted as u8)
}
