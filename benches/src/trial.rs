//! One run of one peer in this process: what was asked, and what it cost.

use std::{
    path::PathBuf,
    sync::Barrier,
    thread,
    time::{Duration, Instant},
};

use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike,
};
use serde::{Deserialize, Serialize};

use crate::{
    Result,
    output::Output,
    pace::Pace,
    peers::{Peer, Session},
    work::Work,
};

/// What a peer is asked to do.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The kind of operation.
    pub work: Work,
    /// How many threads share the operations.
    pub threads: u64,
    /// How many operations there are in all.
    pub count: u64,
    /// An existing, empty folder for the peer's files.
    pub out: PathBuf,
}

/// What a trial cost.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// The peer's name.
    pub peer: String,
    /// The kind of operation.
    pub work: Work,
    /// How many threads shared the operations.
    pub threads: u64,
    /// How many operations there were in all.
    pub count: u64,
    /// Wall time per operation on the calling threads, the mean over them.
    pub caller_ns: f64,
    /// User and system time of the whole process per operation, until everything was in the file.
    pub cpu_ns: f64,
    /// Wall time from the first operation until everything was in the file.
    pub wall_ms: f64,
    /// Records found in the output.
    pub found: u64,
    /// Records found over records expected; none where none were expected.
    pub kept: Option<f64>,
    /// Bytes of all files over records found.
    pub bytes_per_record: Option<f64>,
}

impl Trial {
    /// Opens the peer, gives it the work, waits until everything is in the file, and counts.
    pub fn run(&self, peer: &Peer) -> Result<Measured> {
        let mut session = (peer.open)(self)?;
        let (cpu, started) = (cpu_time()?, Instant::now());
        let caller_ns = self.produce(&*session);
        session.finish()?;
        let (cpu, wall) = (cpu_time()? - cpu, started.elapsed());
        let output = session.found(self)?;
        Ok(self.measured(peer, caller_ns, cpu, wall, output))
    }

    fn produce(&self, session: &dyn Session) -> f64 {
        let start = Barrier::new(self.threads as usize);
        let total_ns: f64 = thread::scope(|scope| {
            let produce = |index| self.produce_share(session, &start, index);
            let threads: Vec<_> = (0..self.threads).map(|index| scope.spawn(move || produce(index))).collect();
            threads.into_iter().map(|thread| thread.join().expect("a producer panicked")).sum()
        });
        total_ns / self.threads as f64
    }

    fn produce_share(&self, session: &dyn Session, start: &Barrier, index: u64) -> f64 {
        let mut pace = Pace::new(self.work, self.count, self.threads, index);
        start.wait();
        match self.work {
            Work::Events | Work::Burst => session.events(&mut pace),
            Work::Spans => session.spans(&mut pace),
            Work::Disabled => session.disabled(&mut pace),
        }
        pace.caller_ns()
    }

    fn measured(&self, peer: &Peer, caller_ns: f64, cpu: Duration, wall: Duration, output: Output) -> Measured {
        let expected = self.count * peer.records_per_operation(self.work).unwrap_or_default();
        Measured {
            peer: peer.name.to_owned(),
            work: self.work,
            threads: self.threads,
            count: self.count,
            caller_ns,
            cpu_ns: cpu.as_nanos() as f64 / self.count as f64,
            wall_ms: wall.as_secs_f64() * 1e3,
            found: output.records,
            kept: ratio(output.records, expected),
            bytes_per_record: ratio(output.bytes, output.records),
        }
    }
}

fn cpu_time() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(micros.try_into()?))
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
