//! The rules by which tasks are made, set by a `ScopeLayer` for all spanlake layers of its stack.

use spanlake_core::Error;
use spanlake_core::sync::{Mutex, MutexGuard, lock};

use crate::carrier::Carrier;
use crate::task::Task;

/// What a task's context is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Inherit {
    /// Its own values over those of the tasks above it, the nearest winning.
    #[default]
    All,
    /// Its own values only.
    Own,
}

/// How tasks are made.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) inherit: Inherit,
    /// Whether it was told to continue anything; else nobody need look, which takes a lock.
    continues: bool,
    /// What this process continues.
    process: Mutex<Process>,
    /// Why it does not, when it was told to.
    pub(crate) refused: Option<Error>,
}

/// The task that this process continues as a whole.
#[derive(Debug, Default)]
struct Process {
    carrier: Option<Carrier>,
    task: Option<Task>,
}

/// Where a span without a parent belongs.
#[derive(Debug)]
pub(crate) enum Above<'a> {
    /// It is a root of its own.
    Nothing,
    /// It is the task that this process continues.
    Elsewhere(Continuing<'a>),
    /// It is below the task that this process continues.
    Process(Task),
}

/// What this process continues, on its way to becoming a task. Other spans without a parent wait until it has.
#[derive(Debug)]
pub(crate) struct Continuing<'a> {
    pub(crate) carrier: Carrier,
    process: MutexGuard<'a, Process>,
}

impl Rules {
    pub(crate) fn new(inherit: Inherit, carrier: Option<Carrier>, refused: Option<Error>) -> Self {
        let continues = carrier.is_some();
        Self { inherit, continues, process: Mutex::new(Process { carrier, task: None }), refused }
    }

    /// Where the next span without a parent belongs. The first one of a process that continues a task *is* that task;
    /// later ones are its subtasks.
    pub(crate) fn above_root(&self) -> Above<'_> {
        if !self.continues {
            return Above::Nothing;
        }
        let mut process = lock(&self.process);
        match (process.carrier.take(), &process.task) {
            (Some(carrier), _) => Above::Elsewhere(Continuing { carrier, process }),
            (None, Some(task)) => Above::Process(task.clone()),
            (None, None) => Above::Nothing,
        }
    }
}

impl Continuing<'_> {
    /// Remembers the task that it has become.
    pub(crate) fn begun(mut self, task: &Task) {
        self.process.task = Some(task.clone());
    }
}
