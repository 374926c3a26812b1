//! The peers: one module each, all of one shape, and the list of them.
//!
//! A module holds its [`Peer`] as a constant, `open`, and a [`Session`]; a peer that is a `tracing` subscriber uses the
//! session in [`Traced`]. Queues whose length can be set hold [`QUEUE_LEN`] records and block when full.

mod traced;

mod emit_file;
mod fast_log;
mod fastrace;
mod floor_json;
mod floor_noop;
mod json_subscriber;
mod logforth;
mod slog_async;
mod spanlake;
mod spdlog;
mod tracing_json;

pub use traced::Traced;

use crate::{
    Result,
    output::{self, Output},
    pace::Pace,
    trial::Trial,
    work::Work,
};

/// Every peer, floors first.
pub const PEERS: &[Peer] = &[
    floor_noop::PEER,
    floor_json::PEER,
    tracing_json::NON_BLOCKING,
    tracing_json::NEW_CLOSE,
    json_subscriber::PEER,
    fastrace::PEER,
    spdlog::SYNC,
    spdlog::ASYNC,
    fast_log::PEER,
    slog_async::PEER,
    emit_file::PEER,
    logforth::PEER,
    spanlake::MEMORY,
    spanlake::BY_TARGET,
    spanlake::BY_TASK,
    spanlake::ROUTED,
    spanlake::JSONL,
    spanlake::SPOOL,
    spanlake::PARQUET,
];

/// How many records a bounded queue holds, where it can be set: the default of `tracing-appender`.
pub const QUEUE_LEN: usize = 128_000;

/// The works of a logger: a record for each event.
pub const LOGGER: &[(Work, u64)] = &[(Work::Events, 1), (Work::Burst, 1), (Work::Disabled, 0)];

/// One logger or tracer under one configuration.
#[derive(Debug)]
pub struct Peer {
    /// How it is called on the command line and in tables.
    pub name: &'static str,
    /// The works it takes, and how many records one operation leaves in its output.
    pub takes: &'static [(Work, u64)],
    /// Installs it in this process, writing below the trial's folder.
    pub open: fn(&Trial) -> Result<Box<dyn Session>>,
}

/// An installed peer.
///
/// A method is called only for the works the peer takes, once on each producer thread.
pub trait Session: Sync {
    /// Opens the two contexts and records the events.
    fn events(&self, _pace: &mut Pace) {}

    /// Opens a root and creates, enters and closes the spans.
    fn spans(&self, _pace: &mut Pace) {}

    /// Offers events below the level.
    fn disabled(&self, _pace: &mut Pace) {}

    /// Returns once every record is in the file; its CPU time counts.
    fn finish(&mut self) -> Result<()>;

    /// Counts what was kept; not measured.
    fn found(&self, trial: &Trial) -> Result<Output> {
        output::lines(&trial.out, trial.work.marker())
    }
}

impl Peer {
    /// How many records one operation leaves, or none if the peer does not take this work.
    pub fn records_per_operation(&self, work: Work) -> Option<u64> {
        self.takes.iter().find(|(taken, _)| *taken == work).map(|(_, records)| *records)
    }
}

/// The peer of this name, if it takes this work.
pub fn find(name: &str, work: Work) -> Result<&'static Peer> {
    let peer = PEERS.iter().find(|peer| peer.name == name).ok_or_else(|| format!("no peer is called {name}"))?;
    peer.records_per_operation(work).ok_or_else(|| format!("{name} does not take {work}"))?;
    Ok(peer)
}

/// All peers that take this work.
pub fn for_work(work: Work) -> impl Iterator<Item = &'static Peer> {
    PEERS.iter().filter(move |peer| peer.records_per_operation(work).is_some())
}
