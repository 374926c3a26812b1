//! The ends that drop no guard, and what may be in their way: each in a child process, this binary started again.
#![cfg(unix)]

use std::fs::File;
use std::io::Write;
use std::num::NonZeroUsize;
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio, exit};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use fork::Fork;
use signal_hook::consts::{SIGABRT, SIGINT, SIGTERM};
use signal_hook::low_level::raise;
use spanlake_capture::{CaptureLayer, CaptureLayerBuilder, Guard, Policy};
use spanlake_core::{Batch, Category, Error, Sink, Stage};
use tracing::{Dispatch, dispatcher, error, info};
use tracing_subscriber::layer::SubscriberExt;

/// Set for the child only: what it plays, and the folder it writes to.
const ROLE: &str = "CAPTURE_TEST_ROLE";
const FOLDER: &str = "CAPTURE_TEST_FOLDER";

/// Longer than anything here takes, so that only a defect reaches it.
const LONG: Duration = Duration::from_secs(60);

/// How long a sink that is stuck may hold an end up.
const SHORT: Duration = Duration::from_millis(300);

/// What the child exits with, when it exits.
const CODE: i32 = 3;

// === the child's part ===

/// Writes what each record says, a line each.
struct Lines(File);

impl Lines {
    fn in_file(name: &str) -> Self {
        let folder = PathBuf::from(std::env::var_os(FOLDER).expect("the parent names it"));
        Self(File::create(folder.join(name)).expect("a folder of our own"))
    }
}

impl Sink for Lines {
    fn name(&self) -> &str {
        "lines"
    }

