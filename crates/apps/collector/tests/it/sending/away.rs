//! What every plugin that sends has to bear: the other side is away for a while, and a crash makes the collector forget.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use spanlake_collector::plugins::Plugin;
use spanlake_collector::{CollectorBuilder, Match};

use crate::collecting::stand::{LONG, Stand, publish};

/// The side that records are sent to.
pub(crate) trait Side {
    /// Starts it, or starts it again with what it had.
    fn start(&mut self);

    /// Ends it.
    fn stop(&mut self);

    /// Adds the plugin that sends there.
    fn plug(&self, builder: CollectorBuilder, wanted: Match) -> CollectorBuilder;

    /// The messages that arrived so far, in their order.
    fn messages(&mut self) -> Vec<String>;
}

/// The messages of ours, without those of the collector itself.
pub(crate) fn wanted() -> Match {
    let mut wanted = Match::default();
    wanted.services = vec!["orders".to_owned()];
    wanted
}

/// Nothing is lost, and everything arrives in order, while the other side is away and comes back.
pub(crate) fn is_away_and_comes_back(side: &mut impl Side) {
    let stand = Stand::new();
    side.start();
    let running = stand.run(side.plug(stand.builder(), wanted()));
    let send = |word: &str| {
        publish(running.publisher().service("orders"), |_| (0..100).for_each(|row| tracing::info!("{word} {row}")))
    };
    assert_eq!(send("before").lost, 0);
    running.wait(|collector| collector.plugins()[0].written == 100);
    side.stop();
    assert_eq!(send("while").lost, 0);
    running.wait(|collector| collector.plugins()[0].errors > 0);
    side.start();
    assert_eq!(send("after").lost, 0);
    running.wait(|collector| collector.plugins()[0].written == 300);
    assert_eq!(running.collector().plugins()[0].dead, 0);
    running.stop();
    assert_eq!(arrived(side, 300), expected(&["before", "while", "after"]));
}

/// What the other side has not got when the collector ends waits for the next start, also where it was never there.
pub(crate) fn is_away_while_the_collector_restarts(side: &mut impl Side) {
    let stand = Stand::new();
    let first = stand.run(side.plug(stand.builder(), wanted()));
    publish(first.publisher().service("orders"), |_| (0..100).for_each(|row| tracing::info!("before {row}")));
    first.wait(|collector| collector.plugins()[0].errors > 0);
    first.stop();
    side.start();
    let second = stand.run(side.plug(stand.builder(), wanted()));
    publish(second.publisher().service("orders"), |_| (0..100).for_each(|row| tracing::info!("after {row}")));
    second.wait(|collector| collector.plugins()[0].written == 200);
    second.stop();
    assert_eq!(arrived(side, 200), expected(&["before", "after"]));
}

/// It is known whether the other side is there, also while nothing is for it.
pub(crate) fn is_asked_while_nothing_is_for_it(side: &mut impl Side, mut plugin: impl Plugin) {
    let stand = Stand::new();
    let running = stand.run(side.plug(stand.builder(), wanted()));
    running.wait(|collector| collector.plugins()[0].errors > 0);
    running.stop();
    plugin.reach().expect_err("it is not there");
    side.start();
    plugin.reach().expect("it is there");
    plugin.reach().expect("it still is");
    side.stop();
    plugin.reach().expect_err("it has gone");
    side.start();
    plugin.reach().expect("it is back");
}

/// What a collector forgets in a crash that it had sent it sends again; gives what then arrived.
pub(crate) fn is_sent_again_after_a_crash(side: &mut impl Side, least: usize) -> Vec<String> {
    let stand = Stand::new();
    side.start();
    let builder = || stand.builder().checkpoint_every(LONG * 100);
    let first = stand.run(side.plug(builder(), wanted()));
    publish(first.publisher().service("orders"), |_| (0..100).for_each(|row| tracing::info!("before {row}")));
    first.wait(|collector| collector.plugins()[0].written == 100);
    let (queue, before) = (stand.scratch.path().join("queue"), stand.scratch.path().join("before"));
    copy(&queue, &before);
    first.stop();
    fs::remove_dir_all(&queue).expect("removed");
    fs::rename(&before, &queue).expect("as a crash would have left it");
    let second = stand.run(side.plug(builder(), wanted()));
    assert!(second.collector().opened().waiting[0].1 > 0, "it has forgotten");
    publish(second.publisher().service("orders"), |_| (0..100).for_each(|row| tracing::info!("after {row}")));
    second.wait(|collector| collector.plugins()[0].written == 200);
    second.stop();
    arrived(side, least)
}

/// One record that the other side will never take is in the dead letters, and nothing else: all that two senders said around it arrives once,
/// also what is sent again after a crash.
pub(crate) fn one_poisonous_record_drags_no_other_with_it(side: &mut impl Side, poison: impl Fn()) {
    let stand = Stand::new();
    side.start();
    // Without a plugin all of it waits in the queue, and comes at once afterwards.
    let running = stand.run(stand.builder());
    let send = |program: &dyn Fn()| drop(publish(running.publisher().service("orders"), |_| program()));
    let rows = |word: &str, rows: std::ops::Range<i32>| rows.for_each(|row| tracing::info!("{word} {row}"));
    send(&|| rows("before", 0..50));
    send(&|| {
        rows("after", 0..50);
        poison();
        rows("after", 50..100);
    });
    send(&|| rows("before", 50..100));
    running.stop();
    let (queue, before) = (stand.scratch.path().join("queue"), stand.scratch.path().join("before"));
    let builder = || stand.builder().checkpoint_every(LONG * 100);
    for is_last in [false, true] {
        let running = stand.run(side.plug(builder(), wanted()));
        running.wait(|collector| collector.plugins()[0].written == 200 && collector.plugins()[0].dead == 1);
        if !is_last {
            copy(&queue, &before);
        }
        running.stop();
        if !is_last {
            fs::remove_dir_all(&queue).expect("removed");
            fs::rename(&before, &queue).expect("as a crash would have left it");
        }
    }
    let mut arrived = arrived(side, 200);
    let mut expected = expected(&["before", "after"]);
    arrived.sort();
    expected.sort();
    assert_eq!(arrived, expected);
    let letters = fs::read_dir(queue.join("dead")).expect("a folder").next().expect("a file").expect("a file");
    let letters = fs::read_to_string(letters.path()).expect("text");
    assert_eq!(letters.lines().count(), 2, "once each time that it came");
    assert!(letters.lines().all(|line| line.contains("poison")));
}

/// Everything once, in the order in which it was sent.
pub(crate) fn expected(words: &[&str]) -> Vec<String> {
    words.iter().flat_map(|word| (0..100).map(move |row| format!("{word} {row}"))).collect()
}

/// What is there when so many are there, and nothing comes any more.
fn arrived(side: &mut impl Side, least: usize) -> Vec<String> {
    let until = Instant::now() + LONG;
    loop {
        let messages = side.messages();
        if messages.len() >= least {
            return messages;
        }
        assert!(Instant::now() < until, "{} of {least} are there", messages.len());
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}
