//! Health: a record that the collector makes itself, and when it last got to each plugin.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use spanlake_core::clock::utc_now_ns;
use spanlake_core::segment::{CallsiteDefinition, Message, RecordHead, SegmentWriter};
use spanlake_core::sync::{Mutex, lock};
use spanlake_core::{Level, Record, Source};

use crate::http::head;
use crate::plugins::{Crew, PluginReport};

/// The target of canaries, by which a reader leaves them out.
pub const CANARY_TARGET: &str = "spanlaked::canary";

/// What the collector sends itself.
#[derive(Debug)]
pub(crate) struct Canary {
    source: Source,
    /// When each plugin last had one, and when that was made, UTC nanoseconds.
    arrived: Mutex<BTreeMap<String, (Instant, i64)>>,
}

/// What is known of all plugins.
#[derive(Debug)]
pub(crate) struct Health {
    pub(crate) canary: Arc<Canary>,
    pub(crate) crew: Arc<Crew>,
    /// How long a plugin may be without one.
    pub(crate) patience: Duration,
    pub(crate) started_at: Instant,
}

// === impl Canary ===

impl Canary {
    pub(crate) fn new(source: &Source) -> Self {
        Self { source: source.clone(), arrived: Mutex::default() }
    }

    /// A segment with one of them.
    pub(crate) fn make(&self) -> Vec<u8> {
        let mut writer = SegmentWriter::new(&self.source);
        let place = CallsiteDefinition {
            name: "canary",
            target: CANARY_TARGET,
            module: None,
            file: None,
            line: None,
            level: Level::ERROR,
        };
        let callsite = Some(writer.define_callsite(1, &place, std::iter::empty()));
        let head = RecordHead { level: Level::DEBUG, callsite, task: None, seq: 0, ts_ns: utc_now_ns() };
        let mut message = Message::default();
        message.set("canary");
        writer.event(&head, &message, &[]);
        writer.take().bytes().to_vec()
    }

    /// When a record was made that is one of this process.
    pub(crate) fn of(&self, record: &Record<'_>) -> Option<i64> {
        (record.target() == CANARY_TARGET && self.is_from(record.source)).then_some(record.ts_ns)
    }

    /// Whether what is from there is from this process.
    pub(crate) fn is_from(&self, source: &Source) -> bool {
        source.pid == self.source.pid && source.started_us == self.source.started_us
    }

    pub(crate) fn arrive(&self, plugin: &str, made_ns: i64) {
        lock(&self.arrived).insert(plugin.to_owned(), (Instant::now(), made_ns));
    }
}

// === impl Health ===

impl Health {
    /// The plugins that no canary got to lately; none right after the start.
    pub(crate) fn late(&self, now: Instant) -> Vec<String> {
        let arrived = lock(&self.canary.arrived);
        let is_late = |name: &String| {
            let last = arrived.get(name).map_or(self.started_at, |(at, _)| *at);
            now.saturating_duration_since(last) > self.patience
        };
        self.names().filter(is_late).collect()
    }

    pub(crate) fn put_metrics(&self, out: &mut String) {
        let reports = self.crew.reports();
        type Read = fn(&PluginReport) -> u64;
        let metrics: [(&str, &str, Read); 5] = [
            ("plugin_records_total", "Records that a plugin has.", |report| report.written),
            ("plugin_filtered_total", "Records that were not meant for a plugin.", |report| report.filtered),
            ("plugin_dead_total", "Records in a plugin's dead letters.", |report| report.dead),
            ("plugin_lost_total", "Records that a plugin's dead letters had no room for.", |report| report.lost),
            ("plugin_errors_total", "How often a plugin failed.", |report| report.errors),
        ];
        for (name, about, read) in metrics {
            head(out, name, "counter", about);
            for report in &reports {
                let _ = writeln!(out, "spanlaked_{name}{{plugin=\"{}\"}} {}", report.name, read(report));
            }
        }
    }

