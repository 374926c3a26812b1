//! The session of every peer that is a `tracing` subscriber: they differ only in what listens.

use tracing::{Dispatch, debug, dispatcher, info, info_span};

use super::Session;
use crate::{
    Result,
    output::{self, Output},
    pace::Pace,
    trial::Trial,
    work::{ATTEMPT, LOAD_TABLE, Row, USER},
};

type Finish = Box<dyn FnOnce() -> Result<()> + Send + Sync>;
type Found = Box<dyn Fn(&Trial) -> Result<Output> + Send + Sync>;

/// An installed subscriber, how it is brought to an end, and how its records are counted.
pub struct Traced {
    finish: Option<Finish>,
    found: Found,
}

impl Traced {
    /// Makes `subscriber` the one of this process; `finish` returns when all it took is in the file.
    pub fn install(
        subscriber: impl Into<Dispatch>,
        finish: impl FnOnce() -> Result<()> + Send + Sync + 'static,
    ) -> Result<Self> {
        dispatcher::set_global_default(subscriber.into())?;
        let found = |trial: &Trial| output::lines(&trial.out, trial.work.marker());
        Ok(Self { finish: Some(Box::new(finish)), found: Box::new(found) })
    }

    /// Counts in another way than by lines.
    #[must_use]
    pub fn found_by(mut self, found: impl Fn(&Trial) -> Result<Output> + Send + Sync + 'static) -> Self {
        self.found = Box::new(found);
        self
    }
}

impl Session for Traced {
    fn events(&self, pace: &mut Pace) {
        let _job = info_span!("job", user = USER).entered();
        let _load = info_span!("load", table = LOAD_TABLE, attempt = ATTEMPT).entered();
        pace.drive(|n| {
            let Row { rows, table, ok } = Row::nth(n);
            info!(rows, table, ok, "wrote batch");
        });
    }

    fn spans(&self, pace: &mut Pace) {
        let _job = info_span!("job", user = USER).entered();
        pace.drive(|n| drop(info_span!("step", n).entered()));
    }

    fn disabled(&self, pace: &mut Pace) {
        let _job = info_span!("job", user = USER).entered();
        let _load = info_span!("load", table = LOAD_TABLE, attempt = ATTEMPT).entered();
        pace.drive(|n| {
            let Row { rows, table, ok } = Row::nth(n);
            debug!(rows, table, ok, "wrote batch");
        });
    }

    fn finish(&mut self) -> Result<()> {
        self.finish.take().map_or(Ok(()), |finish| finish())
    }

    fn found(&self, trial: &Trial) -> Result<Output> {
        (self.found)(trial)
    }
}
