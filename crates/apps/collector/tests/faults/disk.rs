//! Disks that are full to the last byte, the queue's or the lake's, and have room again: nothing acknowledged is lost, nothing doubled.

use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use spanlake_testkit::apart::{Ballast, on_small_disks};

use crate::LONG;
use crate::daemon::Place;
use crate::dice::Dice;
use crate::oracle::{assert_whole, await_records, await_whole};
use crate::program::{Program, Settings, Told};
use crate::sender::Sender;

const TIMES: u64 = 4;

/// Waits until the collector has refused something since it was `before`.
fn await_refusal(program: &mut Program, before: u64) -> Told {
    let until = Instant::now() + LONG;
    loop {
        let told = program.flush(Duration::from_millis(200));
        if told.errors > before && !told.is_in_time {
            assert!(told.last_error.as_deref().is_some_and(|error| error.contains("503")), "{told:?}");
            return told;
        }
        assert!(Instant::now() < until, "it takes everything: {told:?}");
    }
}

/// Somebody else is refused too, who needs more than a page that is begun has left, and told to come back.
fn assert_refused(place: &Place, other: &Sender) {
    let (_, body) = other.body(&other.pieces.iter().collect::<Vec<_>>());
    let (head, _) = other.ask(&mut TcpStream::connect(place.address).expect("it listens"), &body);
    assert!(head.starts_with("http/1.1 503") && head.contains("retry-after: "), "{head}");
}

#[test]
fn a_queue_on_a_full_disk_refuses_and_goes_on_when_there_is_room() {
    on_small_disks("disk::a_queue_on_a_full_disk_refuses_and_goes_on_when_there_is_room", &["queue"], |folder| {
        let (mut dice, other) = (Dice::of_this_run("disk::queue"), Sender::new("other", 20));
        let place = Place::new(folder, "6 MiB", "");
        let mut daemon = place.start();
        let mut running = Settings::new("p", &place.url(), folder).start();
        for time in 0..TIMES {
            thread::sleep(dice.millis(50, 500));
            let before = running.flush(LONG).errors;
            let ballast = Ballast::all(&folder.join("queue"));
            let full = await_refusal(&mut running, before);
            assert_refused(&place, &other);
            if time % 2 == 1 {
                daemon.kill();
                daemon = place.start();
            }
            drop(ballast);
            // What was acknowledged until then is in the lake, whatever became of the collector.
            await_records(&place.lake(), full.written, LONG);
        }
        let (said, told) = running.end(LONG);
        assert_eq!((told.written, told.lost), (said.records(), 0), "{told:?}");
        await_whole(&place.lake(), std::slice::from_ref(&said), LONG);
        daemon.end();
        println!("{TIMES} times full, {} events", assert_whole(&place.lake(), &[said]).events());
    });
}

#[test]
fn a_lake_on_a_full_disk_is_written_when_there_is_room_and_doubles_nothing() {
    on_small_disks(
        "disk::a_lake_on_a_full_disk_is_written_when_there_is_room_and_doubles_nothing",
        &["lake"],
        |folder| {
            let mut dice = Dice::of_this_run("disk::lake");
            let place = Place::new(folder, "1 GiB", "");
            let mut daemon = place.start();
            let mut running = Settings { rest_us: 20_000, ..Settings::new("p", &place.url(), folder) }.start();
            for time in 0..TIMES {
                thread::sleep(dice.millis(50, 500));
                let ballast = Ballast::all(&folder.join("lake"));
                let full = running.flush(LONG);
                assert!(full.is_in_time, "the queue has room: {full:?}");
                thread::sleep(dice.millis(50, 1_000));
                if time % 2 == 1 {
                    daemon.kill();
                    daemon = place.start();
                }
                drop(ballast);
                await_records(&place.lake(), full.written, LONG);
            }
            let (said, told) = running.end(LONG);
            assert_eq!((told.written, told.lost), (said.records(), 0), "{told:?}");
            await_whole(&place.lake(), std::slice::from_ref(&said), LONG);
            daemon.end();
            assert!(!folder.join("queue/dead/lake.jsonl").exists(), "nothing is a dead letter");
            println!("{TIMES} times full, {} events", assert_whole(&place.lake(), &[said]).events());
        },
    );
}