    fn names(&self) -> impl Iterator<Item = String> {
        self.crew.reports().into_iter().map(|report| report.name)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU64;

    use spanlake_core::disk;
    use spanlake_core::segment::Decoded;
    use spanlake_core::{Category, Error, Stage};
    use spanlake_lake::StreamSink;

    use super::*;
    use crate::plugins::{Asked, Match, Plugin, Portion, SinkPlugin};
    use crate::queue::{Delivery, Options, Queue};

    /// Takes everything, and makes nothing durable while it is told so.
    struct Forgetful(bool);

    impl Plugin for Forgetful {
        fn write(&mut self, _: &Portion<'_>) -> Result<(), Error> {
            Ok(())
        }

        fn flush(&mut self) -> Result<(), Error> {
            let forgets = Error::new(Stage::Handler, "Forgetful", Category::Io, "as it was told").recoverable();
            if self.0 { Err(forgets) } else { Ok(()) }
        }
    }

    /// Can be reached, or not, and has nothing to keep.
    struct Reached(bool);

    impl Plugin for Reached {
        fn write(&mut self, _: &Portion<'_>) -> Result<(), Error> {
            panic!("nothing is meant for it")
        }

        fn flush(&mut self) -> Result<(), Error> {
            Ok(())
        }

        fn reach(&mut self) -> Result<(), Error> {
            let away = Error::new(Stage::Handler, "Reached", Category::Io, "nobody is there").recoverable();
            if self.0 { Ok(()) } else { Err(away) }
        }
    }

    #[test]
    fn what_is_not_durable_has_not_got_there() {
        let canary = Arc::new(Canary::new(&Source::this_process("spanlaked")));
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options::new(folder.path().join("queue"), NonZeroU64::MAX);
        let (queue, _) = Queue::open(options, disk::real(), &[]).expect("a queue");
        let queue = Arc::new(queue);
        let crew = Crew::new(Arc::clone(&queue), Arc::clone(&canary), folder.path().to_owned(), NonZeroU64::MAX);
        let others = Match { services: vec!["orders".to_owned()], ..Match::default() };
        let plugins: [(_, _, Box<dyn Plugin>); 4] = [
            ("good", Match::default(), Box::new(Forgetful(false))),
            ("bad", Match::default(), Box::new(Forgetful(true))),
            ("there", others.clone(), Box::new(Reached(true))),
            ("away", others, Box::new(Reached(false))),
        ];
        for (name, wanted, plugin) in plugins {
            let asked = Asked { name: name.to_owned(), wanted, plugin, settings: None };
            crew.begin(asked, Duration::from_millis(10)).expect("a thread");
        }
        let made_at = Instant::now();
        let delivery = Delivery { entries: vec![(None, canary.make())], ..Delivery::default() };
        queue.offer(delivery, |_| ());
        let is_there = |name: &str| lock(&canary.arrived)[name].0 > made_at;
        let until = made_at + Duration::from_secs(30);
        let is_done = |report: &PluginReport| report.written > 0 || report.filtered > 0;
        while !(is_there("good") && is_there("there") && crew.reports().iter().all(is_done)) {
            assert!(Instant::now() < until, "it did not get there");
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(100));
        assert!(!is_there("bad") && !is_there("away"));
    }

    #[test]
    fn a_plugin_is_late_that_no_canary_got_to_for_a_while() {
        let canary = Arc::new(Canary::new(&Source::this_process("spanlaked")));
        let (patience, started_at) = (Duration::from_secs(30), Instant::now());
        let folder = tempfile::tempdir().expect("a folder");
        let options = Options::new(folder.path().join("queue"), NonZeroU64::MAX);
        let (queue, _) = Queue::open(options, disk::real(), &[]).expect("a queue");
        let crew = Crew::new(Arc::new(queue), Arc::clone(&canary), folder.path().to_owned(), NonZeroU64::MAX);
        for name in ["lake", "print"] {
            let plugin = Box::new(SinkPlugin::new(StreamSink::stderr()));
            let asked = Asked { name: name.to_owned(), wanted: Match::default(), plugin, settings: None };
            crew.begin(asked, patience).expect("a thread");
        }
        let health = Health { canary: Arc::clone(&canary), crew: Arc::new(crew), patience, started_at };
        assert!(health.late(started_at + patience).is_empty(), "it has just begun");
        let late = started_at + patience + Duration::from_secs(1);
        assert_eq!(health.late(late), ["lake", "print"]);

        let made = canary.make();
        let decoded = Decoded::read(&made).expect("a segment");
        let found = decoded.records().find_map(|record| canary.of(&record)).expect("it knows its own");
        canary.arrive("lake", found);
        assert!(!health.late(Instant::now() + patience / 2).contains(&"lake".to_owned()));
        assert!(health.late(late).contains(&"print".to_owned()), "nothing got there");
        let mut other = Source::this_process("spanlaked");
        other.pid = 1;
        let other = Canary::new(&other);
        assert!(decoded.records().all(|record| other.of(&record).is_none()), "another collector's is none of its own");
    }
}
