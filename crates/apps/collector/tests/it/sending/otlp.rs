//! Who takes OTLP: a collector's own receiver.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use spanlake_collector::plugins::{OtlpPlugin, Signals};
use spanlake_collector::{CollectorBuilder, LakePlugin, Match};
use spanlake_wire::client::Address;

use super::away::{
    Side, is_asked_while_nothing_is_for_it, is_away_and_comes_back, is_sent_again_after_a_crash, wanted,
};
use super::forward::Further;
use crate::collecting::stand::{Stand, publish};

struct Receiver(Further);

impl Side for Receiver {
    fn start(&mut self) {
        self.0.start();
    }

    fn stop(&mut self) {
        self.0.stop();
    }

    fn plug(&self, builder: CollectorBuilder, wanted: Match) -> CollectorBuilder {
        builder.plugin("otlp", wanted, OtlpPlugin::new(self.0.client()).expect("a plugin"))
    }

    fn messages(&mut self) -> Vec<String> {
        self.0.messages()
    }
}

#[test]
fn a_receiver_has_everything_in_order_when_it_was_away() {
    is_away_and_comes_back(&mut Receiver(Further::new()));
}

#[test]
fn whether_a_receiver_is_there_is_known_while_nothing_is_for_it() {
    let mut side = Receiver(Further::new());
    let plugin = OtlpPlugin::new(side.0.client()).expect("a plugin");
    is_asked_while_nothing_is_for_it(&mut side, plugin);
}

#[test]
fn a_receiver_has_everything_after_a_crash_and_some_of_it_twice() {
    let mut arrived = is_sent_again_after_a_crash(&mut Receiver(Further::new()), 300);
    arrived.sort();
    arrived.dedup();
    assert_eq!(arrived.len(), 200);
}

#[test]
fn records_are_read_again_as_they_were() {
    let (stand, mut side) = (Stand::new(), Receiver(Further::new()));
    side.start();
    let builder = stand.builder().plugin("lake", wanted(), LakePlugin::jsonl(stand.lake()));
    let running = stand.run(side.plug(builder, wanted()));
    publish(running.publisher().service("orders"), |_| {
        let _job = tracing::info_span!("job", user = "ada").entered();
        tracing::warn!(row = 7, ratio = 0.5, ok = true, "slow");
    });
    running.wait(|collector| collector.queue().waiting.iter().all(|(_, count)| *count == 0));
    running.stop();
    side.stop();
    let (sent, arrived) = (stand.records(), side.0.stand.records());
    assert_eq!(sent.len(), 3);
    assert_eq!(arrived, sent);
}

/// Answers requests on a connection, and keeps the bodies of those that it takes: the ones without poison in them.
fn serve(stream: TcpStream, taken: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let (mut reader, mut writer) = (BufReader::new(stream.try_clone()?), stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a number");
            }
            if line.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let body = String::from_utf8_lossy(&body).into_owned();
        let is_poisoned = body.contains("poison");
        if !is_poisoned {
            taken.lock().expect("no panic here").push(body);
        }
        let status = if is_poisoned { "400 Bad Request" } else { "200 OK" };
        write!(writer, "HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n")?;
    }
}

#[test]
fn what_a_receiver_has_of_a_portion_is_not_sent_again_in_its_pieces() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("an address");
    let (address, taken) = (listener.local_addr().expect("an address"), Arc::new(Mutex::new(Vec::new())));
    let bodies = Arc::clone(&taken);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let bodies = Arc::clone(&bodies);
            std::thread::spawn(move || serve(stream, &bodies));
        }
    });
    // More than a request has, so that the first one is taken and the second is not.
    let (stand, rows) = (Stand::new(), 6000);
    let running = stand.run(stand.builder());
    publish(running.publisher().service("orders"), |_| {
        (0..rows - 1000).for_each(|row| tracing::info!("<{row}>"));
        tracing::info!("poison");
        (rows - 1000..rows).for_each(|row| tracing::info!("<{row}>"));
    });
    running.stop();
    let plugin = OtlpPlugin::new(Address::new(format!("http://{address}"))).expect("a plugin").signals(Signals::Logs);
    let running = stand.run(stand.builder().plugin("otlp", wanted(), plugin));
    running.wait(|collector| collector.plugins()[0].written == rows && collector.plugins()[0].dead == 1);
    running.stop();
    let bodies = taken.lock().expect("no panic here").concat();
    assert!((0..rows).all(|row| bodies.matches(&format!("<{row}>")).count() == 1), "each once");
}
