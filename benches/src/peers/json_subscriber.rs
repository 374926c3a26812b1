//! `json-subscriber` into the non-blocking writer of `tracing-appender`.

use tracing::level_filters::LevelFilter;

use super::{
    LOGGER, Peer, Session, Traced,
    tracing_json::{end, lossless_writer},
};
use crate::{Result, trial::Trial};

/// Keeps each span's JSON instead of formatting and parsing it again.
pub(super) const PEER: Peer = Peer { name: "json-subscriber-nb", takes: LOGGER, open };

fn open(trial: &Trial) -> Result<Box<dyn Session>> {
    let (writer, guard) = lossless_writer(trial)?;
    let subscriber = json_subscriber::fmt().with_max_level(LevelFilter::INFO).with_writer(writer).finish();
    Ok(Box::new(Traced::install(subscriber, move || end(guard))?))
}
