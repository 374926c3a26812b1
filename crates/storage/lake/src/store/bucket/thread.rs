//! The thread that a client works on, because nobody may wait for a runtime inside another one.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use spanlake_core::guest::{self, Place};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// A thread with a runtime. It ends when this is dropped, and nobody waits for that.
pub(super) struct Thread {
    jobs: Sender<Job>,
}

type Job = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How much longer than its own deadline a job is waited for. It is late only when something holds the thread up.
const GRACE: Duration = Duration::from_secs(1);

// === impl Thread ===

impl Thread {
    /// Starts it. The runtime is made and dropped there: neither may happen inside another runtime.
    pub(super) fn spawn() -> io::Result<Self> {
        let (jobs, queue) = channel(1);
        let (tell, told) = sync_channel(1);
        let work = move || match Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => {
                let _ = tell.send(Ok(()));
                work(&runtime, queue);
                runtime.shutdown_background();
            }
            Err(error) => drop(tell.send(Err(error))),
        };
        std::thread::Builder::new().name("spanlake-store".to_owned()).spawn(work)?;
        told.recv().map_err(|_| io::Error::other("the thread is gone"))??;
        Ok(Self { jobs })
    }

    /// Lets it do something that is done within `timeout`, and waits for the outcome.
    pub(super) fn run<T: Send + 'static>(
        &self,
        timeout: Duration,
        work: impl Future<Output = T> + Send + 'static,
    ) -> io::Result<T> {
        let (tell, told) = sync_channel(1);
        let job: Job = Box::pin(async move { drop(tell.send(work.await)) });
        self.jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => io::Error::new(ErrorKind::WouldBlock, "an earlier operation has not ended yet"),
            TrySendError::Closed(_) => io::Error::other("the thread is gone"),
        })?;
        told.recv_timeout(timeout.saturating_add(GRACE)).map_err(|error| match error {
            RecvTimeoutError::Timeout => io::Error::new(ErrorKind::TimedOut, "the thread does not answer"),
            RecvTimeoutError::Disconnected => io::Error::other("the client panicked"),
        })
    }
}

/// One job after the other. Between them the runtime goes on, so that connections that the server closes are noticed.
fn work(runtime: &Runtime, mut queue: Receiver<Job>) {
    // What an HTTP client logs is not to be recorded: it would become more to upload.
    let _inside = guest::enter(Place::Pump);
    runtime.block_on(async {
        while let Some(job) = queue.recv().await {
            // A task of its own keeps a panic from the thread; who waits learns of it by the channel.
            let _ = tokio::spawn(job).await;
        }
    });
}
