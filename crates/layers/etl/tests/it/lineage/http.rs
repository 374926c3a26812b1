//! The lineage to an endpoint that answers well, badly, or not at all.

use std::collections::{BTreeMap, HashSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use spanlake_core::Secret;
use spanlake_etl::{EtlLayer, EtlLayerBuilder, LINEAGE_BYTES, Lineage, RunRow};

use super::stand::{Events, Stand, kind, pause};

/// What must not be shown.
const TOKEN: &str = "t0ken";

#[test]
fn events_arrive_in_order_with_their_headers() {
    let server = Server::start(|_| Some("201 Created"));
    let stand = Stand::new();
    let lineage = server.lineage("").header("x-team", "data".to_owned());
    let (_layer, job) = EtlLayer::builder(stand.lake()).lineage(lineage).build().expect("a lake");
    (0..20).for_each(|number| assert!(job.log(RunRow::new(format!("run {number}")))));
    let report = job.finish().expect("a lake");
    assert!(report.is_complete(), "{report}: {:?}", report.errors);
    assert_eq!(server.events().assert_once(), 20);
    let names: Vec<_> = server.events().0.iter().map(|event| event["job"]["name"].to_string()).collect();
    assert!(names.chunks(2).all(|pair| pair[0] == pair[1]), "{names:?}");
    for request in server.requests() {
        assert_eq!(request.line, "POST /api/v1/lineage HTTP/1.1");
        assert_eq!(request.header("authorization"), "Bearer t0ken");
        assert_eq!(request.header("x-team"), "data");
        assert_eq!(request.header("content-type"), "application/json");
    }
}

#[test]
fn what_is_refused_for_now_is_sent_again() {
    let server = Server::start(|number| match number {
        0 => Some("503 Service Unavailable"),
        1 => Some("429 Too Many Requests\r\nretry-after: 3600"),
        _ => Some("201 Created"),
    });
    let stand = Stand::new();
    let (_layer, job) = builder(&stand, server.lineage("/in?key=k3y")).build().expect("a lake");
    assert!(job.log(RunRow::new("orders")));
    let report = job.finish().expect("a lake");
    assert!(report.is_complete() && report.errors.is_empty(), "{report}: {:?}", report.errors);
    let kinds: Vec<_> = server.events().0.iter().map(|event| kind(event).to_owned()).collect();
    assert_eq!(kinds, ["START", "START", "START", "COMPLETE"]);
    assert_eq!(server.requests()[0].line, "POST /in?key=k3y HTTP/1.1");
}

#[test]
fn what_is_refused_for_good_is_lost_and_counted() {
    let server = Server::start(|_| Some("400 Bad Request"));
    let stand = Stand::new();
    let (_layer, job) = builder(&stand, server.lineage("")).build().expect("a lake");
    let handle = job.handle();
    assert!(job.log(RunRow::new("one")) && job.log(RunRow::new("two")));
    let report = job.finish().expect("a lake");
    assert_eq!((report.lineage_lost, report.lineage_owed, report.is_complete()), (4, 0, false), "{report}");
    assert_eq!((handle.metrics().lineage_lost, server.requests().len()), (4, 4));
    assert!(report.errors.iter().any(|error| error.to_string().contains("status: 400")), "{:?}", report.errors);
    assert!(stand.sessions().is_empty(), "nothing is owed");
}

#[test]
fn nothing_waits_for_an_endpoint_that_never_answers() {
    let server = Server::start(|_| None);
    let stand = Stand::new();
    let timeout = Duration::from_secs(5);
    let (_layer, job) = builder(&stand, server.lineage("")).finish_timeout(timeout).build().expect("a lake");
    let began = Instant::now();
    for number in 0..10 {
        assert!(job.log(RunRow::new(format!("run {number}"))));
        job.flush(timeout).expect("the log does not wait");
    }
    assert!(began.elapsed() < timeout, "{:?}", began.elapsed());
    let began = Instant::now();
    let report = job.finish().expect("the files are written");
    assert!(began.elapsed() < timeout, "{:?}", began.elapsed());
    assert_eq!((report.lineage_lost, report.lineage_owed), (0, 20), "{report}");
    assert_eq!(stand.logged().len(), 10);
    assert_eq!(stand.sessions().len(), 1, "the next start has it");
}

#[test]
fn runs_that_do_not_fit_are_left_out_whole() {
    const RUNS: u64 = 160;
    let server = Server::start(|_| None);
    let stand = Stand::new();
    let (_layer, job) =
        builder(&stand, server.lineage("")).finish_timeout(Duration::from_secs(1)).build().expect("a lake");
    for number in 0..RUNS {
        let mut run = RunRow::new(format!("run {number}"));
        run.dataflow_description = Some("x".repeat(60_000));
        assert!(job.log(run));
    }
    job.flush(Duration::from_secs(30)).expect("the log does not wait");
    let (fit, lost) = (LINEAGE_BYTES as u64 / 122_000, job.metrics().lineage_lost);
    assert!(lost % 2 == 0 && (RUNS - lost / 2).abs_diff(fit) < fit / 20, "{lost}");
}

#[test]
fn nothing_that_opens_the_endpoint_is_shown() {
    // Nobody listens there any more.
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let stand = Stand::new();
    let url = format!("http://user:p4ssword@127.0.0.1:{port}/in?key=k3y");
    let lineage = Lineage::http(&url).bearer(Secret::from(TOKEN.to_owned())).header("x-key", "h3ader".to_owned());
    let builder = builder(&stand, lineage.clone()).finish_timeout(Duration::from_secs(3));
    let mut shown = format!("{lineage:?} {builder:?}");
    let (layer, job) = builder.build().expect("a lake");
    assert!(job.log(RunRow::new("orders")));
    let report = job.finish().expect("the files are written");
    assert_eq!((report.lineage_owed, report.errors.len()), (2, 1), "{report}");
    shown += &format!("{layer:?} {report:?} {report} {}", report.errors[0].chain());
    shown += &stand.sessions().concat();
    assert!(shown.contains(&format!("http://127.0.0.1:{port}/in")), "{shown}");
    for secret in [TOKEN, "user", "p4ssword", "k3y", "h3ader"] {
        assert!(!shown.contains(secret), "{secret}: {shown}");
    }
}

#[test]
fn what_is_wrong_with_an_endpoint_is_refused() {
    let stand = Stand::new();
    for url in ["localhost:5000", "ftp://localhost", "http://", "http://us er:p4ssword@localhost"] {
        let built = builder(&stand, Lineage::http(url)).build().map(drop);
        let error = built.expect_err(url);
        assert!(error.is_validation() && !format!("{error:?}").contains("p4ssword"), "{error:?}");
    }
    let built = builder(&stand, Lineage::http("http://localhost").header("no name", "x".to_owned())).build();
    assert!(built.is_err_and(|error| error.is_validation()));
    assert!(stand.sessions().is_empty(), "no session was begun");
}

#[test]
fn what_a_finished_job_owes_is_sent_by_the_next_start_with_its_lineage() {
    let server = Server::start(|_| None);
    let stand = Stand::new();
    let (mut child, mut out) = stand.start("owe", Some(&server.url("")));
    let _ = out.read_to_end(&mut Vec::new());
    assert!(child.wait().expect("it ended").success());
    server.answer_well();
    server.forget();
    // One with another lineage has nowhere to send it.
    let (_layer, job) = builder(&stand, server.lineage("/elsewhere")).build().expect("a lake");
    let report = job.finish().expect("a lake");
    assert_eq!((report.recovered, report.errors.len(), server.requests().len()), (0, 1, 0), "{report}");
    let (_layer, job) = builder(&stand, server.lineage("")).build().expect("a lake");
    let report = job.finish().expect("a lake");
    assert_eq!((report.recovered, report.errors.len()), (1, 0), "{report}: {:?}", report.errors);
    assert_eq!(server.events().assert_once(), stand.logged().len());
    assert!(stand.sessions().is_empty());
}

#[test]
fn a_killed_process_leaves_both_events_of_each_run_to_the_next_start() {
    let mut again = 0;
    for kill in 0..5 {
        let server = Server::start(|_| Some("201 Created"));
        let stand = Stand::new();
        let (mut child, mut out) = stand.start("record", Some(&server.url("")));
        thread::sleep(pause(kill, 400_000));
        child.kill().expect("killed");
        let _ = out.read_to_end(&mut Vec::new());
        child.wait().expect("it ended");
        let (_layer, job) = builder(&stand, server.lineage("")).job_id("next").build().expect("a lake");
        let report = job.finish().expect("a lake");
        assert!(report.is_complete() && report.errors.is_empty(), "{report}: {:?}", report.errors);
        assert!(stand.sessions().is_empty());
        let events = server.events();
        again += events.0.len() - events.once().0.len();
        assert_eq!(events.once().assert_once(), stand.logged().len());
    }
    println!("{again} events came again");
}

fn builder(stand: &Stand, lineage: Lineage) -> EtlLayerBuilder {
    EtlLayer::builder(stand.lake()).lineage(lineage)
}

impl Stand {
    /// What is noted of sessions that are not closed.
    fn sessions(&self) -> Vec<String> {
        let Ok(folder) = std::fs::read_dir(self.lake().join(".sessions")) else {
            return Vec::new();
        };
        let paths = folder.map(|entry| entry.expect("an entry").path());
        let markers = paths.filter(|path| path.extension().is_some_and(|end| end == "json"));
        markers.map(|path| std::fs::read_to_string(path).expect("a marker")).collect()
    }
}

impl Events {
    /// Without those that came again, which have the same run, type and time.
    fn once(&self) -> Self {
        let mut seen = HashSet::new();
        let key =
            |event: &Json| [&event["run"]["runId"], &event["eventType"], &event["eventTime"]].map(Json::to_string);
        // In the order of what came first; the end of a run may be followed by its START, sent again.
        Self(self.0.iter().filter(|event| seen.insert(key(event))).cloned().collect())
    }
}

// === a server ===

/// A server that answers as it is told to, and remembers what it was asked.
struct Server {
    port: u16,
    requests: Arc<Mutex<Vec<Request>>>,
    answers_well: Arc<AtomicBool>,
}

#[derive(Clone, Debug)]
struct Request {
    line: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

/// The status for the request of this number, from 0; `None` for none at all.
type Status = fn(usize) -> Option<&'static str>;

impl Server {
    fn start(status: Status) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = Self { port, requests: Arc::default(), answers_well: Arc::default() };
        let (requests, answers_well) = (Arc::clone(&server.requests), Arc::clone(&server.answers_well));
        // It goes with the process.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (requests, answers_well) = (Arc::clone(&requests), Arc::clone(&answers_well));
                thread::spawn(move || serve(&stream.expect("a connection"), &requests, &answers_well, status));
            }
        });
        server
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    fn lineage(&self, path: &str) -> Lineage {
        Lineage::http(self.url(path)).bearer(Secret::from(TOKEN.to_owned()))
    }

    fn requests(&self) -> Vec<Request> {
        self.requests.lock().expect("no panic").clone()
    }

    fn events(&self) -> Events {
        Events(self.requests().iter().map(|request| serde_json::from_slice(&request.body).expect("JSON")).collect())
    }

    fn answer_well(&self) {
        self.answers_well.store(true, Ordering::Relaxed);
    }

    fn forget(&self) {
        self.requests.lock().expect("no panic").clear();
    }
}

impl Request {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// Answers one request after the other on a connection, until it is closed.
fn serve(stream: &TcpStream, requests: &Mutex<Vec<Request>>, answers_well: &AtomicBool, status: Status) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        let number = {
            let mut requests = requests.lock().expect("no panic");
            requests.push(request);
            requests.len() - 1
        };
        let status = if answers_well.load(Ordering::Relaxed) { Some("200 OK") } else { status(number) };
        let Some(status) = status else {
            thread::sleep(Duration::from_secs(60));
            return;
        };
        let mut stream = stream;
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nok");
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let headers = lines[1..].iter().filter_map(|line| line.split_once(": "));
    let headers: BTreeMap<_, _> = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    reader.read_exact(&mut body).ok()?;
    Some(Request { line: lines[0].clone(), headers, body })
}
