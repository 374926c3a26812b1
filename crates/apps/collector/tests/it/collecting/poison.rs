//! Records that a plugin will never take go to its dead letters, and drag as few others with them as the plugin allows.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use spanlake_collector::{Match, Pieces, Plugin, Portion};
use spanlake_core::{Category, Error, SinkState, Stage};

use super::stand::{Running, Stand, publish};

/// Takes what has no poison in it.
#[derive(Clone)]
struct Picky {
    pieces: Pieces,
    messages: Arc<Mutex<Vec<String>>>,
    tries: Arc<AtomicU64>,
}

impl Picky {
    fn new(pieces: Pieces) -> Self {
        Self { pieces, messages: Arc::default(), tries: Arc::default() }
    }

    fn messages(&self) -> Vec<String> {
        let mut messages = self.messages.lock().expect("no panic here").clone();
        messages.sort();
        messages
    }
}

impl Plugin for Picky {
    fn write(&mut self, portion: &Portion<'_>) -> Result<(), Error> {
        self.tries.fetch_add(1, Ordering::Relaxed);
        let messages = || portion.records().map(|(_, record)| record.message.to_string());
        assert!(portion.entries().is_sorted_by_key(|given| given.entry.index));
        assert!(portion.records().all(|(place, _)| portion.entries().iter().any(|of| of.entry.index == place.entry)));
        if messages().any(|message| message.contains("poison")) {
            return Err(Error::new(Stage::Handler, "Picky", Category::Validation, "it has poison in it"));
        }
        self.messages.lock().expect("no panic here").extend(messages());
        Ok(())
    }

    fn pieces(&self) -> Pieces {
        self.pieces
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// Ours, without the collector's own.
fn wanted() -> Match {
    let mut wanted = Match::default();
    wanted.services = vec!["honest".to_owned(), "hostile".to_owned()];
    wanted
}

fn rows(word: &str, count: usize) -> Vec<String> {
    (0..count).map(|row| format!("{word} {row:03}")).collect()
}

/// Says all of these, at once, as a service.
fn send(running: &Running<'_>, service: &str, messages: &[String]) {
    publish(running.publisher().service(service), |_| messages.iter().for_each(|message| tracing::info!("{message}")));
}

/// Lets a plugin have what was there before it, all at once; gives the messages in its dead letters.
fn run(stand: &Stand, plugin: &Picky, all: u64) -> Vec<String> {
    let running = stand.run(stand.builder().plugin("picky", wanted(), plugin.clone()));
    running.wait(|collector| {
        let report = &collector.plugins()[0];
        report.written + report.dead == all && collector.queue().waiting[0].1 == 0
    });
    let report = running.collector().plugins()[0].clone();
    assert_eq!((report.state, report.lost), (SinkState::Degraded, 0));
    running.stop();
    let letters = std::fs::read_to_string(stand.scratch.path().join("queue/dead/picky.jsonl")).expect("letters");
    let message = |line: &str| serde_json::from_str::<serde_json::Value>(line).expect("JSON")["message"].clone();
    let mut messages: Vec<_> = letters.lines().map(|line| message(line).as_str().expect("text").to_owned()).collect();
    messages.sort();
    messages
}

/// A queue with what two services said, one of them with poison in it.
fn poisoned() -> (Stand, Vec<String>, Vec<String>) {
    let stand = Stand::new();
    let running = stand.run(stand.builder());
    let (honest, mut hostile) = (rows("honest", 100), rows("beside", 60));
    hostile.insert(30, "poison".to_owned());
    send(&running, "honest", &honest[..50]);
    send(&running, "hostile", &hostile);
    send(&running, "honest", &honest[50..]);
    running.stop();
    (stand, honest, hostile)
}

#[test]
fn only_the_record_itself_is_buried_where_records_may_come_alone() {
    let (stand, honest, hostile) = poisoned();
    let plugin = Picky::new(Pieces::Records);
    assert_eq!(run(&stand, &plugin, 161), ["poison"]);
    let beside = hostile.into_iter().filter(|message| message != "poison");
    let mut expected: Vec<String> = beside.chain(honest).collect();
    expected.sort();
    assert_eq!(plugin.messages(), expected, "each once");
    // Each level of halves has two, and the first tries were of all.
    let tries = plugin.tries.load(Ordering::Relaxed);
    assert!(tries <= 5 * 3 + 2 * 10, "{tries} tries");
}

#[test]
fn only_its_entry_is_buried_where_entries_come_whole() {
    let (stand, honest, hostile) = poisoned();
    let plugin = Picky::new(Pieces::Entries);
    let dead = run(&stand, &plugin, 161);
    assert!(dead.contains(&"poison".to_owned()) && dead.iter().all(|message| hostile.contains(message)), "{dead:?}");
    let arrived = plugin.messages();
    assert!(honest.iter().all(|message| arrived.contains(message)));
    let mut all = [dead, arrived].concat();
    let mut expected = [honest, hostile].concat();
    all.sort();
    expected.sort();
    assert_eq!(all, expected, "each once, here or there");
}

#[test]
fn what_may_not_be_cut_is_buried_as_a_whole() {
    let (stand, honest, hostile) = poisoned();
    let plugin = Picky::new(Pieces::Whole);
    let dead = run(&stand, &plugin, 161);
    assert!(dead.iter().any(|message| honest.contains(message)), "{dead:?}");
    assert_eq!(dead.len() + plugin.messages().len(), honest.len() + hostile.len());
}

#[test]
fn poison_alone_takes_no_more_than_two_tries_for_each_record() {
    let stand = Stand::new();
    let running = stand.run(stand.builder());
    send(&running, "hostile", &rows("poison", 500));
    running.stop();
    let plugin = Picky::new(Pieces::Records);
    assert_eq!(run(&stand, &plugin, 500), rows("poison", 500));
    let tries = plugin.tries.load(Ordering::Relaxed);
    assert!(tries <= 2 * 500 + 5 * 3, "{tries} tries");
}

#[test]
fn dead_letters_have_a_bound_and_what_is_beyond_it_is_counted() {
    let stand = Stand::new();
    let (plugin, most) = (Picky::new(Pieces::Records), 4_000);
    let builder = stand.builder().max_dead(NonZeroU64::new(most).expect("not zero"));
    let running = stand.run(builder.plugin("picky", wanted(), plugin.clone()));
    for word in ["poison a", "poison b"] {
        send(&running, "hostile", &rows(word, 50));
    }
    running.wait(|collector| collector.plugins()[0].dead + collector.plugins()[0].lost == 100);
    let report = running.collector().plugins()[0].clone();
    assert!(report.dead > 0 && report.lost > 50, "{report:?}");
    assert_eq!(report.state, SinkState::Degraded);
    let letters = stand.scratch.path().join("queue/dead/picky.jsonl");
    let text = std::fs::read_to_string(&letters).expect("letters");
    assert_eq!(text.lines().count() as u64, report.dead);
    assert!(text.len() as u64 <= most, "{} bytes", text.len());
    let metrics = running.get("/metrics");
    assert!(metrics.contains(&format!("spanlaked_plugin_lost_total{{plugin=\"picky\"}} {}", report.lost)));
    // Who takes them away makes room.
    std::fs::remove_file(&letters).expect("removed");
    send(&running, "hostile", &rows("poison c", 1));
    running.wait(|collector| collector.plugins()[0].dead == report.dead + 1);
    send(&running, "honest", &rows("honest", 1));
    running.wait(|collector| collector.plugins()[0].written == 1);
    running.stop();
    assert_eq!(plugin.messages(), rows("honest", 1));
}
