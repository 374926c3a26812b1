//! `logforth`: its JSON layout and file behind its asynchronous appender, which blocks when its queue is full.

use log::LevelFilter;
use logforth::{
    append::{asynchronous::AsyncBuilder, file::FileBuilder},
    core::default_logger,
    diagnostic::ThreadLocalDiagnostic,
    layout::JsonLayout,
    starter_log,
};

use super::{LOGGER, Peer, QUEUE_LEN, Session};
use crate::{
    Result,
    pace::Pace,
    trial::Trial,
    work::{ATTEMPT, LOAD_TABLE, Row, USER},
};

/// Contexts are values bound to the thread.
pub(super) const PEER: Peer = Peer { name: "logforth-async", takes: LOGGER, open };

fn open(trial: &Trial) -> Result<Box<dyn Session>> {
    let file = FileBuilder::new(&trial.out, "records").layout(JsonLayout::default()).build()?;
    let queue = AsyncBuilder::new("logforth").buffered_lines_limit(Some(QUEUE_LEN)).overflow_block().append(file);
    starter_log::builder()
        .dispatch(|dispatch| dispatch.diagnostic(ThreadLocalDiagnostic::default()).append(queue.build()))
        .try_apply()?;
    log::set_max_level(LevelFilter::Info);
    Ok(Box::new(Logforth))
}

struct Logforth;

impl Session for Logforth {
    fn events(&self, pace: &mut Pace) {
        bind_contexts();
        pace.drive(|n| {
            let Row { rows, table, ok } = Row::nth(n);
            log::info!(rows, table, ok; "wrote batch");
        });
    }

    fn disabled(&self, pace: &mut Pace) {
        bind_contexts();
        pace.drive(|n| {
            let Row { rows, table, ok } = Row::nth(n);
            log::debug!(rows, table, ok; "wrote batch");
        });
    }

    /// A flush travels through the queue without an answer; only the exit waits.
    fn finish(&mut self) -> Result<()> {
        default_logger().exit();
        Ok(())
    }
}

fn bind_contexts() {
    ThreadLocalDiagnostic::insert("user", USER);
    ThreadLocalDiagnostic::insert("load_table", LOAD_TABLE);
    ThreadLocalDiagnostic::insert("attempt", ATTEMPT.to_string());
}
