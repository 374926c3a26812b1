//! `slog` with `slog-json` behind `slog-async`, which blocks when its queue is full.

use std::{fs::File, io::BufWriter};

use slog::{Drain, Level, LevelFilter, Logger, o};
use slog_async::{Async, AsyncGuard, OverflowStrategy};
use slog_json::Json;

use super::{LOGGER, Peer, QUEUE_LEN, Session};
use crate::{
    Result,
    pace::Pace,
    trial::Trial,
    work::{ATTEMPT, LOAD_TABLE, Row, USER},
};

/// Contexts are loggers with values of their own.
pub(super) const PEER: Peer = Peer { name: "slog-async", takes: LOGGER, open };

fn open(trial: &Trial) -> Result<Box<dyn Session>> {
    let json = Json::default(BufWriter::new(File::create(trial.out.join("records.jsonl"))?));
    let queue = Async::new(json.fuse()).chan_size(QUEUE_LEN).overflow_strategy(OverflowStrategy::Block);
    let (drain, guard) = queue.build_with_guard();
    let root = Logger::root(LevelFilter::new(drain, Level::Info).fuse(), o!());
    Ok(Box::new(SlogAsync { root, guard: Some(guard) }))
}

struct SlogAsync {
    root: Logger,
    guard: Option<AsyncGuard>,
}

impl SlogAsync {
    fn load(&self) -> Logger {
        self.root.new(o!("user" => USER)).new(o!("load_table" => LOAD_TABLE, "attempt" => ATTEMPT))
    }
}

impl Session for SlogAsync {
    fn events(&self, pace: &mut Pace) {
        let load = self.load();
        pace.drive(|n| {
            let Row { rows, table, ok } = Row::nth(n);
            slog::info!(load, "wrote batch"; "rows" => rows, "table" => table, "ok" => ok);
        });
    }

    fn disabled(&self, pace: &mut Pace) {
        let load = self.load();
        pace.drive(|n| {
            let Row { rows, table, ok } = Row::nth(n);
            slog::debug!(load, "wrote batch"; "rows" => rows, "table" => table, "ok" => ok);
        });
    }

    /// The guard joins the worker, which drops and so flushes the file.
    fn finish(&mut self) -> Result<()> {
        self.guard = None;
        Ok(())
    }
}
