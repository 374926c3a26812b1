//! The child: a program that logs and then ends.
//!
//! Each of its writers opens a task and logs into it. An oracle notes each call when it has returned, in a file of the
//! writer's own, with one system call, so that whatever becomes of the process the parent knows how many there were.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use spanlake::prelude::*;
use tracing::{info, info_span};

use crate::storage::Storage;
use crate::way::{CODE, Way};

/// Set for a child only: its part, and the folder it works in.
const PART: &str = "SPANLAKE_TEST_PART";
const FOLDER: &str = "SPANLAKE_TEST_FOLDER";

/// How many events a writer logs, besides its task's begin and end.
pub(crate) const EVENTS: u64 = 1_000;

/// Longer than anything here takes, so that only a defect reaches it.
const LONG: Duration = Duration::from_secs(60);

/// What a child has to play.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) way: Way,
    pub(crate) storage: Storage,
    pub(crate) threads: usize,
    /// Whether the other writers log on until the end, instead of waiting for it in their open tasks.
    pub(crate) busy: bool,
    /// Whether `spanlake::init` sets it up, instead of a builder that lets nothing but the end bring records home.
    pub(crate) by_init: bool,
    pub(crate) folder: PathBuf,
}

impl Part {
    pub(crate) fn of_this_process() -> Option<Self> {
        let part = std::env::var(PART).ok()?;
        let folder = PathBuf::from(std::env::var_os(FOLDER)?);
        let [way, storage, threads, busy, by_init] = part.split(',').collect::<Vec<_>>()[..] else {
            panic!("not a part: {part}");
        };
        let number = |text: &str| text.parse::<usize>().expect("a number");
        Some(Self {
            way: Way::ALL[number(way)],
            storage: Storage::ALL[number(storage)],
            threads: number(threads),
            busy: number(busy) == 1,
            by_init: number(by_init) == 1,
            folder,
        })
    }

    /// What the child finds in its environment.
    pub(crate) fn environment(&self) -> [(&'static str, std::ffi::OsString); 2] {
        let Self { way, storage, threads, busy, by_init, folder } = self;
        let way = Way::ALL.iter().position(|each| each == way).expect("one of all");
        let storage = Storage::ALL.iter().position(|each| each == storage).expect("one of all");
        let part = format!("{way},{storage},{threads},{},{}", u8::from(*busy), u8::from(*by_init));
        [(PART, part.into()), (FOLDER, folder.into())]
    }

    pub(crate) fn lake(&self) -> PathBuf {
        self.folder.join("lake")
    }

    /// Where the oracle notes what a writer did.
    pub(crate) fn oracle(&self) -> PathBuf {
        self.folder.join("oracle")
    }

    /// How much each writer had done when a sudden end began, noted by the child that brings it about itself.
    pub(crate) fn before(&self) -> PathBuf {
        self.folder.join("before")
    }

    /// Made when the child waits for its end.
    pub(crate) fn ready(&self) -> PathBuf {
        self.folder.join("ready")
    }
}

pub(crate) fn play(part: Part) {
    static GUARD: OnceLock<Guard> = OnceLock::new();
    // Nobody wants to see the core of a child that dies as it should.
    setrlimit(Resource::Core, Rlimit { current: Some(0), ..getrlimit(Resource::Core) }).expect("less is allowed");
    match part.way {
        Way::AsyncMain => runtime().block_on(async {
            let _guard = set_up(&part);
            write_in_tokio_tasks(&part).await;
        }),
        Way::RuntimeFirst => {
            let _guard = set_up(&part);
            let runtime = runtime();
            runtime.block_on(write_in_tokio_tasks(&part));
            drop(runtime);
        }
        Way::Leaked => {
            std::mem::forget(set_up(&part));
            write_in_threads(&part);
        }
        Way::Static => {
            GUARD.get_or_init(|| set_up(&part));
            write_in_threads(&part);
        }
        _ => {
            let _guard = set_up(&part);
            write_in_threads(&part);
        }
    }
}

fn set_up(part: &Part) -> Guard {
    let signals = part.way != Way::SigtermUnasked;
    if part.by_init {
        let builder = spanlake::builder().lake(part.lake()).console(LevelFilter::OFF);
        let builder = if signals { builder.shutdown_on_signals() } else { builder };
        return builder.init().expect("nothing was set up before");
    }
    // The pump sleeps until somebody wakes it, so that what the end does not write is not written.
    let builder = CaptureLayer::builder().drain_every(LONG).flush_every(LONG);
    let builder = builder.shutdown_at_exit().shutdown_on_fatal_panic();
    let builder = if signals { builder.shutdown_on_signals() } else { builder };
    let builder = part.storage.choose(builder, part).sink(JsonlSink::new(part.lake()));
    let (capture, guard) = builder.build().expect("threads and hooks");
    tracing_subscriber::registry().with(capture).init();
    guard
}

// === writers ===

/// Notes that a call has returned.
struct Oracle(File);

impl Oracle {
    fn of(part: &Part, writer: &str) -> Self {
        std::fs::create_dir_all(part.oracle()).expect("our own folder");
        Self(File::create(part.oracle().join(writer)).expect("our own folder"))
    }

