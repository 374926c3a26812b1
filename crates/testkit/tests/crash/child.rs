//! The child: four threads that record numbered events as fast as they can, and note each call that returned.
//!
//! The note is a number in a mapped file, so that it outlives the child like the spool does. It is written after the call
//! returned: a record is owed when its number is below the note, and may be there when it is the note itself.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::thread;
use std::time::Duration;

use spanlake::CaptureLayerBuilder;
use spanlake::prelude::*;
use spanlake_core::disk;
use spanlake_core::spool::SpoolOptions;
use spanlake_lake::Recovery;

/// Says to a child what it is to do; absent in the parent.
const ROLE: &str = "SPANLAKE_CRASH_ROLE";

/// The folder in which everything stands.
const FOLDER: &str = "SPANLAKE_CRASH_FOLDER";

pub(crate) const THREADS: usize = 4;

/// Details of each task of [`Role::Hold`].
pub(crate) const DETAILS: u64 = 7;

/// Whether the task fails that a detail belongs to.
pub(crate) fn fails(number: u64) -> bool {
    (number / DETAILS) % 10 == 3
}

/// What a child does until it is killed, or is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Records and flushes every few milliseconds, so that checkpoints and published files are many.
    Record,
    /// The same as details of short tasks, which a flight recorder holds until their task fails, as one of ten does.
    Hold,
    /// Recovers the lake.
    Recover,
}

/// Where a run's lake, spool and notes are.
pub(crate) struct Stand {
    pub(crate) folder: PathBuf,
}

impl Stand {
    pub(crate) fn lake(&self) -> PathBuf {
        self.folder.join("lake")
    }

    pub(crate) fn recovery(&self) -> Recovery {
        Recovery::new(self.lake())
    }

    /// How many calls of each thread are known to have returned.
    pub(crate) fn returned(&self) -> [u64; THREADS] {
        std::array::from_fn(|thread| {
            let note = fs::read(note_path(&self.folder, thread)).unwrap_or_default();
            note.first_chunk().map_or(0, |note| u64::from_le_bytes(*note))
        })
    }

    /// Starts this executable again; waits until it says that it is at work.
    pub(crate) fn start(&self, role: Role) -> (Child, BufReader<ChildStdout>) {
        let mut child = Command::new(std::env::current_exe().expect("this executable"))
            .args(["--exact", "child::child_of_another_test", "--nocapture"])
            .env(ROLE, format!("{role:?}"))
            .env(FOLDER, &self.folder)
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let mut out = BufReader::new(child.stdout.take().expect("its output"));
        let mut line = String::new();
        while !line.contains("at work") {
            line.clear();
            if out.read_line(&mut line).expect("a line") == 0 {
                break;
            }
        }
        (child, out)
    }

    /// Starts a child, kills it after a while, and waits for its end; gives whether it was killed before it was done.
    pub(crate) fn kill_after(&self, role: Role, pause: Duration) -> bool {
        let (mut child, mut out) = self.start(role);
        thread::sleep(pause);
        child.kill().expect("killed");
        let _ = out.read_to_end(&mut Vec::new());
        !child.wait().expect("it ended").success()
    }
}

/// Does what a parent asked for; nothing when this is no child.
#[test]
fn child_of_another_test() -> ExitCode {
    let (Ok(role), Ok(folder)) = (std::env::var(ROLE), std::env::var(FOLDER)) else {
        return ExitCode::SUCCESS;
    };
    let stand = Stand { folder: folder.into() };
    match role.as_str() {
        "Record" => record(&stand, builder(&stand), one_task),
        "Hold" => {
            record(&stand, builder(&stand).level(LevelFilter::DEBUG).processor(FlightRecorder::new()), short_tasks)
        }
        _ => {
            println!("at work");
            let recovered = stand.recovery().run().expect("the spools can be looked for");
            assert!(recovered.iter().all(|one| one.error.is_none()), "{recovered:?}");
        }
    }
    ExitCode::SUCCESS
}

fn builder(stand: &Stand) -> CaptureLayerBuilder {
    let spool = SpoolOptions::new(stand.lake().join(spanlake_core::spool::FOLDER)).sync_every(None);
    let often = Duration::from_millis(2);
    let builder = CaptureLayer::builder().spool_with(spool).drain_every(Duration::from_millis(1)).flush_every(often);
    let builder = builder.policy(Policy::Block(Duration::from_secs(60)));
    builder.sink(JsonlSink::new(stand.lake())).sink(ParquetSink::new(stand.lake()))
}

/// Lets all threads work until somebody kills them.
fn record(stand: &Stand, builder: CaptureLayerBuilder, work: fn(usize, &mut dyn FnMut(u64))) {
    let (capture, _guard) = builder.build().expect("a layer");
    tracing_subscriber::registry().with(capture).init();
    println!("at work");
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let folder = &stand.folder;
            scope.spawn(move || {
                let mut note = disk::real().map(&note_path(folder, thread), 8).expect("a note");
                work(thread, &mut |number| note[..8].copy_from_slice(&(number + 1).to_le_bytes()));
            });
        }
    });
}

/// Says each number, and that the call returned.
fn one_task(thread: usize, returned: &mut dyn FnMut(u64)) {
    let _task = tracing::info_span!("work", thread).entered();
    for number in 0u64.. {
        tracing::info!(thread, number, "m");
        returned(number);
    }
}

fn short_tasks(thread: usize, returned: &mut dyn FnMut(u64)) {
    for first in (0u64..).step_by(DETAILS as usize) {
        let _task = tracing::info_span!("unit", thread).entered();
        for number in first..first + DETAILS {
            tracing::debug!(thread, number, "m");
            returned(number);
        }
        if fails(first) {
            Task::current().expect("a task").fail(&std::io::Error::other("no luck"));
        }
    }
}

fn note_path(folder: &Path, thread: usize) -> PathBuf {
    folder.join(format!("note-{thread}"))
}
