//! How often something is tried, and for how long.
//!
//! The client's own retries are off: of an object that is to be new it matters whether an earlier try may have made it.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::time::Duration;

use spanlake_core::clock::deadline;
use tokio::time::{sleep, timeout};

use super::failure::can_pass;

/// How long an operation is tried.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// With all its tries.
    pub(super) timeout: Duration,
    /// Until the last try begins.
    pub(super) retry_timeout: Duration,
}

/// What came of the last try.
pub(super) struct Answer<T> {
    pub(super) result: object_store::Result<T>,
    /// How many there were.
    pub(super) tries: u32,
}

/// How long to wait before the second try; twice as long before each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// But no longer.
const MAX_PAUSE: Duration = Duration::from_secs(5);

// === impl Patience ===

impl Patience {
    /// Tries until it succeeds, or fails for good, or the time is up.
    pub(super) async fn tried<T, F>(self, work: impl FnMut() -> F) -> io::Result<Answer<T>>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        let late = || io::Error::new(ErrorKind::TimedOut, format!("not done within {:?}", self.timeout));
        timeout(self.timeout, self.tries(work)).await.map_err(|_| late())
    }

    async fn tries<T, F>(self, mut work: impl FnMut() -> F) -> Answer<T>
    where
        F: Future<Output = object_store::Result<T>>,
    {
        // An answer that says why is worth more than one more try that cannot end in time.
        let until = deadline(self.retry_timeout.min(self.timeout));
        let (mut tries, mut pause) = (1, FIRST_PAUSE);
        loop {
            let result = work().await;
            let is_last = deadline(pause) >= until;
            if is_last || !result.as_ref().is_err_and(can_pass) {
                return Answer { result, tries };
            }
            sleep(pause).await;
            tries += 1;
            pause = MAX_PAUSE.min(pause * 2);
        }
    }
}
