//! A program that publishes, as a process of its own: it says what the oracle knows, and does what its parent asks for.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Lines, Write};
use std::num::NonZeroUsize;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use spanlake_core::{Policy, Report, Secret};
use spanlake_publish::{Guard, HttpTransport, OtlpTransport, PublishLayer};
use tracing_subscriber::prelude::*;

use crate::LONG;
use crate::oracle::{EVENTS, Said, level, text};

/// Says to a process what it is to do; absent in the parent.
const SETTINGS: &str = "SPANLAKE_FAULTS_PROGRAM";

/// What answers begin with, among what the harness prints.
const ANSWER: &str = "answer: ";

/// The token that collectors here let in.
pub(crate) const TOKEN: &str = "right";

/// What a program is like.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) url: String,
    /// Where it works.
    pub(crate) folder: PathBuf,
    /// The spool's folder.
    pub(crate) spool: Option<PathBuf>,
    pub(crate) threads: usize,
    /// How many events each thread says at most.
    pub(crate) most: u64,
    /// How long a thread rests after ten events.
    pub(crate) rest_us: u64,
    pub(crate) capacity_bytes: usize,
    pub(crate) transport: Transport,
}

/// By what it publishes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Transport {
    Http,
    Otlp,
}

/// What a program tells of itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) recorded: u64,
    pub(crate) written: u64,
    pub(crate) lost: u64,
    pub(crate) pending: u64,
    /// Whether everything was done within the time.
    pub(crate) is_in_time: bool,
    pub(crate) errors: u64,
    pub(crate) last_error: Option<String>,
    /// How long each phase's calls took.
    pub(crate) calls: Vec<Calls>,
}

/// How long calls took, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Calls {
    pub(crate) count: usize,
    pub(crate) p50: u64,
    pub(crate) p999: u64,
    pub(crate) longest: u64,
}

/// What a parent asks for.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Ask {
    Flush(Duration),
    /// From now on calls are counted apart.
    Phase(usize),
    /// Says nothing more; ends within this time.
    End(Duration),
}

/// A program that runs.
pub(crate) struct Program {
    process: Child,
    asks: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    settings: Settings,
}

// === the parent's side ===

impl Settings {
    /// A program that says something in a calm rhythm, from two threads, until it is ended.
    pub(crate) fn new(name: &str, url: &str, folder: &Path) -> Self {
        Self {
            name: name.to_owned(),
            url: url.to_owned(),
            folder: folder.to_owned(),
            spool: None,
            threads: 2,
            most: u64::MAX,
            rest_us: 20_000,
            capacity_bytes: 64 << 20,
            transport: Transport::Http,
        }
    }

    pub(crate) fn spooled(mut self) -> Self {
        self.spool = Some(self.folder.join("spool"));
        self
    }

    /// Where it notes how much it has said.
    fn made(&self) -> PathBuf {
        self.folder.join(format!("{}.made", self.name))
    }

    pub(crate) fn start(self) -> Program {
        fs::write(self.made(), vec![0; 8 * self.threads]).expect("a file");
        let mut command = again("program::plays");
        command.env(SETTINGS, serde_json::to_string(&self).expect("JSON"));
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a program");
        let (asks, answers) = (process.stdin.take().expect("piped"), process.stdout.take().expect("piped"));
        Program { process, asks, answers: BufReader::new(answers).lines(), settings: self }
    }
}

/// This executable, as one that runs a single test.
pub(crate) fn again(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this executable"));
    command.args(["--exact", test, "--nocapture"]);
    command
}

impl Program {
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it has said so far.
    pub(crate) fn said(&self) -> Said {
        let bytes = fs::read(self.settings.made()).expect("a file");
        let made = bytes.chunks_exact(8).map(|bytes| u64::from_le_bytes(bytes.try_into().expect("eight bytes")));
        Said { program: self.settings.name.clone(), made: made.collect(), was_killed: false }
    }

