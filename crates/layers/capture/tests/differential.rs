//! A noisy program of other people's making, an HTTP/2 client and server, under `CaptureLayer` and under
//! `tracing_subscriber::fmt().json()`, layers of one registry: each sees what the other sees, in the same order. A
//! binary of its own, because it sets the global subscriber.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::Value;
use spanlake_capture::CaptureLayer;
use spanlake_core::{Kind, LevelFilter, OwnedRecord};
use tokio::net::{TcpListener, TcpStream};
use tracing::{Instrument, debug_span, info, info_span};
use tracing_subscriber::layer::SubscriberExt;

/// At least so many events must have been compared, or this shows nothing.
const MANY: usize = 500;

const REQUESTS: usize = 10;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

// === the program ===

async fn serve(stream: TcpStream) -> Result<(), AnyError> {
    let mut connection = h2::server::handshake(stream).await?;
    while let Some(request) = connection.accept().await {
        let (request, mut respond) = request?;
        let answer = async move {
            let mut body = request.into_body();
            let mut len = 0;
            while let Some(data) = body.data().await {
                let data = data?;
                len += data.len();
                body.flow_control().release_capacity(data.len())?;
            }
            info!(len, "answering");
            let mut stream = respond.send_response(http::Response::new(()), false)?;
            stream.send_data(Bytes::from_static(b"thanks"), true)?;
            Ok::<(), AnyError>(())
        };
        tokio::spawn(answer.instrument(info_span!("answer")));
    }
    Ok(())
}

async fn call(stream: TcpStream) -> Result<(), AnyError> {
    let (client, connection) = h2::client::handshake(stream).await?;
    let driver = tokio::spawn(connection.instrument(debug_span!("client connection")));
    let mut client = client.ready().await?;
    for at in 0..REQUESTS {
        let request = http::Request::post("http://localhost/orders").header("x-number", at).body(())?;
        let (response, mut stream) = client.send_request(request, false)?;
        stream.send_data(Bytes::from(vec![b'x'; 1000 * at]), true)?;
        let mut body = response.await?.into_body();
        while let Some(data) = body.data().await {
            body.flow_control().release_capacity(data?.len())?;
        }
        client = client.ready().await?;
    }
    drop(client);
    driver.await??;
    Ok(())
}

fn talk() -> Result<(), AnyError> {
    // Names of their own tell the workers apart.
    let workers = AtomicUsize::new(0);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name_fn(move || format!("worker {}", workers.fetch_add(1, Ordering::Relaxed)))
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let accept = async move {
            let (stream, _) = listener.accept().await?;
            serve(stream).await
        };
        let server = tokio::spawn(accept.instrument(info_span!("server", %address)));
        call(TcpStream::connect(address).await?).instrument(info_span!("client", requests = REQUESTS)).await?;
        server.await?
    })
}

// === what either saw ===

/// An event as both can say it.
#[derive(Debug, PartialEq)]
struct Seen {
    level: String,
    target: String,
    message: String,
    fields: BTreeMap<String, String>,
    /// From the root to the leaf.
    spans: Vec<String>,
}

/// The events of each thread, in its order.
type Threads = BTreeMap<String, Vec<Seen>>;

/// Where `fmt` writes.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn fields(object: &Value) -> BTreeMap<String, String> {
    let object = object.as_object().expect("an object");
    object.iter().filter(|(name, _)| *name != "message").map(|(name, value)| (name.clone(), text(value))).collect()
}

fn threads_of_fmt(lines: &str) -> Threads {
    let mut threads = Threads::new();
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).expect("`fmt` writes JSON");
        let spans = line["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
        let seen = Seen {
            level: text(&line["level"]),
            target: text(&line["target"]),
            message: line["fields"].get("message").map(text).unwrap_or_default(),
            fields: fields(&line["fields"]),
            spans: spans.iter().map(|span| text(&span["name"])).collect(),
        };
        threads.entry(text(&line["threadName"])).or_default().push(seen);
    }
    threads
}

fn threads_of_capture(records: &[OwnedRecord]) -> Threads {
    let begins = records.iter().filter(|record| record.kind == Kind::Begin);
    let names: HashMap<String, &str> = begins
        .map(|record| {
            let key = record.key.as_ref().expect("a begin is in a task");
            (key.task.to_string(), record.task.as_deref().expect("a task has a name"))
        })
        .collect();
    let mut threads = Threads::new();
    for record in records.iter().filter(|record| record.kind == Kind::Event) {
        let task = record.key.as_ref().map(|key| key.task.to_string()).unwrap_or_default();
        let ends = task.match_indices('/').map(|(at, _)| at).chain([task.len()]);
        let spans = ends.filter(|end| *end > 0).map(|end| names[&task[..end]].to_owned());
        let seen = Seen {
            level: record.level.to_string(),
            target: record.target.clone(),
            message: record.message.clone(),
            fields: fields(&serde_json::from_str(&record.fields).expect("JSON")),
            spans: spans.collect(),
        };
        threads.entry(record.thread.clone().expect("a thread has a name")).or_default().push(seen);
    }
    threads
}

#[test]
fn capture_sees_what_the_json_formatter_sees() {
    let lines = Lines::default();
    let writer = lines.clone();
    let (capture, _guard) = CaptureLayer::builder().level(LevelFilter::TRACE).build().expect("no thread to start");
    let drain = capture.drain_handle();
    let json = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(false)
        .with_span_list(true)
        .with_thread_names(true)
        .with_writer(move || writer.clone());
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(json).with(capture))
        .expect("the only one");
    talk().expect("they understand each other");

    let said = String::from_utf8(std::mem::take(&mut *lines.0.lock().expect("no panic"))).expect("UTF-8");
    let (theirs, ours) = (threads_of_fmt(&said), threads_of_capture(&drain.drain_records()));
    assert_eq!(drain.losses().total(), 0);
    compare(&theirs, &ours);
}

fn compare(theirs: &Threads, ours: &Threads) {
    let names = |threads: &Threads| threads.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(theirs), names(ours));
    let mut compared = 0;
    for (thread, theirs) in theirs {
        let ours = &ours[thread];
        for (at, (their, our)) in theirs.iter().zip(ours).enumerate() {
            assert_eq!(their, our, "event {at} of {thread}");
        }
        assert_eq!(theirs.len(), ours.len(), "{thread}");
        compared += ours.len();
    }
    println!("{compared} events of {} threads compared", ours.len());
    assert!(compared >= MANY, "{compared}");
}
