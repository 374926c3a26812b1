//! Plugins get what they are to get, and one that fails holds up no other.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use spanlake_collector::receive::Pull;
use spanlake_collector::{LakePlugin, Match, Plugin, Portion};
use spanlake_core::{Category, Error, LevelFilter, SinkState, Stage};

use super::stand::{LONG, Stand, publish};

/// Keeps messages, or fails as it is told.
#[derive(Clone, Default)]
struct Test {
    messages: Arc<Mutex<Vec<String>>>,
    fails: Arc<AtomicBool>,
    panics: Arc<AtomicBool>,
    can_be_helped: bool,
    tries: Arc<AtomicU32>,
}

impl Plugin for Test {
    fn write(&mut self, portion: &Portion<'_>) -> Result<(), Error> {
        self.tries.fetch_add(1, Ordering::Relaxed);
        assert!(!self.panics.load(Ordering::Relaxed), "as it was told");
        if self.fails.load(Ordering::Relaxed) {
            let error = Error::new(Stage::Handler, "Test", Category::Io, "as it was told");
            return Err(if self.can_be_helped { error.recoverable() } else { error });
        }
        let messages = portion.records().map(|(_, record)| record.message.to_string());
        self.messages.lock().expect("no panic here").extend(messages.filter(|message| message != "canary"));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

impl Test {
    fn messages(&self) -> Vec<String> {
        self.messages.lock().expect("no panic here").clone()
    }
}

#[test]
fn a_plugin_gets_what_fits_every_part() {
    let stand = Stand::new();
    let fits = |level, targets: &[&str], services: &[&str], systems: &[&str]| {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let mut wanted = Match::default();
        (wanted.level, wanted.targets) = (level, owned(targets));
        (wanted.services, wanted.systems) = (owned(services), owned(systems));
        (wanted, Test::default())
    };
    let warn = fits(LevelFilter::WARN, &[], &[], &[]);
    let target = fits(LevelFilter::TRACE, &["db"], &[], &[]);
    let service = fits(LevelFilter::TRACE, &[], &["items"], &[]);
    let system = fits(LevelFilter::TRACE, &[], &[], &["S"]);
    let builder = [("warn", &warn), ("target", &target), ("service", &service), ("system", &system)]
        .into_iter()
        .fold(stand.builder(), |builder, (name, (wanted, test))| builder.plugin(name, wanted.clone(), test.clone()));
    let running = stand.run(builder);
    for name in ["orders", "items"] {
        publish(running.publisher().service(name), |_| {
            tracing::warn!(target: "db::pool", "{name} slow");
            tracing::info!(target: "dbase", "{name} other");
            tracing::info!(system = "S", "{name} staged");
        });
    }
    running.wait(|collector| collector.queue().waiting.iter().all(|(_, count)| *count == 0));
    running.stop();
    assert_eq!(warn.1.messages(), ["orders slow", "items slow"]);
    assert_eq!(target.1.messages(), ["orders slow", "items slow"]);
    assert_eq!(service.1.messages(), ["items slow", "items other", "items staged"]);
    assert_eq!(system.1.messages(), ["orders staged", "items staged"]);
}

#[test]
fn one_that_fails_holds_up_no_other_and_goes_on_where_it_was() {
    let stand = Stand::new();
    let test = Test { can_be_helped: true, ..Test::default() };
    test.fails.store(true, Ordering::Relaxed);
    let lake = LakePlugin::jsonl(stand.lake());
    let running = stand.run(stand.builder().plugin("test", Match::default(), test.clone()).plugin(
        "lake",
        Match::default(),
        lake,
    ));
    publish(running.publisher(), |_| (0..10).for_each(|row| tracing::info!("{row}")));
    running.wait(|collector| collector.plugins()[1].written >= 10 && test.tries.load(Ordering::Relaxed) > 6);
    let report = running.collector().plugins()[0].clone();
    assert_eq!((report.state, report.written, report.dead), (SinkState::Retrying, 0, 0));
    assert!(report.last_error.is_some_and(|error| error.contains("as it was told")));
    test.fails.store(false, Ordering::Relaxed);
    running.wait(|collector| collector.plugins()[0].written >= 10);
    running.stop();
    assert_eq!(test.messages(), (0..10).map(|row| row.to_string()).collect::<Vec<_>>());
}

#[test]
fn what_one_will_never_take_goes_to_its_dead_letters() {
    for panics in [false, true] {
        let stand = Stand::new();
        let test = Test::default();
        test.fails.store(true, Ordering::Relaxed);
        test.panics.store(panics, Ordering::Relaxed);
        let running = stand.run(stand.builder().plugin("test", Match::default(), test.clone()));
        publish(running.publisher(), |_| tracing::info!("never taken"));
        let letters = stand.scratch.path().join("queue/dead/test.jsonl");
        let is_there = || std::fs::read_to_string(&letters).is_ok_and(|text| text.contains("never taken"));
        running.wait(|collector| collector.plugins()[0].dead >= 1 && is_there());
        test.fails.store(false, Ordering::Relaxed);
        test.panics.store(false, Ordering::Relaxed);
        publish(running.publisher(), |_| tracing::info!("taken"));
        running.wait(|collector| collector.plugins()[0].written >= 1);
        running.stop();
        assert!(test.messages().contains(&"taken".to_owned()));
        let dead = std::fs::read_to_string(letters).expect("dead letters");
        assert!(!dead.contains(r#""message":"taken""#), "{dead}");
    }
}

#[test]
fn what_a_plugin_has_is_not_given_to_it_again_after_a_restart() {
    let stand = Stand::new();
    let test = Test::default();
    for round in 0..3 {
        let running = stand.run(stand.builder().plugin("test", Match::default(), test.clone()));
        publish(running.publisher(), |_| tracing::info!("{round}"));
        running.wait(|collector| collector.plugins()[0].written >= 1);
        running.stop();
    }
    assert_eq!(test.messages(), ["0", "1", "2"]);
}

#[test]
fn what_a_plugin_had_not_got_when_the_collector_stopped_is_there_at_the_next_start() {
    let stand = Stand::new();
    let test = Test { can_be_helped: true, ..Test::default() };
    test.fails.store(true, Ordering::Relaxed);
    let running = stand.run(stand.builder().plugin("test", Match::default(), test.clone()));
    publish(running.publisher(), |_| (0..100).for_each(|row| tracing::info!("{row}")));
    running.wait(|_| test.tries.load(Ordering::Relaxed) > 1);
    running.stop();
    assert_eq!(test.messages(), [""; 0]);
    test.fails.store(false, Ordering::Relaxed);
    let running = stand.run(stand.builder().plugin("test", Match::default(), test.clone()));
    running.wait(|collector| collector.plugins()[0].written >= 100);
    running.stop();
    assert_eq!(test.messages(), (0..100).map(|row| row.to_string()).collect::<Vec<_>>());
}

#[test]
fn a_start_that_fails_lets_go_of_the_queue() {
    let (stand, taken) = (Stand::new(), TcpListener::bind("127.0.0.1:0").expect("an address"));
    let builder = || stand.builder().plugin("test", Match::default(), Test::default());
    let pull = Pull::new(taken.local_addr().expect("an address"));
    stand.fails(builder().pull(pull));
    stand.run(builder()).stop();
}

/// Tells of each portion how many entries it has, and how much context, each record with its own.
struct Weighing(mpsc::Sender<(usize, usize)>);

impl Plugin for Weighing {
    fn write(&mut self, portion: &Portion<'_>) -> Result<(), Error> {
        let tasks = portion.records().filter_map(|(_, record)| record.task.as_deref());
        let context = tasks.flat_map(|task| &task.context).map(|field| field.value.to_string().len()).sum();
        let _ = self.0.send((portion.entries().len(), context));
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

#[test]
fn what_becomes_much_more_outside_of_segments_comes_in_smaller_portions() {
    let stand = Stand::new();
    // Without a plugin all of it waits in the queue, and comes at once afterwards.
    let running = stand.run(stand.builder());
    let text = "x".repeat(60_000);
    publish(running.publisher(), |guard| {
        for _ in 0..10 {
            let _job = tracing::info_span!("job", text).entered();
            (0..100).for_each(|row| tracing::info!("{row}"));
            assert!(guard.flush(LONG).is_complete());
        }
    });
    running.stop();
    let (tell, told) = mpsc::channel();
    let running = stand.run(stand.builder().plugin("weighing", Match::default(), Weighing(tell)));
    running.wait(|collector| collector.plugins()[0].written >= 1020);
    running.stop();
    let portions: Vec<_> = told.iter().collect();
    assert!(portions.iter().all(|(entries, context)| *entries == 1 || *context <= 16 << 20), "{portions:?}");
    assert!(portions.iter().any(|(entries, _)| *entries > 1), "as many as may come at once: {portions:?}");
}
