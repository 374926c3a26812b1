//! Doing something again after a failure, every attempt a task of its own.

use std::error::Error;
use std::time::Duration;

use spanlake::Task;
use tokio::time::sleep;
use tracing::{info, instrument};

pub(crate) struct Policy {
    pub(crate) attempts_max: u32,
    /// The first pause; each further one is twice as long.
    pub(crate) pause: Duration,
}

/// Runs `work` until it succeeds or the policy is used up. Between attempts `remedy` may take away the cause.
pub(crate) async fn retry<T, E, F>(
    policy: Policy,
    mut work: impl FnMut() -> F,
    mut remedy: impl FnMut(&E) -> Result<(), E>,
) -> Result<T, E>
where
    E: Error + 'static,
    F: Future<Output = Result<T, E>>,
{
    let mut number = 1;
    let mut pause = policy.pause;
    loop {
        let error = match attempt(number, work()).await {
            Err(error) if number < policy.attempts_max => error,
            outcome => return outcome,
        };
        remedy(&error)?;
        // As an error value and not as its text, so that a layer can follow the sources down to the reason.
        info!(number, pause_ms = pause.as_millis(), cause = &error as &dyn Error, "trying again after a pause");
        sleep(pause).await;
        number += 1;
        pause *= 2;
    }
}

/// A failure here is a warning: whether it is an error is for the caller of `retry` to say.
#[instrument(skip(work), err(level = "warn"), fields(etl.attempt = number))]
async fn attempt<T, E: Error + 'static>(number: u32, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    // `err` tells the error alone; told to the task itself, its causes are kept too.
    work.await.inspect_err(|error| Task::current().into_iter().for_each(|task| task.fail(error)))
}
