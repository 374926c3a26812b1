//! `emit` with `emit_file`: JSON of the calling thread, batches of the background.

use std::time::Duration;

use emit::Frame;

use super::{Peer, Session};
use crate::{
    Result,
    pace::Pace,
    trial::Trial,
    work::{ATTEMPT, LOAD_TABLE, Row, USER, Work},
};

/// Its queue holds 10,000 records and is emptied when full; the length cannot be set, and it never blocks.
pub(super) const PEER: Peer = Peer {
    name: "emit-file",
    takes: &[(Work::Events, 1), (Work::Burst, 1), (Work::Spans, 1), (Work::Disabled, 0)],
    open,
};

fn open(trial: &Trial) -> Result<Box<dyn Session>> {
    let files = emit_file::set(trial.out.join("records.jsonl")).spawn();
    let level = emit::level::min_filter(emit::Level::Info);
    emit::setup().emit_to(files).emit_when(level).try_init().ok_or("emit was set up before")?;
    Ok(Box::new(EmitFile))
}

struct EmitFile;

impl Session for EmitFile {
    fn events(&self, pace: &mut Pace) {
        in_contexts(|| {
            pace.drive(|n| {
                let Row { rows, table, ok } = Row::nth(n);
                emit::info!("wrote batch", rows, table, ok);
            });
        });
    }

    fn spans(&self, pace: &mut Pace) {
        in_contexts(|| pace.drive(step));
    }

    fn disabled(&self, pace: &mut Pace) {
        in_contexts(|| {
            pace.drive(|n| {
                let Row { rows, table, ok } = Row::nth(n);
                emit::debug!("wrote batch", rows, table, ok);
            });
        });
    }

    fn finish(&mut self) -> Result<()> {
        match emit::blocking_flush(Duration::from_secs(60)) {
            true => Ok(()),
            false => Err("the file was not flushed in a minute".into()),
        }
    }
}

#[emit::info_span("step", n)]
fn step(n: u64) {}

fn in_contexts(produce: impl FnOnce()) {
    let ctxt = emit::runtime::shared().ctxt();
    Frame::push(ctxt, emit::props! { user: USER }).call(|| {
        Frame::push(ctxt, emit::props! { load_table: LOAD_TABLE, attempt: ATTEMPT }).call(produce);
    });
}
