//! How long the other side asked to be left alone.

use std::time::{Duration, Instant};

use spanlake_core::Error;

/// A pause that the other side asked for. It is kept by failing, not by waiting: so a plugin can be stopped meanwhile.
#[derive(Debug, Default)]
pub(super) struct Pause(Option<Instant>);

impl Pause {
    pub(super) fn begin(&mut self, pause: Option<Duration>) {
        self.0 = pause.map(|pause| Instant::now() + pause);
    }

    /// Fails while it lasts.
    pub(super) fn check(&self, error: impl FnOnce() -> Error) -> Result<(), Error> {
        match self.0.map(|until| until.saturating_duration_since(Instant::now())) {
            Some(left) if !left.is_zero() => Err(error().with("left_ms", left.as_millis()).recoverable()),
            _ => Ok(()),
        }
    }
}
