//! What calls cost while the collector is there, slow, deaf, away: callers do not notice which.

use std::thread;
use std::time::Duration;

use crate::LONG;
use crate::daemon::Place;
use crate::oracle::assert_whole;
use crate::program::{Calls, Settings};
use crate::valve::{BROKEN, DRIPS, OPEN, SHUT, Valve};

const PHASES: [(&str, u8); 6] =
    [("begins", OPEN), ("there", OPEN), ("a byte at a time", DRIPS), ("deaf", SHUT), ("away", BROKEN), ("back", OPEN)];

const PHASE: Duration = Duration::from_millis(1_500);

/// No call takes that long; what else the machine does at the time is in it.
const LONGEST_CALL: Duration = Duration::from_millis(500);

/// How much more the slowest in a thousand may take than while the collector is there, and what is never too much: other tests run.
const MOST_TIMES: u64 = 20;
const ALWAYS_FINE: Duration = Duration::from_millis(25);

#[test]
fn callers_do_not_notice_how_the_collector_is() {
    let scratch = tempfile::tempdir().expect("a folder");
    let place = Place::new(scratch.path(), "1 GiB", "");
    let (daemon, valve) = (place.start(), Valve::to(place.address));
    let settings = Settings::new("p", &valve.url(), scratch.path()).spooled();
    let mut running = Settings { rest_us: 4_000, ..settings }.start();
    for (number, (_, mode)) in PHASES.iter().enumerate() {
        valve.set(*mode);
        running.phase(number);
        thread::sleep(PHASE);
    }
    let (said, told) = running.end(LONG);
    assert_eq!((told.written, told.lost), (said.records(), 0), "{told:?}");
    daemon.end();
    assert_whole(&place.lake(), &[said]);
    for ((name, _), Calls { count, p50, p999, longest }) in PHASES.iter().zip(&told.calls) {
        println!("{name}: {count} calls, p50 {p50} ns, p99.9 {p999} ns, longest {longest} ns");
    }
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).expect("it is short");
    let there = told.calls[1];
    let most = (there.p999 * MOST_TIMES).max(nanos(ALWAYS_FINE));
    assert_eq!(told.calls.len(), PHASES.len());
    for (calls, (name, _)) in told.calls.iter().zip(PHASES) {
        assert!(calls.count > 300, "{name}: {calls:?}");
        assert!(calls.longest < nanos(LONGEST_CALL) && calls.p999 < most, "{name}: {calls:?}");
        assert!(calls.p50 < there.p50 * MOST_TIMES, "{name}: {calls:?}");
    }
}
