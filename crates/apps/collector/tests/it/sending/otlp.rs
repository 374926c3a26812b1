//! Who takes OTLP: a collector's own receiver.

use spanlake_collector::plugins::OtlpPlugin;
use spanlake_collector::{CollectorBuilder, LakePlugin, Match};

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
