//! `fast_log`: text of the calling thread, a time and a level of the background, one unbounded queue.

use log::{LevelFilter, Log};

use super::{LOGGER, Peer, Session};
use crate::{
    Result,
    pace::Pace,
    trial::Trial,
    work::{ATTEMPT, LOAD_TABLE, Row, USER},
};

/// Knows no fields: they are part of the message, as JSON.
pub(super) const PEER: Peer = Peer { name: "fast_log", takes: LOGGER, open };

fn open(trial: &Trial) -> Result<Box<dyn Session>> {
    let path = trial.out.join("records.log");
    let path = path.to_str().ok_or("the folder's name is not text")?;
    let config = fast_log::Config::new().file(path).level(LevelFilter::Info);
    Ok(Box::new(FastLog { logger: fast_log::init(config)? }))
}

struct FastLog {
    logger: &'static dyn Log,
}

impl Session for FastLog {
    fn events(&self, pace: &mut Pace) {
        pace.drive(|n| {
            let Row { rows, table, ok } = Row::nth(n);
            log::info!(
                "{{\"message\":\"wrote batch\",\"rows\":{rows},\"table\":\"{table}\",\"ok\":{ok},\
                 \"user\":\"{USER}\",\"load_table\":\"{LOAD_TABLE}\",\"attempt\":{ATTEMPT}}}"
            );
        });
    }

    fn disabled(&self, pace: &mut Pace) {
        pace.drive(|n| {
            let Row { rows, table, ok } = Row::nth(n);
            log::debug!(r#"{{"message":"wrote batch","rows":{rows},"table":"{table}","ok":{ok}}}"#);
        });
    }

    fn finish(&mut self) -> Result<()> {
        self.logger.flush();
        Ok(())
    }
}