    fn write(&mut self, batch: &Batch<'_>) -> Result<(), Error> {
        let text: String = batch.records().map(|record| format!("{}\n", record.message)).collect();
        let failed = |error| Error::new(Stage::Handler, "Lines", Category::Io, "cannot write").caused_by(error);
        self.0.write_all(text.as_bytes()).map_err(failed)
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// Never comes back.
struct Stuck;

impl Sink for Stuck {
    fn name(&self) -> &str {
        "stuck"
    }

    fn write(&mut self, _: &Batch<'_>) -> Result<(), Error> {
        wait_for_the_end()
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// Ends the process from the pump's thread.
struct Exits;

impl Sink for Exits {
    fn name(&self) -> &str {
        "exits"
    }

    fn write(&mut self, _: &Batch<'_>) -> Result<(), Error> {
        exit(CODE)
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// Panics when it is dropped.
struct PanicsAtDrop;

impl Drop for PanicsAtDrop {
    fn drop(&mut self) {
        panic!("out of a destructor");
    }
}

/// All ends, and a pump that sleeps until it is told to wake: nothing but the end brings records home.
fn builder() -> CaptureLayerBuilder {
    let builder = CaptureLayer::builder().drain_every(LONG).shutdown_timeout(LONG);
    builder.shutdown_at_exit().shutdown_on_fatal_panic().shutdown_on_signals()
}

fn stack(builder: CaptureLayerBuilder) -> (Dispatch, Guard) {
    let (capture, guard) = builder.build().expect("threads and hooks");
    (Dispatch::new(tracing_subscriber::registry().with(capture)), guard)
}

fn say(stack: &Dispatch, text: &str) {
    dispatcher::with_default(stack, || info!("{text}"));
}

fn wait_for_the_end() -> ! {
    let deadline = Instant::now() + 2 * LONG;
    while Instant::now() < deadline {
        std::thread::park_timeout(LONG);
    }
    exit(99)
}

fn panic_twice() {
    let _out_of_this = PanicsAtDrop;
    panic!("the first of two");
}

/// The child's part; in the parent it does nothing.
#[test]
fn plays_the_child() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    // A hook that was there before.
    let heard = Mutex::new(Lines::in_file("heard"));
    std::panic::set_hook(Box::new(move |_| heard.lock().expect("no panic").0.write_all(b"a panic\n").expect("a file")));
    let (to_file, guard) = stack(builder().sink(Lines::in_file("lines")));
    say(&to_file, "first");
    match role.as_str() {
        "exit in a thread" => {
            let exits = std::thread::spawn(move || {
                say(&to_file, "in a thread");
                exit(CODE)
            });
            drop(exits.join());
        }
        "exit after the guard" => {
            drop(guard);
            say(&to_file, "late");
            exit(CODE);
        }
        "exit, two layers, one stuck" => {
            let (to_nowhere, stuck) = stack(builder().shutdown_timeout(SHORT).sink(Stuck));
            // It has no more time than the one that is stuck takes.
            let (to_other, other) = stack(builder().shutdown_timeout(SHORT).sink(Lines::in_file("other")));
            say(&to_nowhere, "stuck");
            say(&to_other, "other");
            std::mem::forget((guard, stuck, other));
            exit(CODE);
        }
        "exit in the pump's thread" => {
            let (to_exit, exits) = stack(builder().sink(Exits));
            say(&to_exit, "go");
            exits.flush(LONG);
        }
        "exit while another thread waits for room" => {
            // Not one record fits, so the first caller waits until the end.
            let none = builder().policy(Policy::Block(LONG)).capacity_bytes(NonZeroUsize::MIN);
            let (full, waits) = stack(none.sink(Lines::in_file("full")));
            std::thread::spawn(move || say(&full, "there is no room for this"));
            while waits.report().recorded == 0 {
                std::thread::yield_now();
            }
            std::mem::forget((guard, waits));
            exit(CODE);
        }
        "panic that unwinds" => {
            catch_unwind(|| panic!("as told")).expect_err("it panics");
            say(&to_file, "afterwards");
            std::panic::resume_unwind(Box::new("the guard does the rest"));
        }
        "panic that aborts, with other hooks" => {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                dispatcher::with_default(&to_file, || error!("{info}"));
                before(info);
            }));
            panic_twice();
        }
        "SIGTERM, two layers" => {
            let (to_other, other) = stack(builder().sink(Lines::in_file("other")));
            say(&to_other, "other");
            std::mem::forget(other);
            raise(SIGTERM).expect("our own process");
            wait_for_the_end();
        }
        "SIGINT ignored" => {
            raise(SIGINT).expect("our own process");
            say(&to_file, "SIGINT changed nothing");
            raise(SIGTERM).expect("our own process");
            wait_for_the_end();
        }
        "SIGTERM, others listen" => {
            // So that there is time to look.
            let (to_nowhere, _stuck) = stack(builder().shutdown_timeout(SHORT).sink(Stuck));
            say(&to_nowhere, "stuck");
            let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().expect("a pair of sockets");
            signal_hook::low_level::pipe::register(SIGTERM, ours).expect("a signal that may be caught");
            raise(SIGTERM).expect("our own process");
            std::io::Read::read_exact(&mut theirs, &mut [0]).expect("theirs is told as well");
            drop(Lines::in_file("theirs"));
            wait_for_the_end();
        }
        "SIGTERM again and again, stuck" => {
            let (to_nowhere, stuck) = stack(builder().shutdown_timeout(SHORT).sink(Stuck));
            say(&to_nowhere, "stuck");
            std::mem::forget((guard, stuck));
            loop {
                raise(SIGTERM).expect("our own process");
                std::thread::yield_now();
            }
        }
        "SIGTERM while the guard is dropped" => {
            let (to_nowhere, stuck) = stack(builder().shutdown_timeout(4 * SHORT).sink(Stuck));
            say(&to_nowhere, "stuck");
            std::thread::spawn(move || drop(stuck));
            raise(SIGTERM).expect("our own process");
            wait_for_the_end();
        }
        "SIGTERM after the guard" => {
            drop(guard);
            raise(SIGTERM).expect("our own process");
            wait_for_the_end();
        }
        "forked child" => {
            let ways: [fn(); 4] = [|| exit(CODE), panic_twice, play_the_grandchild, play_the_deaf];
            let ends: Vec<i32> = ways.into_iter().map(fork_and_wait).collect();
            let killed_by = |status: i32| fork::WIFSIGNALED(status).then(|| fork::WTERMSIG(status));
            assert_eq!((fork::WEXITSTATUS(ends[0]), killed_by(ends[0])), (CODE, None));
            assert_eq!((killed_by(ends[1]), killed_by(ends[2])), (Some(SIGABRT), Some(SIGTERM)));
            assert_eq!((fork::WEXITSTATUS(ends[3]), killed_by(ends[3])), (CODE, None));
            say(&to_file, "the parent is as before");
        }
        role => unreachable!("no such role: {role}"),
    }
}

/// A forked child that captures by itself, in spite of all that its parent had set up.
fn play_the_grandchild() {
    let (to_own, own) = stack(builder().sink(Lines::in_file("grandchild")));
    say(&to_own, "from the grandchild");
    std::mem::forget(own);
    raise(SIGTERM).expect("our own process");
    wait_for_the_end();
}

/// A forked child that sets up nothing hears no signal: a stated limit, which must not grow into a parent that hears it.
fn play_the_deaf() {
    raise(SIGTERM).expect("our own process");
    exit(CODE);
}

/// The status that the forked child ends with, as the system gives it; one that hangs gives none.
fn fork_and_wait(way: fn()) -> i32 {
    match fork::fork().expect("one more process") {
        Fork::Child => {
            let _ = catch_unwind(AssertUnwindSafe(way));
            exit(98)
        }
        Fork::Parent(child) => {
            let deadline = Instant::now() + LONG / 2;
            loop {
                match fork::waitpid_nohang(child).expect("our child") {
                    Some(status) => return status,
                    None => assert!(Instant::now() < deadline, "the forked child hangs"),
                }
                // There is nothing to wait on but the child itself.
                std::thread::park_timeout(Duration::from_millis(2));
            }
        }
    }
}

// === the parent's part ===

/// What the child left behind.
struct Left {
    status: ExitStatus,
    elapsed: Duration,
    folder: tempfile::TempDir,
}

/// One at a time, so that the time a child takes is its own.
static ALONE: Mutex<()> = Mutex::new(());

fn run(role: &str) -> Left {
    run_by(Command::new(std::env::current_exe().expect("this program")), role)
}

fn run_by(mut command: Command, role: &str) -> Left {
    let _alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let folder = tempfile::tempdir().expect("a folder");
    command.args(["--exact", "plays_the_child", "--nocapture"]).env(ROLE, role).env(FOLDER, folder.path());
    let start = Instant::now();
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let status = finish(quiet.spawn().expect("the child starts"));
    Left { status, elapsed: start.elapsed(), folder }
}

/// Waits for the child; one that hangs is killed, and then its status says so.
fn finish(mut child: Child) -> ExitStatus {
    let deadline = Instant::now() + LONG / 2;
    loop {
        match child.try_wait().expect("our child") {
            Some(status) => return status,
            None if Instant::now() > deadline => child.kill().expect("our child"),
            None => std::thread::park_timeout(Duration::from_millis(2)),
        }
    }
}

impl Left {
    fn said(&self, file: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join(file)).expect("the child makes the file");
        text.lines().map(str::to_owned).collect()
    }
}

#[test]
fn exit_in_a_thread_writes_what_it_said_and_what_others_said() {
    let left = run("exit in a thread");
    assert_eq!((left.status.code(), left.said("lines")), (Some(CODE), vec!["first".into(), "in a thread".into()]));
}

#[test]
fn exit_after_the_guard_has_nothing_left_to_do() {
    let left = run("exit after the guard");
    assert_eq!((left.status.code(), left.said("lines")), (Some(CODE), vec!["first".into()]));
}

#[test]
fn a_stuck_sink_holds_an_exit_up_for_its_own_time_and_no_other_layer() {
    let left = run("exit, two layers, one stuck");
    assert_eq!(left.status.code(), Some(CODE));
    assert_eq!((left.said("lines"), left.said("other")), (vec!["first".into()], vec!["other".into()]));
    assert!(left.elapsed >= SHORT && left.elapsed < LONG / 4, "{:?}", left.elapsed);
}

#[test]
fn exit_by_a_sink_does_not_wait_for_itself() {
    let left = run("exit in the pump's thread");
    assert_eq!((left.status.code(), left.said("lines")), (Some(CODE), vec!["first".into()]));
    assert!(left.elapsed < LONG / 4, "{:?}", left.elapsed);
}

#[test]
fn exit_while_another_thread_waits_for_room_does_not_hang() {
    let left = run("exit while another thread waits for room");
    assert_eq!((left.status.code(), left.said("lines")), (Some(CODE), vec!["first".into()]));
    assert!(left.elapsed < LONG / 4, "{:?}", left.elapsed);
}

#[test]
fn a_panic_that_unwinds_ends_nothing_and_the_guard_does_it_without_panicking_again() {
    let left = run("panic that unwinds");
    assert_eq!((left.status.code(), left.said("lines")), (Some(101), vec!["first".into(), "afterwards".into()]));
}

#[test]
fn a_panic_that_aborts_writes_what_was_said_and_what_other_hooks_logged() {
    let left = run("panic that aborts, with other hooks");
    assert_eq!(left.status.signal(), Some(SIGABRT));
    let said = left.said("lines").join("\n");
    assert!(said.starts_with("first\n"), "{said}");
    for part in ["the first of two", "out of a destructor", "destructor during cleanup"] {
        assert_eq!(said.matches(part).count(), 1, "{said}");
    }
    assert_eq!(left.said("heard"), ["a panic"; 3]);
}

#[test]
fn sigterm_ends_every_layer_and_the_parent_sees_it() {
    let left = run("SIGTERM, two layers");
    assert_eq!(left.status.signal(), Some(SIGTERM));
    assert_eq!((left.said("lines"), left.said("other")), (vec!["first".into()], vec!["other".into()]));
}

#[test]
fn a_signal_that_the_process_was_told_to_ignore_stays_ignored() {
    let mut shell = Command::new("sh");
    shell.args(["-c", "trap '' INT; exec \"$0\" \"$@\""]).arg(std::env::current_exe().expect("this program"));
    let left = run_by(shell, "SIGINT ignored");
    assert_eq!(left.status.signal(), Some(SIGTERM));
    assert_eq!(left.said("lines"), ["first", "SIGINT changed nothing"]);
}

#[test]
fn whoever_else_listens_to_a_signal_hears_it() {
    let left = run("SIGTERM, others listen");
    assert_eq!((left.status.signal(), left.said("lines")), (Some(SIGTERM), vec!["first".into()]));
    assert!(left.folder.path().join("theirs").exists());
}

#[test]
fn signals_that_come_during_an_end_change_nothing() {
    let left = run("SIGTERM again and again, stuck");
    assert_eq!((left.status.signal(), left.said("lines")), (Some(SIGTERM), vec!["first".into()]));
    assert!(left.elapsed >= SHORT && left.elapsed < LONG / 4, "{:?}", left.elapsed);

    let left = run("SIGTERM while the guard is dropped");
    assert_eq!((left.status.signal(), left.said("lines")), (Some(SIGTERM), vec!["first".into()]));
    assert!(left.elapsed >= SHORT && left.elapsed < LONG / 4, "{:?}", left.elapsed);
}

#[test]
fn sigterm_after_the_end_still_kills() {
    let left = run("SIGTERM after the guard");
    assert_eq!((left.status.signal(), left.said("lines")), (Some(SIGTERM), vec!["first".into()]));
}

#[test]
fn a_forked_child_ends_at_once_and_may_set_up_its_own() {
    let left = run("forked child");
    assert!(left.status.success(), "{}", left.status);
    assert_eq!(left.said("lines"), ["first", "the parent is as before"]);
    assert_eq!(left.said("grandchild"), ["from the grandchild"]);
}