    fn note(&mut self) {
        self.0.write_all(b".").expect("room for a byte");
    }
}

/// The end of a task is a call as well; it returns when the span is gone.
impl Drop for Oracle {
    fn drop(&mut self) {
        self.note();
    }
}

/// A task with its events, and what the writer does in the middle of it.
fn write(part: &Part, writer: &str, then: impl FnOnce(&mut Oracle)) {
    let mut oracle = Oracle::of(part, writer);
    let span = info_span!("write", writer);
    oracle.note();
    let _inside = span.enter();
    for at in 0..EVENTS {
        info!(at, "written");
        oracle.note();
    }
    then(&mut oracle);
}

/// `main` is the first writer, and the one that brings the end about.
fn write_in_threads(part: &Part) {
    if part.way.lets_tasks_end() {
        return thread::scope(|scope| {
            others(part).for_each(|writer| drop(scope.spawn(move || write(part, &writer, |_| ()))));
            write(part, "main", |_| ());
            if part.way == Way::PanicInThread {
                let panics = scope.spawn(|| write(part, "panics", |_| panic!("as told")));
                panics.join().expect_err("it panics");
            }
        });
    }
    let in_the_middle = Arc::new(Barrier::new(part.threads));
    for writer in others(part) {
        let (part, in_the_middle) = (part.clone(), Arc::clone(&in_the_middle));
        thread::spawn(move || {
            write(&part, &writer, |oracle| {
                in_the_middle.wait();
                go_on(&part, oracle);
            })
        });
    }
    write(part, "main", |oracle| {
        in_the_middle.wait();
        end(part, oracle);
    });
}

async fn write_in_tokio_tasks(part: &Part) {
    let spawn = |writer: String| {
        let part = part.clone();
        tokio::spawn(async move { write(&part, &writer, |_| ()) })
    };
    let tasks: Vec<_> = others(part).chain(["main".to_owned()]).map(spawn).collect();
    for task in tasks {
        task.await.expect("no panic");
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().expect("a runtime")
}

fn others(part: &Part) -> impl Iterator<Item = String> + use<> {
    (1..part.threads).map(|number| format!("other {number}"))
}

/// What a writer does that has nothing to do with the end.
fn go_on(part: &Part, oracle: &mut Oracle) {
    if !part.busy {
        return wait();
    }
    loop {
        info!("on and on");
        oracle.note();
    }
}

// === the end ===

/// Brings the end about, or waits for it, in the middle of a task.
fn end(part: &Part, oracle: &mut Oracle) {
    if part.way.signal().is_some() {
        File::create(part.ready()).expect("our own folder");
        return go_on(part, oracle);
    }
    if part.busy || part.way == Way::ExitInThread {
        let another = part.clone();
        thread::spawn(move || write(&another, "ends", |_| end_at_once(&another)));
        return go_on(part, oracle);
    }
    end_at_once(part);
}

fn end_at_once(part: &Part) {
    note_before(part);
    match part.way {
        Way::PanicInMain => panic!("as told"),
        Way::PanicInPanic => {
            let _out_of_this = PanicsAtDrop;
            panic!("the first of two");
        }
        Way::Exit | Way::ExitInThread => std::process::exit(CODE),
        Way::Abort => std::process::abort(),
        Way::OutOfMemory => exhaust_memory(),
        way => unreachable!("{way:?} has its own place"),
    }
}

/// What every writer has done by now is in the lake if the process ends well.
fn note_before(part: &Part) {
    let lens = lens_of(&part.oracle());
    let text: String = lens.map(|(writer, len)| format!("{writer}={len}\n")).collect();
    std::fs::write(part.before(), text).expect("our own folder");
}

/// The writers, and how much each has done.
pub(crate) fn lens_of(oracle: &Path) -> impl Iterator<Item = (String, u64)> + use<> {
    let files = std::fs::read_dir(oracle).expect("the oracle's folder").map(|entry| entry.expect("an entry"));
    files.map(|file| (file.file_name().into_string().expect("a name"), file.metadata().expect("a file").len()))
}

struct PanicsAtDrop;

impl Drop for PanicsAtDrop {
    fn drop(&mut self) {
        panic!("the second of two");
    }
}

/// As a kernel without memory does it to a program that was given a limit.
fn exhaust_memory() {
    const SOME: u64 = 64 << 20;
    let status = std::fs::read_to_string("/proc/self/status").expect("a kernel that tells");
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:")).expect("a size");
    let kib: u64 = size.trim().trim_end_matches(" kB").parse().expect("a number");
    let limit = Some((kib << 10) + SOME);
    setrlimit(Resource::As, Rlimit { current: limit, ..getrlimit(Resource::As) }).expect("less is allowed");
    let mut hoard = Vec::new();
    loop {
        hoard.push(vec![1_u8; 1 << 20]);
    }
}

/// Waits for an end that comes from elsewhere, but not for ever.
fn wait() {
    let deadline = Instant::now() + LONG;
    while Instant::now() < deadline {
        thread::park_timeout(LONG);
    }
    std::process::exit(99);
}
