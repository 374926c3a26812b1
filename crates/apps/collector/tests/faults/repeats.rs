//! Batches that come again, in whatever order, cut otherwise, from several connections at once: each record is in the lake once, as it was.

use std::net::{SocketAddr, TcpStream};
use std::thread;

use spanlake_collector::CANARY_TARGET;
use spanlake_core::OwnedRecord;
use spanlake_query::{Filter, Format, Lake};

use crate::LONG;
use crate::daemon::Place;
use crate::dice::Dice;
use crate::sender::Sender;

const SEGMENTS: u64 = 60;
const CONNECTIONS: usize = 4;
const BATCHES_EACH: usize = 60;

/// A body of some segments, in whatever order, some of them twice.
fn batch(sender: &Sender, dice: &mut Dice) -> (u64, Vec<u8>) {
    let from = dice.between(0, sender.pieces.len() as u64) as usize;
    let count = dice.between(1, 12) as usize;
    let mut pieces: Vec<_> = sender.pieces.iter().skip(from).take(count).collect();
    pieces.extend(pieces.first().copied().filter(|_| dice.between(0, 4) == 0));
    dice.shuffle(&mut pieces);
    sender.body(&pieces)
}

/// Sends random batches from several connections at once; gives how many segments were stored, and how many came again.
fn storm(address: SocketAddr, senders: &[Sender], dice: &mut Dice) -> (u64, u64) {
    let seeds: Vec<_> = (0..CONNECTIONS).map(|_| dice.next()).collect();
    let blow = |seed| {
        let (mut dice, mut stream) = (Dice::new(seed), TcpStream::connect(address).expect("it listens"));
        stream.set_read_timeout(Some(LONG)).expect("a time");
        (0..BATCHES_EACH).fold((0, 0), |(accepted, repeated), _| {
            let sender = &senders[dice.between(0, senders.len() as u64) as usize];
            let (count, body) = batch(sender, &mut dice);
            let reply = sender.post(&mut stream, &body);
            assert_eq!(reply.accepted + reply.repeated, count, "{reply:?}");
            (accepted + reply.accepted, repeated + reply.repeated)
        })
    };
    thread::scope(|scope| {
        let threads: Vec<_> = seeds.into_iter().map(|seed| scope.spawn(move || blow(seed))).collect();
        let counts = threads.into_iter().map(|thread| thread.join().expect("no fault"));
        counts.fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1))
    })
}

#[test]
fn batches_that_come_again_in_any_order_and_cut_otherwise_are_stored_once() {
    let mut dice = Dice::of_this_run("repeats");
    let scratch = tempfile::tempdir().expect("a folder");
    let place = Place::new(scratch.path(), "1 GiB", "");
    let senders = ["one", "two"].map(|name| Sender::new(name, SEGMENTS));
    let (mut accepted, mut repeated) = (0, 0);
    // What was stored is known after a kill, and after a good end.
    for is_killed in [true, false, true] {
        let daemon = place.start();
        let (now, again) = storm(place.address, &senders, &mut dice);
        (accepted, repeated) = (accepted + now, repeated + again);
        if is_killed { daemon.kill() } else { daemon.end() }
    }
    let daemon = place.start();
    let mut stream = TcpStream::connect(place.address).expect("it listens");
    for sender in &senders {
        let reply = sender.post(&mut stream, &sender.body(&sender.pieces.iter().collect::<Vec<_>>()).1);
        accepted += reply.accepted;
    }
    daemon.end();
    let all = senders.iter().map(|sender| sender.pieces.len() as u64).sum::<u64>();
    assert_eq!(accepted, all, "each was new once");
    for format in [Format::Jsonl, Format::Parquet] {
        assert_same(&place, format, &senders);
    }
    println!("{accepted} segments stored, {repeated} came again");
}

/// The lake has the records of all senders, each once, as they were made.
fn assert_same(place: &Place, format: Format, senders: &[Sender]) {
    let lake = Lake::open(place.lake()).expect("a lake").format(format);
    let sorted = |records: &mut dyn Iterator<Item = OwnedRecord>| {
        let mut records: Vec<_> = records.collect();
        records.sort_by_cached_key(|record| (record.service.clone(), record.ts_us, record.key.clone()));
        records
    };
    let mut timeline = lake.read(&Filter::new()).expect("records").filter(|record| record.target != CANARY_TARGET);
    let pieces = senders.iter().flat_map(|sender| &sender.pieces);
    let made = sorted(&mut pieces.flat_map(|piece| piece.records.clone()));
    let there = sorted(&mut timeline);
    assert_eq!(there.len(), made.len(), "{format:?}");
    there.iter().zip(&made).for_each(|(there, made)| assert_eq!(there, made, "{format:?}"));
}
