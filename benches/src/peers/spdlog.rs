//! `spdlog-rs`: its JSON formatter into its file sink, on the calling thread or through its thread pool.

use std::{num::NonZeroUsize, sync::Arc};

use spdlog::{
    Level, LevelFilter, Logger, ThreadPool,
    formatter::JsonFormatter,
    sink::{AsyncPoolSink, FileSink, OverflowPolicy, Sink},
};

use super::{LOGGER, Peer, QUEUE_LEN, Session};
use crate::{
    Result,
    pace::Pace,
    trial::Trial,
    work::{ATTEMPT, LOAD_TABLE, Row, USER},
};

/// Formats and writes on the calling thread.
pub(super) const SYNC: Peer = Peer { name: "spdlog-sync", takes: LOGGER, open: |trial| open(file_sink(trial)?) };

/// Hands a copy of the record to the pool's one thread.
pub(super) const ASYNC: Peer =
    Peer { name: "spdlog-async", takes: LOGGER, open: |trial| open(pool_sink(file_sink(trial)?)?) };

fn open(sink: Arc<dyn Sink>) -> Result<Box<dyn Session>> {
    let mut builder = Logger::builder();
    let logger = builder.sink(sink).level_filter(LevelFilter::MoreSevereEqual(Level::Info)).build()?;
    Ok(Box::new(Spdlog { logger: Some(logger) }))
}

fn file_sink(trial: &Trial) -> Result<Arc<dyn Sink>> {
    let path = trial.out.join("records.jsonl");
    Ok(FileSink::builder().path(path).formatter(JsonFormatter::new()).build_arc()?)
}

fn pool_sink(sink: Arc<dyn Sink>) -> Result<Arc<dyn Sink>> {
    let capacity = NonZeroUsize::new(QUEUE_LEN).ok_or("the queue has no room")?;
    let pool = ThreadPool::builder().capacity(capacity).build_arc()?;
    Ok(AsyncPoolSink::builder().sink(sink).thread_pool(pool).overflow_policy(OverflowPolicy::Block).build_arc()?)
}

struct Spdlog {
    logger: Option<Logger>,
}

impl Session for Spdlog {
    fn events(&self, pace: &mut Pace) {
        let Some(logger) = &self.logger else { return };
        pace.drive(|n| {
            let Row { rows, table, ok } = Row::nth(n);
            spdlog::info!(
                logger: logger, "wrote batch",
                kv: { rows, table, ok, user = USER, load_table = LOAD_TABLE, attempt = ATTEMPT }
            );
        });
    }

    fn disabled(&self, pace: &mut Pace) {
        let Some(logger) = &self.logger else { return };
        pace.drive(|n| {
            let Row { rows, table, ok } = Row::nth(n);
            spdlog::debug!(
                logger: logger, "wrote batch",
                kv: { rows, table, ok, user = USER, load_table = LOAD_TABLE, attempt = ATTEMPT }
            );
        });
    }

    /// Dropping the last handle joins the pool and flushes the file.
    fn finish(&mut self) -> Result<()> {
        self.logger = None;
        Ok(())
    }
}
