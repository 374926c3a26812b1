//! Child processes that continue a task of this one.

use std::process::Command;

use crate::carrier::TASK_VARIABLE;
use crate::task::Task;

/// Hands a task over to a child process through its environment.
///
/// ```no_run
/// use spanlake_scope::CommandExt;
/// use std::process::Command;
///
/// let status = Command::new("load-orders").continue_task().status()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait CommandExt {
    /// Reserves a subtask of the current task for the child, and sets `SPANLAKE_TASK` and `TRACEPARENT` to it. The
    /// child continues it with [`ScopeLayerBuilder::continue_from_env`](crate::ScopeLayerBuilder::continue_from_env).
    ///
    /// Without a current task the child gets no `SPANLAKE_TASK`, not even the one this process was started with.
    fn continue_task(&mut self) -> &mut Self;
}

impl CommandExt for Command {
    fn continue_task(&mut self) -> &mut Self {
        match Task::current().and_then(|task| task.export()) {
            Some(carrier) => self.envs(carrier.variables()),
            None => self.env_remove(TASK_VARIABLE),
        }
    }
}
