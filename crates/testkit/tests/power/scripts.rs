//! What processes do until the power goes.

use std::time::Duration;

use spanlake_core::{Level, Policy};

use crate::process::{Process, Settings};

const HOUR: Duration = Duration::from_secs(3_600);

/// What a process does, with a name for it.
pub(crate) struct Script {
    pub(crate) name: &'static str,
    pub(crate) settings: Settings,
    pub(crate) play: fn(&mut Process),
}

pub(crate) fn scripts() -> Vec<Script> {
    let usual = Settings::default();
    vec![
        Script { name: "syncs and flushes", settings: usual, play: syncs_and_flushes },
        Script { name: "many pages", settings: usual, play: many_pages },
        Script { name: "full files", settings: Settings { max_file_bytes: 2_000, ..usual }, play: full_files },
        Script { name: "partitions", settings: usual, play: partitions },
        Script { name: "a good end", settings: usual, play: a_good_end },
        Script { name: "a race", settings: usual, play: |process| process.race(100, 500) },
        Script {
            name: "a race for room",
            settings: stuck(Policy::DropOldest),
            play: |process| process.race(150, 1_500),
        },
        Script { name: "the oldest give way", settings: stuck(Policy::DropOldest), play: too_much },
        Script { name: "the least severe give way", settings: stuck(Policy::DropLowest), play: too_much },
    ]
}

/// A small buffer that nobody drains.
fn stuck(policy: Policy) -> Settings {
    Settings { capacity_bytes: 96 << 10, policy, is_pumped: false, ..Settings::default() }
}

fn events(process: &mut Process, hand: usize, numbers: std::ops::Range<usize>, len: usize) {
    for number in numbers {
        assert!(process.event(hand, Level::INFO, number, len));
    }
}

fn syncs_and_flushes(process: &mut Process) {
    process.begin(0, "first");
    events(process, 0, 0..3, 10);
    process.sync();
    events(process, 1, 10..12, 10);
    process.flush();
    process.begin(1, "second");
    events(process, 0, 20..22, 10);
    process.sync();
    process.end(0);
    process.flush();
    events(process, 1, 30..32, 10);
    process.flush();
    process.end(1);
    process.sync();
    events(process, 0, 40..41, 10);
}

/// Records that fill several pages of the spool.
fn many_pages(process: &mut Process) {
    process.begin(0, "task");
    events(process, 0, 0..5, 5_000);
    process.sync();
    events(process, 0, 5..8, 5_000);
    events(process, 1, 10..12, 9_000);
    process.sync();
    events(process, 0, 20..25, 5_000);
    process.flush();
    // Longer than a page.
    events(process, 1, 30..31, 40_000);
    process.sync();
    process.end(0);
}

/// Files of JSON lines that are full after a few records.
fn full_files(process: &mut Process) {
    process.begin(0, "task");
    events(process, 0, 0..9, 300);
    process.flush();
    events(process, 0, 10..13, 300);
    process.sync();
    events(process, 1, 20..29, 300);
    process.flush();
    events(process, 0, 30..34, 300);
}

/// Records of several hours, so that files lie in several folders.
fn partitions(process: &mut Process) {
    process.begin(0, "task");
    events(process, 0, 0..2, 10);
    process.hand(0).set_time(HOUR);
    events(process, 0, 10..12, 10);
    process.flush();
    process.hand(0).set_time(2 * HOUR);
    events(process, 0, 20..22, 10);
    process.sync();
    events(process, 1, 30..32, 10);
    process.hand(0).set_time(3 * HOUR);
    events(process, 0, 40..42, 10);
    process.flush();
    process.end(0);
}

fn a_good_end(process: &mut Process) {
    process.begin(0, "task");
    events(process, 0, 0..2, 10);
    process.flush();
    events(process, 1, 10..12, 10);
    process.end(0);
    process.shutdown();
}

/// More records than there is room for, so that some give way which were synced already.
fn too_much(process: &mut Process) {
    process.begin(0, "task");
    for number in 0..45 {
        let level = if number % 2 == 0 { Level::DEBUG } else { Level::INFO };
        process.event(number % 2, level, number, 3_000);
        if number % 10 == 9 {
            process.sync();
        }
    }
}
