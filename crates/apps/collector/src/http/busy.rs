//! Whether a connection has something to do.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// Requests of a connection that are being answered.
#[derive(Clone, Debug)]
pub(super) struct Busy(Arc<watch::Sender<usize>>);

struct Working(Busy);

impl Busy {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(0)))
    }

    /// The same work, which counts from now until it is done or given up.
    pub(super) fn doing<T, F: Future<Output = T>>(&self, work: F) -> impl Future<Output = T> + use<T, F> {
        self.0.send_modify(|count| *count += 1);
        let working = Working(self.clone());
        async move {
            let _working = working;
            work.await
        }
    }

    /// Comes back when nothing has been done for so long.
    pub(super) async fn rest(&self, time: Duration) {
        let mut count = self.0.subscribe();
        loop {
            // Neither fails: the sender is held here.
            let _ = count.wait_for(|count| *count == 0).await;
            if timeout(time, count.changed()).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.0.0.send_modify(|count| *count -= 1);
    }
}
