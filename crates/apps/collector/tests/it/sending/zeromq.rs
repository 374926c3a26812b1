//! Who subscribes by ZeroMQ: a collector's own receiver.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use spanlake_collector::plugins::{Notation, ZeromqPlugin};
use spanlake_collector::receive::Subscribe;
use spanlake_collector::{LakePlugin, Match};
use spanlake_wire::level::Severity;
use spanlake_wire::notification::Extent;

use super::away::wanted;
use super::server::free_address;
use crate::collecting::stand::{LONG, Stand, publish};

#[test]
fn who_subscribes_gets_what_it_asked_for_while_it_is_there() {
    let (stand, further, address) = (Stand::new(), Stand::new(), free_address());
    let plugin = ZeromqPlugin::new(address, Notation::Notification(Extent::Record));
    let running = stand.run(stand.builder().plugin("pub", wanted(), plugin));
    let mut subscribe = Subscribe::new(address.to_string());
    subscribe.level = Severity::Warning;
    let lake = LakePlugin::jsonl(further.lake());
    let builder = further.builder().subscribe(subscribe).plugin("lake", Match::default(), lake);
    let receiving = further.run(builder);
    // Whether somebody has subscribed is not told: it is tried until something arrives.
    let mut tries = 0;
    while receiving.collector().received() == 0 {
        publish(running.publisher().service("orders"), |_| tracing::error!("is somebody there"));
        tries += 1;
        assert!(tries < 1000, "nobody subscribed");
    }
    publish(running.publisher().service("orders"), |_| {
        let _job = tracing::info_span!("job", user = "ada").entered();
        (0..100).for_each(|row| {
            tracing::info!("quiet {row}");
            tracing::warn!(row, "loud {row}");
        });
    });
    receiving.wait(|collector| collector.plugins()[0].written >= 100);
    running.stop();
    receiving.stop();
    let records = further.records();
    let loud: Vec<_> = records.iter().filter(|record| record.message != "is somebody there").collect();
    assert!(loud.iter().map(|record| record.message.clone()).eq((0..100).map(|row| format!("loud {row}"))));
    assert_eq!((loud[7].fields.as_str(), loud[7].context.as_str()), (r#"{"row":7}"#, r#"{"user":"ada"}"#));
}

/// Subscribes to warnings by the library of ZeroMQ itself, and prints what it gets until the last one.
const SUBSCRIBER: &str = r#"
import sys, cbor2, zmq
socket = zmq.Context().socket(zmq.SUB)
socket.connect(sys.argv[1])
socket.subscribe(b"warning")
while True:
    topic, body = socket.recv_multipart()
    kind, method, [event] = cbor2.loads(body)
    print(topic.decode(), kind, method, event["event"], flush=True)
"#;

#[test]
fn a_subscriber_of_another_make_gets_it_too() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../.venv/bin/python");
    let (stand, address) = (Stand::new(), free_address());
    let plugin = ZeromqPlugin::new(address, Notation::Notification(Extent::Event));
    let running = stand.run(stand.builder().plugin("pub", wanted(), plugin));
    let mut subscriber = Command::new(&python);
    subscriber.args(["-c", SUBSCRIBER, &format!("tcp://{address}")]).stdout(Stdio::piped());
    let mut subscriber = subscriber
        .spawn()
        .unwrap_or_else(|error| panic!("{} does not start: {error}; `./test setup` makes it", python.display()));
    let lines = BufReader::new(subscriber.stdout.take().expect("it is piped")).lines().map_while(Result::ok);
    let (say, said) = std::sync::mpsc::channel();
    std::thread::spawn(move || lines.for_each(|line| drop(say.send(line))));
    let send = |text: &str| {
        publish(running.publisher().service("orders"), |_| {
            tracing::info!("quiet");
            tracing::warn!("{text}");
        });
    };
    let until = std::time::Instant::now() + LONG;
    while said.recv_timeout(Duration::from_millis(20)).is_err() {
        assert!(std::time::Instant::now() < until, "nobody subscribed");
        send("is somebody there");
    }
    send("loud");
    let mut heard = std::iter::from_fn(|| said.recv_timeout(LONG).ok());
    assert!(heard.any(|line| line == "warning 2 warning loud"));
    running.stop();
    subscriber.kill().expect("it runs");
    subscriber.wait().expect("it has ended");
}