    /// Waits until it has said this many events.
    pub(crate) fn await_events(&self, count: u64) {
        let until = Instant::now() + LONG;
        while self.said().events() < count {
            assert!(Instant::now() < until, "{:?} of {count}", self.said());
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn flush(&mut self, within: Duration) -> Told {
        self.ask(Ask::Flush(within))
    }

    pub(crate) fn phase(&mut self, phase: usize) {
        self.ask(Ask::Phase(phase));
    }

    /// It says nothing more, and ends when all is sent.
    pub(crate) fn end(mut self, within: Duration) -> (Said, Told) {
        let told = self.ask(Ask::End(within));
        assert!(self.process.wait().expect("it ends").success());
        (self.said(), told)
    }

    pub(crate) fn kill(mut self) -> Said {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it has ended");
        Said { was_killed: true, ..self.said() }
    }

    fn ask(&mut self, ask: Ask) -> Told {
        writeln!(self.asks, "{}", serde_json::to_string(&ask).expect("JSON")).expect("it listens");
        let mut answers = self.answers.by_ref().map_while(Result::ok);
        let answer = answers.find_map(|line| line.strip_prefix(ANSWER).map(str::to_owned));
        serde_json::from_str(&answer.expect("it answers")).expect("JSON")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = (self.process.kill(), self.process.wait());
    }
}

/// The most memory that a process has had, in bytes.
pub(crate) fn most_memory(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("what it has had");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") << 10
}

// === the program's side ===

/// What threads share.
struct Stage {
    settings: Settings,
    made: File,
    phase: AtomicUsize,
    is_over: AtomicBool,
}

#[test]
fn plays() {
    let Ok(settings) = std::env::var(SETTINGS) else {
        return;
    };
    let settings: Settings = serde_json::from_str(&settings).expect("JSON");
    let made = File::options().write(true).open(settings.made()).expect("a file");
    let (layer, guard) = publisher(&settings);
    let dispatch = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
    let stage = Stage { settings, made, phase: AtomicUsize::new(0), is_over: AtomicBool::new(false) };
    let (stage, dispatch) = (&stage, &dispatch);
    thread::scope(|scope| {
        let say = |number| move || tracing::dispatcher::with_default(dispatch, || stage.say(number));
        let threads: Vec<_> = (0..stage.settings.threads).map(|number| scope.spawn(say(number))).collect();
        let within = stage.listen(&guard);
        stage.is_over.store(true, Ordering::Relaxed);
        let took: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().expect("no call panics")).collect();
        let handle = guard.handle();
        let ended = guard.shutdown(within);
        answer(&handle.report(), ended.is_ok(), &took);
    });
}

fn transport(settings: &Settings) -> Box<dyn spanlake_publish::Transport> {
    let token = Secret::new(TOKEN.to_owned());
    match settings.transport {
        Transport::Http => Box::new(HttpTransport::new(&settings.url).token(token).build().expect("a transport")),
        Transport::Otlp => Box::new(OtlpTransport::new(&settings.url).token(token).build().expect("a transport")),
    }
}

fn publisher(settings: &Settings) -> (PublishLayer, Guard) {
    let mut builder = PublishLayer::builder(transport(settings))
        .service(&settings.name)
        .capacity_bytes(NonZeroUsize::new(settings.capacity_bytes).expect("not zero"))
        .policy(Policy::DropLowest)
        .send_every(Duration::from_millis(5));
    if let Some(spool) = &settings.spool {
        builder = builder.spool(spool);
    }
    builder.build().expect("a layer")
}

impl Stage {
    /// Does what is asked for, until it is the end; gives how long that may take.
    fn listen(&self, guard: &Guard) -> Duration {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            match serde_json::from_str(&line).expect("JSON") {
                Ask::Flush(within) => {
                    let report = guard.flush(within);
                    answer(&report, !report.timed_out, &[]);
                }
                Ask::Phase(phase) => {
                    self.phase.store(phase, Ordering::Relaxed);
                    answer(&guard.report(), true, &[]);
                }
                Ask::End(within) => return within,
            }
        }
        // Whoever asked is gone.
        std::process::exit(1);
    }

    /// Says one number after the other, and gives how long each call took, and in which phase.
    fn say(&self, thread: usize) -> Vec<(usize, u64)> {
        let (mut number, mut took) = (0, Vec::new());
        while !self.is_over(number) {
            let _task = tracing::info_span!("load", part = number / EVENTS).entered();
            loop {
                took.push(self.say_one(thread, number));
                number += 1;
                self.made.write_all_at(&number.to_le_bytes(), 8 * thread as u64).expect("noted");
                if number.is_multiple_of(10) && self.settings.rest_us > 0 {
                    thread::sleep(Duration::from_micros(self.settings.rest_us));
                }
                if number.is_multiple_of(EVENTS) || self.is_over(number) {
                    break;
                }
            }
        }
        took
    }

    fn is_over(&self, number: u64) -> bool {
        number >= self.settings.most || self.is_over.load(Ordering::Relaxed)
    }

    fn say_one(&self, thread: usize, number: u64) -> (usize, u64) {
        let (phase, text) = (self.phase.load(Ordering::Relaxed), text(&self.settings.name, thread, number));
        let began = Instant::now();
        match level(number) {
            tracing::Level::WARN => tracing::warn!(number, "{text}"),
            _ => tracing::info!(number, "{text}"),
        }
        (phase, u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

fn answer(report: &Report, is_in_time: bool, took: &[(usize, u64)]) {
    let phases = took.iter().map(|(phase, _)| phase + 1).max().unwrap_or(0);
    let told = Told {
        recorded: report.recorded,
        written: report.written,
        lost: report.lost,
        pending: report.pending,
        is_in_time,
        errors: report.sinks[0].errors,
        last_error: report.sinks[0].last_error.clone(),
        calls: (0..phases)
            .map(|phase| Calls::of(took.iter().filter(|call| call.0 == phase).map(|call| call.1)))
            .collect(),
    };
    println!("\n{ANSWER}{}", serde_json::to_string(&told).expect("JSON"));
}

impl Calls {
    fn of(took: impl Iterator<Item = u64>) -> Self {
        let mut took: Vec<_> = took.collect();
        took.sort_unstable();
        let at = |thousandths: usize| took.get((took.len() * thousandths / 1000).min(took.len().saturating_sub(1)));
        let [p50, p999, longest] = [500, 999, 1000].map(|place| at(place).copied().unwrap_or_default());
        Self { count: took.len(), p50, p999, longest }
    }
}
